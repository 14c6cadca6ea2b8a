#include "exposition/protobuf_encoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "spanmeter/label_reader.h"
#include "spanmeter/native_wire.h"
#include "spanmeter/wire_writer.h"

namespace spanmeter {
namespace {

// Field numbers are those of metrics.proto. All but one fit into a tag of one byte.
using wire::Delimited;
using wire::Fixed64;
using wire::Varint;

constexpr char kFamilyName = Delimited(1);
constexpr char kFamilyHelp = Delimited(2);
constexpr char kFamilyType = Varint(3);
constexpr char kFamilyMetric = Delimited(4);

constexpr char kMetricLabel = Delimited(1);
constexpr char kMetricGauge = Delimited(2);
constexpr char kMetricCounter = Delimited(3);
constexpr char kMetricUntyped = Delimited(5);
constexpr char kMetricHistogram = Delimited(7);

constexpr char kLabelName = Delimited(1);
constexpr char kLabelValue = Delimited(2);

constexpr char kNumberValue = Fixed64(1);  // of Gauge, Counter and Untyped
constexpr char kCounterStart = Delimited(3);

constexpr char kHistogramCount = Varint(1);
constexpr char kHistogramSum = Fixed64(2);
constexpr char kHistogramBucket = Delimited(3);
constexpr char kHistogramCountFloat = Fixed64(4);
constexpr int kHistogramSchema = 5;
constexpr char kHistogramSpan = Delimited(12);
constexpr char kHistogramStart = Delimited(15);
// Field 16, delimited, as a varint of two bytes.
constexpr char kHistogramExemplar[] = {static_cast<char>(0x82), 0x01};

constexpr char kBucketCount = Varint(1);
constexpr char kBucketBound = Fixed64(2);
constexpr char kBucketExemplar = Delimited(3);
constexpr char kBucketCountFloat = Fixed64(4);

constexpr char kExemplarLabel = Delimited(1);
constexpr char kExemplarValue = Fixed64(2);
constexpr char kExemplarTime = Delimited(3);

constexpr char kTimestampSeconds = Varint(1);
constexpr char kTimestampNanos = Varint(2);

// Upper bounds of what the parts of a metric take, for Reserve().
constexpr size_t kLabelOverhead = 32;    // tags and lengths of a label pair
constexpr size_t kMinLabelText = 4;      // `a=""`
constexpr size_t kMetricOverhead = 192;  // everything but labels, buckets and exemplars
constexpr size_t kBucketOverhead = 48;
constexpr size_t kExemplarOverhead = 128;

constexpr size_t kTraceIdChars = 2 * kTraceIdSize;

char* PutTimestamp(char tag, int64_t milliseconds, char* out) {
  return PutMessage(tag, 1, out, [milliseconds](char* p) {
    *p++ = kTimestampSeconds;
    p = PutVarint(static_cast<uint64_t>(milliseconds / 1000), p);
    *p++ = kTimestampNanos;
    return PutVarint(static_cast<uint64_t>(milliseconds % 1000) * 1'000'000, p);
  });
}

// A count that is no whole number stands in the float field, which readers prefer where it is set;
// those that do not know it get the nearest whole number.
char* PutCount(char tag, char float_tag, double count, char* out) {
  constexpr double kBeyondInteger = 18446744073709551616.0;  // 2^64
  const double rounded = std::round(count);
  if (rounded >= 0 && rounded < kBeyondInteger) {
    *out++ = tag;
    out = PutVarint(static_cast<uint64_t>(rounded), out);
  }
  return rounded == count && rounded < kBeyondInteger ? out : PutDouble(float_tag, count, out);
}

// Puts label pairs from the text form `name="value",...`.
char* PutLabels(std::string_view labels, char* out) {
  LabelReader reader(labels);
  while (reader.Next()) {
    out = PutMessage(kMetricLabel, 1, out, [&](char* pair) {
      pair = PutBytes(kLabelName, reader.name(), pair);
      if (!reader.has_escapes()) return PutBytes(kLabelValue, reader.escaped_value(), pair);
      return PutMessage(kLabelValue, 1, pair, [&](char* text) { return reader.PutValue(text); });
    });
  }
  return out;
}

size_t MaxLabelBytes(std::string_view labels) {
  return labels.size() + (labels.size() / kMinLabelText + 1) * kLabelOverhead;
}

uint64_t TypeNumber(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return 0;
    case MetricType::kGauge:
      return 1;
    case MetricType::kHistogram:
      return 4;
    case MetricType::kUntyped:
      break;
  }
  return 3;
}

char NumberTag(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return kMetricCounter;
    case MetricType::kGauge:
      return kMetricGauge;
    default:
      return kMetricUntyped;
  }
}

}  // namespace

