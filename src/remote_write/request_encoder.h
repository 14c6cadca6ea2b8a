// Builds the body of one remote-write request, in either version of the protocol.

#ifndef SPANMETER_REMOTE_WRITE_REQUEST_ENCODER_H_
#define SPANMETER_REMOTE_WRITE_REQUEST_ENCODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/block.h"
#include "spanmeter/sample_sink.h"

#include "remote_write/metric_names.h"
#include "remote_write/series_labels.h"
#include "remote_write/symbol_table.h"

namespace spanmeter {

// Bytes that grow and are never initialised. Not thread-safe.
class ByteBuffer {
 public:
  // Returns where `size` more bytes have room.
  char* Reserve(size_t size) {
    if (capacity_ - size_ < size) Grow(size);
    return data_.get() + size_;
  }
  // What was reserved has been written up to here.
  void EndAt(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }
  void Clear() { size_ = 0; }
  size_t size() const { return size_; }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  void Grow(size_t size);

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// The series that is being written: which of a metric's, of which label set.
struct SeriesName {
  const MetricNames* metric;
  SeriesPart part = SeriesPart::kPlain;
  size_t bound = 0;  // buckets: index into metric->bounds
};

// What a version 2.0 series says about its metric.
struct SeriesMetadata {
  uint8_t type = 0;
  std::string_view help;
  std::string_view unit;
};

// Series by series, each begun, filled and ended:
//
//   encoder.BeginSeries(labels, {&metric, SeriesPart::kCount});
//   encoder.AddSample(3, stamp_ms, created_ms);
//   encoder.EndSeries();
//
// Times are in ms since the Unix epoch; a start time of 0 is unknown. Not thread-safe.
class RequestEncoder {
 public:
  explicit RequestEncoder(Protocol protocol) : protocol_(protocol) {}

  // A series of a registry. Labels and names are looked at until EndSeries() only. REQUIRES: until
  // Finish(), the label sets of all registries' series come from the same SeriesLabels.
  void BeginSeries(const SeriesLabels& labels, const SeriesName& name);
  // A series whose labels are complete.
  void BeginSeries(const SeriesLabels& labels, const SeriesMetadata& metadata);
  void AddSample(double value, int64_t timestamp_ms, int64_t start_ms);
  // REQUIRES: `point` has a native histogram.
  void AddHistogram(const HistogramPoint& point, int64_t timestamp_ms, int64_t start_ms);
  // A histogram that holds nothing yet.
  void AddEmptyHistogram(int32_t schema, int64_t timestamp_ms);
  // A histogram as the protocol encodes it; `start_ms` is not among its fields.
  void AddEncodedHistogram(std::string_view histogram, int64_t timestamp_ms, int64_t start_ms);
  // Says that a native histogram has come to its end.
  void AddStaleHistogram(int64_t timestamp_ms);
  void AddExemplar(std::string_view label, const Exemplar& exemplar);
  void AddExemplar(std::span<const LabelView> labels, double value, int64_t timestamp_ms);
  void EndSeries();

  const SampleCounts& counts() const { return counts_; }
  // Timestamps of samples and histograms; meaningful with some.
  int64_t oldest_ms() const { return oldest_ms_; }
  int64_t newest_ms() const { return newest_ms_; }
  // Of the body so far, uncompressed.
  size_t size() const { return series_.size() + symbols_.encoded().size(); }

  // The body, compressed. Begins the next one.
  std::string Finish();

 private:
  // Encoded labels with the places where others go between.
  struct Parts {
    ByteBuffer text;
    size_t name_offset = 0;
    size_t bound_offset = 0;
  };

  void StartMetric(const MetricNames& metric);
  void EncodeLabels(const SeriesLabels& labels, Parts* parts);
  char* PutLabel(size_t position, const LabelView& label, char* out);
  void CountPoint(int64_t timestamp_ms, int64_t start_ms, uint64_t* count);
  char* PutStart(int64_t start_ms, char* out) const;
  template <typename Body>
  void PutHistogramMessage(size_t max_size, int64_t timestamp_ms, int64_t start_ms, Body body);
  template <typename Labels>
  void PutExemplarMessage(size_t max_size, double value, int64_t timestamp_ms, Labels labels);

  const Protocol protocol_;
  ByteBuffer series_;   // the field `timeseries`, again and again
  ByteBuffer current_;  // the series that was begun
  SymbolTable symbols_;
  // Of the current series: its metadata, encoded, and when it started.
  std::string metadata_;
  int64_t start_ms_ = 0;

  // The label set of the last series, and what each of its labels is.
  const SeriesLabels* labels_ = nullptr;
  uint64_t labels_serial_ = 0;
  Parts parts_;
  struct LastLabel {
    uint32_t name = 0;
    uint32_t value = 0;
  };
  std::vector<LastLabel> last_labels_;

  // Of the metric of the last series, encoded: the label __name__ by part, and `le` by bound.
  uint64_t metric_serial_ = 0;
  std::array<std::string, kSeriesParts> names_;
  std::vector<std::string> bounds_;
  std::string metric_metadata_;

  SampleCounts counts_;
  int64_t oldest_ms_ = 0;
  int64_t newest_ms_ = 0;
  std::string body_;  // uncompressed; kept for its memory
};

// The value that says that a series has come to its end
// (https://prometheus.io/docs/specs/prw/remote_write_spec/#stale-markers).
double StaleMarker();

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_REQUEST_ENCODER_H_
