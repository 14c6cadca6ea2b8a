// A registry's families, written to the state that a clean stop leaves and read back from it.

#ifndef SPANMETER_SRC_REGISTRY_FAMILY_STATE_H_
#define SPANMETER_SRC_REGISTRY_FAMILY_STATE_H_

#include <memory>
#include <span>
#include <string>

#include "spanmeter/registry.h"
#include "spanmeter/state_stream.h"

#include "registry/family.h"

namespace spanmeter {

// All that decides which series a family can have, as bytes that are the same in every process.
// Unlike for FamilySpec's operator== the help texts do not matter, so that another version of the
// program may word them differently.
std::string DescribeSpec(const FamilySpec& spec);

// See Registry::Save() and Registry::Restore().
void SaveRegistry(std::span<const std::shared_ptr<Family>> families, FamilyShared* shared,
                  StateWriter* writer);
bool RestoreRegistry(std::span<const std::shared_ptr<Family>> families, FamilyShared* shared,
                     StateReader* reader, RestoredState* restored);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_FAMILY_STATE_H_