ProtobufEncoder::ProtobufEncoder(const EncoderOptions& options, ByteSink sink)
    : output_(std::move(sink), options.gzip) {}

bool ProtobufEncoder::BeginMetric(const MetricInfo& metric) {
  if (!WriteMessage()) return false;
  type_ = metric.type;

  head_.resize(metric.name.size() + metric.help.size() + 4 * (1 + kMaxVarint));
  char* out = PutBytes(kFamilyName, metric.name, head_.data());
  out = PutBytes(kFamilyHelp, metric.help, out);
  *out++ = kFamilyType;
  out = PutVarint(TypeNumber(type_), out);
  head_.resize(static_cast<size_t>(out - head_.data()));

  if (type_ == MetricType::kHistogram) {
    bounds_.clear();
    if (metric.classic) {
      bounds_ = metric.bounds;
      bounds_.push_back(std::numeric_limits<double>::infinity());
    }
    exemplar_label_.resize(metric.exemplar_label.size() + 3 * (1 + kMaxVarint));
    out = PutBytes(kLabelName, metric.exemplar_label, exemplar_label_.data());
    *out++ = kLabelValue;
    out = PutVarint(kTraceIdChars, out);
    exemplar_label_.resize(static_cast<size_t>(out - exemplar_label_.data()));
  }
  return true;
}

bool ProtobufEncoder::Number(std::string_view labels, double value, int64_t created_ms) {
  char* const begin = Reserve(MaxLabelBytes(labels) + kMetricOverhead);
  return EndMetric(PutMessage(kFamilyMetric, 2, begin, [&](char* metric) {
    metric = PutLabels(labels, metric);
    return PutMessage(NumberTag(type_), 1, metric, [&](char* out) {
      out = PutDouble(kNumberValue, value, out);
      if (type_ != MetricType::kCounter || created_ms == 0) return out;
      return PutTimestamp(kCounterStart, created_ms, out);
    });
  }));
}

bool ProtobufEncoder::Histogram(std::string_view labels, const HistogramPoint& point,
                                int64_t created_ms) {
  const NativeHistogramPoint* const native = point.native;
  // Without bounds the metric is native only.
  assert(bounds_.empty() ? native != nullptr : point.cumulative_counts.size() == bounds_.size());
  size_t exemplars = bounds_.empty() ? 0 : point.exemplars.size();
  size_t bucket_bytes = bounds_.size() * kBucketOverhead;
  if (native != nullptr) {
    exemplars += native->exemplars.size();
    bucket_bytes += kNativeHeadBytes + native->buckets.size() * kNativeBucketBytes;
  }
  char* const begin = Reserve(MaxLabelBytes(labels) + kMetricOverhead + bucket_bytes +
                              exemplars * (exemplar_label_.size() + kExemplarOverhead));
  return EndMetric(PutMessage(kFamilyMetric, 2, begin, [&](char* metric) {
    metric = PutLabels(labels, metric);
    return PutMessage(kMetricHistogram, 2, metric, [&](char* out) {
      // The buckets may have fractions that add up to a whole number, but readers look at the count
      // of all to learn which of the fields hold them.
      const bool float_counts = native != nullptr && HasFloatCounts(point);
      out = float_counts ? PutDouble(kHistogramCountFloat, point.count(), out)
                         : PutCount(kHistogramCount, kHistogramCountFloat, point.count(), out);
      out = PutDouble(kHistogramSum, point.sum, out);
      if (!bounds_.empty()) out = WriteClassicBuckets(point, out);
      if (native != nullptr) {
        out = PutNative(kHistogramSchema, *native, float_counts, out);
        if (native->buckets.empty()) {
          // A span of nothing tells readers that a histogram without buckets is a native one.
          *out++ = kHistogramSpan;
          out = PutVarint(0, out);
        }
        for (const Exemplar& exemplar : native->exemplars) {
          *out++ = kHistogramExemplar[0];
          out = WriteExemplar(kHistogramExemplar[1], exemplar, out);
        }
      }
      return created_ms == 0 ? out : PutTimestamp(kHistogramStart, created_ms, out);
    });
  }));
}

