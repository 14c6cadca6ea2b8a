// The delimited protobuf format: io.prometheus.client.MetricFamily messages, each preceded by its
// length as a varint (https://github.com/prometheus/client_model, metrics.proto).

#ifndef SPANMETER_SRC_EXPOSITION_PROTOBUF_ENCODER_H_
#define SPANMETER_SRC_EXPOSITION_PROTOBUF_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/exposition.h"

#include "exposition/chunk_output.h"

namespace spanmeter {

// A message is preceded by its length, so it is complete in memory before its first byte is sent.
// To bound the memory, a family with many series comes as several messages of the same name, one
// after the other; Prometheus reads them as one family.
class ProtobufEncoder final : public Encoder {
 public:
  // A message ends when its metrics have reached this size.
  static constexpr size_t kMessageBytes = 512 * 1024;

  ProtobufEncoder(const EncoderOptions& options, ByteSink sink);

  bool BeginMetric(const MetricInfo& metric) override;
  bool Number(std::string_view labels, double value, int64_t created_ms) override;
  bool Histogram(std::string_view labels, const HistogramPoint& point, int64_t created_ms) override;
  bool Finish() override;

 private:
  char* Reserve(size_t size);
  bool EndMetric(char* end);
  bool WriteMessage();
  char* WriteClassicBuckets(const HistogramPoint& point, char* out) const;
  char* WriteExemplar(char tag, const Exemplar& exemplar, char* out) const;

  ChunkOutput output_;

  // Of the metric that was begun last.
  MetricType type_ = MetricType::kUntyped;
  std::string head_;            // the family's name, help and type, encoded
  std::string exemplar_label_;  // encoded but for the value of the label
  std::vector<double> bounds_;  // with +Inf; empty without classic buckets

  // The metrics of the message being built, encoded as the family's field `metric`.
  std::unique_ptr<char[]> metrics_;
  size_t metrics_size_ = 0;
  size_t metrics_capacity_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_EXPOSITION_PROTOBUF_ENCODER_H_
