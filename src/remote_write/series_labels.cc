#include "remote_write/series_labels.h"

#include "spanmeter/label_reader.h"

#include "remote_write/metric_names.h"

namespace spanmeter {

namespace {

// Whether `name`, which is not empty, stands before `other`.
inline bool IsBefore(std::string_view name, std::string_view other) {
  return name[0] != other[0] ? name[0] < other[0] : name < other;
}

}  // namespace

void SeriesLabels::Parse(std::string_view text) {
  ++serial_;
  text_size_ = text.size();
  labels_.clear();
  if (values_capacity_ < text.size()) {
    values_capacity_ = 2 * text.size();
    values_ = std::make_unique_for_overwrite<char[]>(values_capacity_);
  }
  char* values = values_.get();
  name_position_ = 0;
  le_position_ = 0;
  LabelReader reader(text);
  while (reader.Next()) {
    std::string_view value = reader.escaped_value();
    if (reader.has_escapes()) {
      char* const end = reader.PutValue(values);
      value = {values, static_cast<size_t>(end - values)};
      values = end;
    }
    labels_.push_back({reader.name(), value});
    if (IsBefore(reader.name(), kNameLabel)) name_position_ = labels_.size();
    if (IsBefore(reader.name(), kBoundLabel)) le_position_ = labels_.size();
  }
}

void SeriesLabels::Assign(std::span<const LabelView> labels) {
  ++serial_;
  labels_.assign(labels.begin(), labels.end());
  text_size_ = 0;
  for (const LabelView& label : labels_) text_size_ += label.name.size() + label.value.size();
}

void SeriesLabels::Assign(const LabelSet& labels) {
  std::vector<LabelView> views;
  views.reserve(labels.size());
  for (const Label& label : labels) views.push_back({label.name, label.value});
  Assign(views);
}

}  // namespace spanmeter