char* ProtobufEncoder::WriteClassicBuckets(const HistogramPoint& point, char* out) const {
  const Exemplar* exemplar = point.exemplars.data();
  const Exemplar* const exemplars_end = exemplar + point.exemplars.size();
  for (size_t i = 0; i < bounds_.size(); ++i) {
    out = PutMessage(kHistogramBucket, 1, out, [&](char* bucket) {
      bucket = PutCount(kBucketCount, kBucketCountFloat, point.cumulative_counts[i], bucket);
      bucket = PutDouble(kBucketBound, bounds_[i], bucket);
      if (exemplar == exemplars_end || exemplar->bucket != i) return bucket;
      return WriteExemplar(kBucketExemplar, *exemplar++, bucket);
    });
  }
  return out;
}

char* ProtobufEncoder::WriteExemplar(char tag, const Exemplar& exemplar, char* out) const {
  constexpr char kDigits[] = "0123456789abcdef";
  return PutMessage(tag, 1, out, [&](char* message) {
    message = PutMessage(kExemplarLabel, 1, message, [&](char* pair) {
      std::memcpy(pair, exemplar_label_.data(), exemplar_label_.size());
      pair += exemplar_label_.size();
      for (const uint8_t byte : exemplar.trace_id) {
        *pair++ = kDigits[byte >> 4];
        *pair++ = kDigits[byte & 15];
      }
      return pair;
    });
    message = PutDouble(kExemplarValue, exemplar.value, message);
    return PutTimestamp(kExemplarTime, exemplar.timestamp_ms, message);
  });
}

// Returns where the next metric of the message goes, with room for `size` bytes.
char* ProtobufEncoder::Reserve(size_t size) {
  if (metrics_capacity_ - metrics_size_ < size) {
    // Small scrapes stay small: the buffer grows to the size of a message and one metric.
    const size_t capacity = std::max(2 * metrics_capacity_, metrics_size_ + size);
    auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
    if (metrics_size_ > 0) std::memcpy(bigger.get(), metrics_.get(), metrics_size_);
    metrics_ = std::move(bigger);
    metrics_capacity_ = capacity;
  }
  return metrics_.get() + metrics_size_;
}

bool ProtobufEncoder::EndMetric(char* end) {
  metrics_size_ = static_cast<size_t>(end - metrics_.get());
  return metrics_size_ < kMessageBytes || WriteMessage();
}

// Sends the metrics collected so far as one MetricFamily.
bool ProtobufEncoder::WriteMessage() {
  if (metrics_size_ == 0) return true;
  char length[kMaxVarint];
  const char* const length_end = PutVarint(head_.size() + metrics_size_, length);
  const bool written = output_.Append({length, static_cast<size_t>(length_end - length)}) &&
                       output_.Append(head_) && output_.Append({metrics_.get(), metrics_size_});
  metrics_size_ = 0;
  return written;
}

bool ProtobufEncoder::Finish() { return WriteMessage() && output_.Finish(); }

}  // namespace spanmeter
