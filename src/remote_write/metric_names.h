// What a metric's series are called in remote write, which has no histograms with classic buckets
// but one series for each bucket, for the count and for the sum.

#ifndef SPANMETER_REMOTE_WRITE_METRIC_NAMES_H_
#define SPANMETER_REMOTE_WRITE_METRIC_NAMES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/sample_sink.h"

namespace spanmeter {

inline constexpr std::string_view kNameLabel = "__name__";
inline constexpr std::string_view kBoundLabel = "le";

// The series that a metric of one label set is made of.
enum class SeriesPart : uint8_t { kPlain, kBucket, kCount, kSum };
inline constexpr size_t kSeriesParts = 4;

// Immutable.
struct MetricNames {
  // `serial` differs from that of every other object that one encoder gets to see, and is not 0.
  MetricNames(const MetricInfo& metric, uint64_t serial);

  uint64_t serial;
  std::array<std::string, kSeriesParts> names;  // by SeriesPart
  std::vector<std::string> bounds;              // values of `le`, +Inf too
  std::string help;
  std::string exemplar_label;
  // As MetricMetadata.type of the protocols.
  uint8_t type;
};

// The number that the protocols give a type.
uint8_t MetadataType(MetricType type);

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_METRIC_NAMES_H_
