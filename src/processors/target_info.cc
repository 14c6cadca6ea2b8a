#include "processors/target_info.h"

#include <algorithm>

#include "processors/attribute_text.h"
#include "processors/label_name.h"
#include "processors/utf8.h"

namespace spanmeter {

TargetInfo::TargetInfo(const GeneratorOptions& options)
    : excluded_(options.span_metrics.target_info_excluded_dimensions.begin(),
                options.span_metrics.target_info_excluded_dimensions.end()),
      names_(NamesOf(options.naming)),
      max_name_length_(options.max_label_name_length),
      max_value_length_(options.max_label_value_length) {
  // What job and instance are made of.
  excluded_.insert({"service.name", "service.namespace", "service.instance.id"});
  for (const auto& [name, value] : options.external_labels) {
    if (!value.empty()) external_labels_.insert(name);
  }
}

std::optional<std::string_view> TargetInfo::MakeKey(std::span<const Attribute> attributes,
                                                    std::string_view job, std::string_view instance,
                                                    Scratch* scratch) const {
  if (job.empty() && instance.empty()) return std::nullopt;
  scratch->labels.clear();
  scratch->names.clear();
  for (const Attribute& attribute : attributes) AddAttribute(attribute, scratch);
  // Added last, so that they win over attributes whose names became theirs by being cut.
  AddOwn(kJobLabel, job, scratch);
  AddOwn(kInstanceLabel, instance, scratch);

  const auto name_of = [scratch](const Scratch::Label& label) {
    return std::string_view(scratch->names).substr(label.name_begin, label.name_size);
  };
  std::vector<Scratch::Label>& labels = scratch->labels;
  std::sort(labels.begin(), labels.end(), [&](const Scratch::Label& a, const Scratch::Label& b) {
    const int order = name_of(a).compare(name_of(b));
    return order != 0 ? order < 0 : a.order < b.order;
  });

  UpdateBatch& encoder = scratch->encoder;
  encoder.Clear();
  encoder.BeginKey();
  bool has_identity = false;
  bool has_other = false;
  for (size_t i = 0; i < labels.size(); ++i) {
    const Scratch::Label& label = labels[i];
    const std::string_view name = name_of(label);
    // Of attributes with one name the last counts, even when it leaves the label without a value.
    if (i + 1 < labels.size() && name_of(labels[i + 1]) == name) continue;
    const std::string_view value = CutToBytes(
        AttributeText(label.value, max_value_length_, &scratch->formatted), max_value_length_);
    if (value.empty() || !IsValidUtf8(value)) continue;
    (label.own ? has_identity : has_other) = true;
    // The resource has the label, but the external one is what is shown.
    if (IsExternal(name)) continue;
    encoder.AppendText(name);
    encoder.AppendText(value);
  }
  if (!has_identity || !has_other) return std::nullopt;
  return encoder.EncodedKey();
}

void TargetInfo::AddAttribute(const Attribute& attribute, Scratch* scratch) const {
  const std::string_view key = attribute.key;
  if (key.empty() || excluded_.contains(key)) return;
  if (key[0] >= '0' && key[0] <= '9' && names_.before_digit_in_target_info.empty()) return;

  std::string& names = scratch->names;
  const size_t begin = names.size();
  const auto name = [&] { return std::string_view(names).substr(begin); };
  AppendSanitized(key, &names);
  if (IsIntrinsicLabel(name(), names_) || name() == kJobLabel || name() == kInstanceLabel) {
    names.insert(begin, kCollisionPrefix);
  }
  AddNamePrefix(names_, begin, &names);
  bool reserved = IsReservedLabel(name());
  // External labels replace what has their name before it is cut, and are not cut themselves.
  if (!IsExternal(name())) {
    names.resize(begin + CutToBytes(name(), max_name_length_).size());
    reserved = reserved || IsReservedLabel(name());
  }
  if (reserved) {
    names.resize(begin);
    return;
  }
  AddLabel(begin, attribute.value, false, scratch);
}

void TargetInfo::AddOwn(std::string_view name, std::string_view value, Scratch* scratch) {
  if (value.empty()) return;
  const size_t begin = scratch->names.size();
  scratch->names += name;
  AddLabel(begin, AnyValue::String(value), true, scratch);
}

void TargetInfo::AddLabel(size_t name_begin, const AnyValue& value, bool own, Scratch* scratch) {
  Scratch::Label& label = scratch->labels.emplace_back();
  label.name_begin = static_cast<uint32_t>(name_begin);
  label.name_size = static_cast<uint32_t>(scratch->names.size() - name_begin);
  label.order = static_cast<uint32_t>(scratch->labels.size());
  label.own = own;
  label.value = value;
}

}  // namespace spanmeter
