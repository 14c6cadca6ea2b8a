// The two text formats: Prometheus text 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0
// (https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md).

#ifndef SPANMETER_SRC_EXPOSITION_TEXT_ENCODER_H_
#define SPANMETER_SRC_EXPOSITION_TEXT_ENCODER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/exposition.h"

#include "exposition/chunk_output.h"

namespace spanmeter {

// Counts of weighted spans may be fractions. OpenMetrics wants whole numbers in the buckets of a
// histogram; Prometheus reads fractions all the same, and rounding would make them wrong.
//
// Everything that a metric's lines share is rendered once, in BeginMetric(); a line is then little
// more than three copies and an integer.
class TextEncoder final : public Encoder {
 public:
  // REQUIRES: `options.format` is one of the text formats.
  TextEncoder(const EncoderOptions& options, ByteSink sink);

  bool BeginMetric(const MetricInfo& metric) override;
  bool Number(std::string_view labels, double value, int64_t created_ms) override;
  bool Histogram(std::string_view labels, const HistogramPoint& point, int64_t created_ms) override;
  bool Finish() override;

 private:
  bool WriteHeader();
  char* WriteExemplar(const Exemplar& exemplar, char* out) const;
  char* WriteCreated(std::string_view labels, int64_t created_ms, char* out) const;

  const bool open_metrics_;
  const bool created_;
  ChunkOutput output_;

  // Of the metric that was begun last.
  std::string header_;  // HELP and TYPE; empty once written
  std::string name_;
  std::string created_name_;  // empty: this metric has no such sample
  std::string bucket_prefix_;
  std::string sum_name_;
  std::string count_name_;
  std::string exemplar_prefix_;
  // What follows the labels of each bucket's line: `,le="0.002"} `.
  std::vector<std::string> bucket_suffixes_;
  size_t suffix_bytes_ = 0;  // of all of them
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_EXPOSITION_TEXT_ENCODER_H_
