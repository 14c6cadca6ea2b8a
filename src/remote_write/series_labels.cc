#include "remote_write/series_labels.h"

#include "spanmeter/label_reader.h"

#include "remote_write/metric_names.h"

namespace spanmeter {

void SeriesLabels::Parse(std::string_view text) {
  ++serial_;
  complete_ = false;
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
    if (reader.name() < kNameLabel) name_position_ = labels_.size();
    if (reader.name() < kBoundLabel) le_position_ = labels_.size();
  }
}

void SeriesLabels::Assign(std::span<const LabelView> labels) {
  ++serial_;
  complete_ = true;
  labels_.assign(labels.begin(), labels.end());
}

void SeriesLabels::Assign(const LabelSet& labels) {
  ++serial_;
  complete_ = true;
  labels_.clear();
  for (const Label& label : labels) labels_.push_back({label.name, label.value});
}

}  // namespace spanmeter
