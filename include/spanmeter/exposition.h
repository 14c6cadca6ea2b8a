// Scrape formats: what a scraper accepts, and encoders that write metrics in it.

#ifndef SPANMETER_EXPOSITION_H_
#define SPANMETER_EXPOSITION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "spanmeter/sample_sink.h"

namespace spanmeter {

enum class ExpositionFormat : uint8_t { kText, kOpenMetrics, kProtobuf };

// What to send, chosen from a request's Accept and Accept-Encoding headers (RFC 9110, with q
// values; absent or unusable headers mean text, not compressed).
struct Negotiated {
  ExpositionFormat format = ExpositionFormat::kText;
  bool gzip = false;
};
Negotiated Negotiate(std::string_view accept, std::string_view accept_encoding);

// The Content-Type of a format.
std::string_view ContentType(ExpositionFormat format);

// Takes the next bytes of the body; false when the reader has gone away. The view is valid for the
// length of the call.
using ByteSink = std::function<bool(std::string_view)>;

struct EncoderOptions {
  ExpositionFormat format = ExpositionFormat::kText;
  // One gzip member around everything.
  bool gzip = false;
  // OpenMetrics: `_created` samples. Protobuf says when a series was born in any case, text never.
  bool created = false;
};

// Writes metrics as one body, in chunks of about 256 KiB, whatever the number of series. Not
// thread-safe.
class Encoder : public SampleSink {
 public:
  // Ends the body and hands over the last chunk. Must be called once, after the last metric, unless
  // a method returned false.
  virtual bool Finish() = 0;
};
std::unique_ptr<Encoder> NewEncoder(const EncoderOptions& options, ByteSink sink);

// Presents metrics kept by prometheus-cpp. Returns false when the sink ended the visit.
// REQUIRES: no summaries and no info metrics (spanmeter has none); the histograms of a family have
// the same buckets.
bool VisitFamilies(const std::vector<prometheus::MetricFamily>& families, SampleSink* sink);

}  // namespace spanmeter

#endif  // SPANMETER_EXPOSITION_H_
