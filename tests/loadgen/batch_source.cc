#include "loadgen/batch_source.h"

#include "loadgen/shop.h"
#include "loadgen/synthetic_load.h"

namespace spanmeter::loadgen {

std::unique_ptr<BatchSource> NewBatchSource(const LoadOptions& options) {
  if (options.scenario == Scenario::kShop) return std::make_unique<Shop>(options.gzip);
  return std::make_unique<SyntheticLoad>(options);
}

}  // namespace spanmeter::loadgen
