// target_info: what a resource says about itself, as the labels of one series.

#ifndef SPANMETER_PROCESSORS_TARGET_INFO_H_
#define SPANMETER_PROCESSORS_TARGET_INFO_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/any_value.h"
#include "spanmeter/naming.h"
#include "spanmeter/options.h"
#include "spanmeter/registry.h"

namespace spanmeter {

// The rules of a configuration: which attributes become labels, and under which names. Immutable
// and thread-safe.
class TargetInfo {
 public:
  explicit TargetInfo(const GeneratorOptions& options);

  // Working memory, reused from one resource to the next. Belongs to one session.
  class Scratch {
   private:
    friend class TargetInfo;
    struct Label {
      uint32_t name_begin = 0;  // in names
      uint32_t name_size = 0;
      uint32_t order = 0;  // in which it was added
      bool own = false;    // job or instance
      AnyValue value;
    };
    std::vector<Label> labels;
    std::string names;
    std::string formatted;
    UpdateBatch encoder;
  };

  // Makes the key of an own-labels family from a resource's attributes and identity; nothing when
  // the resource has no target_info. (An empty key is one whose labels are all replaced by external
  // ones.) The view is valid until the next call with the same scratch.
  std::optional<std::string_view> MakeKey(std::span<const Attribute> attributes,
                                          std::string_view job, std::string_view instance,
                                          Scratch* scratch) const;

 private:
  bool IsExternal(std::string_view name) const { return external_labels_.contains(name); }
  void AddAttribute(const Attribute& attribute, Scratch* scratch) const;
  static void AddOwn(std::string_view name, std::string_view value, Scratch* scratch);
  // Adds a label whose name is what `scratch->names` holds from `name_begin` on.
  static void AddLabel(size_t name_begin, const AnyValue& value, bool own, Scratch* scratch);

  // Keys that are not labels: the identity and target_info_excluded_dimensions.
  std::set<std::string, std::less<>> excluded_;
  std::set<std::string, std::less<>> external_labels_;
  const MetricNames& names_;
  size_t max_name_length_ = 0;
  size_t max_value_length_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_TARGET_INFO_H_
