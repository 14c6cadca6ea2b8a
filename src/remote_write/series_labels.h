// A label set, taken apart once for all series and all requests that it goes into.

#ifndef SPANMETER_REMOTE_WRITE_SERIES_LABELS_H_
#define SPANMETER_REMOTE_WRITE_SERIES_LABELS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "spanmeter/relabel.h"

namespace spanmeter {

// A label that belongs to somebody else.
struct LabelView {
  std::string_view name;
  std::string_view value;
};

// Reusable; not thread-safe.
class SeriesLabels {
 public:
  // The labels of a registry's series: the name of the metric and `le` are still to be added.
  // `text` must outlive the use of this.
  void Parse(std::string_view text);
  // All labels of a series, the name of the metric among them; sorted by name. They must outlive
  // the use of this.
  void Assign(std::span<const LabelView> labels);
  void Assign(const LabelSet& labels);

  std::span<const LabelView> labels() const { return labels_; }
  // Where, in labels(), the name of the metric and a label `le` belong; only after Parse().
  size_t name_position() const { return name_position_; }
  size_t le_position() const { return le_position_; }
  // At least the characters of all names and values.
  size_t text_size() const { return text_size_; }
  // Differs from that of every label set that this object had before.
  uint64_t serial() const { return serial_; }

 private:
  std::vector<LabelView> labels_;
  std::unique_ptr<char[]> values_;  // those that had escapes
  size_t values_capacity_ = 0;
  size_t name_position_ = 0;
  size_t le_position_ = 0;
  size_t text_size_ = 0;
  uint64_t serial_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SERIES_LABELS_H_
