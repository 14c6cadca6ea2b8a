#include "remote_write/request_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <snappy.h>
#include <utility>

#include "spanmeter/native_wire.h"
#include "spanmeter/wire_writer.h"

namespace spanmeter {

namespace {

// The messages of both versions have the same structure; these are the numbers that differ.
struct Fields {
  char series;     // in the request
  char sample;     // in a series
  char histogram;  // likewise
  char exemplar;   // likewise
};
constexpr Fields kFields1 = {wire::Delimited(1), wire::Delimited(2), wire::Delimited(4),
                             wire::Delimited(3)};
constexpr Fields kFields2 = {wire::Delimited(5), wire::Delimited(2), wire::Delimited(3),
                             wire::Delimited(4)};
constexpr const Fields& FieldsOf(Protocol protocol) {
  return protocol == Protocol::k1 ? kFields1 : kFields2;
}

// In a series: labels one by one in 1.0, all symbols together in 2.0.
constexpr char kLabel = wire::Delimited(1);
constexpr char kMetadata = wire::Delimited(5);
// Receivers of before the protocol gave each sample its start time look here for it.
constexpr char kSeriesStart = wire::Varint(6);

constexpr char kLabelName = wire::Delimited(1);
constexpr char kLabelValue = wire::Delimited(2);

constexpr char kMetadataType = wire::Varint(1);
constexpr char kMetadataHelp = wire::Varint(3);
constexpr char kMetadataUnit = wire::Varint(4);

constexpr char kSampleValue = wire::Fixed64(1);
constexpr char kSampleTime = wire::Varint(2);
constexpr char kSampleStart = wire::Varint(3);

constexpr char kHistogramCount = wire::Varint(1);
constexpr char kHistogramCountFloat = wire::Fixed64(2);
constexpr char kHistogramSum = wire::Fixed64(3);
constexpr int kHistogramSchema = 4;
constexpr char kHistogramTime = wire::Varint(15);
// Field 17, a varint, as a varint of two bytes.
constexpr char kHistogramStart[] = {static_cast<char>(0x88), 0x01};

constexpr char kExemplarLabels = wire::Delimited(1);
constexpr char kExemplarValue = wire::Fixed64(2);
constexpr char kExemplarTime = wire::Varint(3);

// Upper bounds of what the parts take besides texts.
constexpr size_t kSampleBytes = 64;
constexpr size_t kHeadBytes = 32;
constexpr size_t kMaxVarint32 = 5;

constexpr size_t kTraceIdChars = 2 * kTraceIdSize;

char* Append(std::string_view bytes, char* out) {
  return std::copy(bytes.begin(), bytes.end(), out);
}

// A label as a message of 1.0, with its tag.
char* PutLabelMessage(char tag, const LabelView& label, char* out) {
  const size_t size = 2 + VarintSize(label.name.size()) + label.name.size() +
                      VarintSize(label.value.size()) + label.value.size();
  *out++ = tag;
  out = PutVarint(size, out);
  out = PutBytes(kLabelName, label.name, out);
  return PutBytes(kLabelValue, label.value, out);
}

void AppendLabelMessage(const LabelView& label, std::string* text) {
  const size_t begin = text->size();
  text->resize(begin + label.name.size() + label.value.size() + kHeadBytes);
  const char* const end = PutLabelMessage(kLabel, label, text->data() + begin);
  text->resize(static_cast<size_t>(end - text->data()));
}

void AppendSymbol(uint32_t symbol, std::string* text) {
  char buffer[kMaxVarint32];
  text->append(buffer, PutVarint(symbol, buffer));
}

}  // namespace

double StaleMarker() { return std::bit_cast<double>(uint64_t{0x7ff0000000000002}); }

void ByteBuffer::Grow(size_t size) {
  capacity_ = std::max(2 * capacity_, size_ + size);
  auto bigger = std::make_unique_for_overwrite<char[]>(capacity_);
  if (size_ > 0) std::memcpy(bigger.get(), data_.get(), size_);
  data_ = std::move(bigger);
}

// Encodes what all series of the metric have in common.
void RequestEncoder::StartMetric(const MetricNames& metric) {
  metric_serial_ = metric.serial;
  bounds_.resize(metric.bounds.size());
  if (protocol_ == Protocol::k1) {
    for (size_t i = 0; i < kSeriesParts; ++i) {
      names_[i].clear();
      AppendLabelMessage({kNameLabel, metric.names[i]}, &names_[i]);
    }
    for (size_t i = 0; i < bounds_.size(); ++i) {
      bounds_[i].clear();
      AppendLabelMessage({kBoundLabel, metric.bounds[i]}, &bounds_[i]);
    }
    return;
  }
  const bool is_histogram = metric.type == MetadataType(MetricType::kHistogram);
  for (size_t i = 0; i < kSeriesParts; ++i) {
    // What has no buckets has no series of these names.
    if (i != static_cast<size_t>(SeriesPart::kPlain) && !is_histogram) break;
    names_[i].clear();
    AppendSymbol(symbols_.Intern(kNameLabel), &names_[i]);
    AppendSymbol(symbols_.Intern(metric.names[i]), &names_[i]);
  }
  for (size_t i = 0; i < bounds_.size(); ++i) {
    bounds_[i].clear();
    AppendSymbol(symbols_.Intern(kBoundLabel), &bounds_[i]);
    AppendSymbol(symbols_.Intern(metric.bounds[i]), &bounds_[i]);
  }
  metric_metadata_.assign({kMetadataType, static_cast<char>(metric.type), kMetadataHelp});
  AppendSymbol(symbols_.Intern(metric.help), &metric_metadata_);
}

char* RequestEncoder::PutLabel(size_t position, const LabelView& label, char* out) {
  if (protocol_ == Protocol::k1) return PutLabelMessage(kLabel, label, out);
  // Series after series, the labels at one position mostly have the same name and often the same
  // value.
  LastLabel& last = last_labels_[position];
  if (symbols_.Text(last.name) != label.name) last.name = symbols_.Intern(label.name);
  if (symbols_.Text(last.value) != label.value) last.value = symbols_.Intern(label.value);
  return PutVarint(last.value, PutVarint(last.name, out));
}

void RequestEncoder::EncodeLabels(const SeriesLabels& labels, Parts* parts) {
  labels_ = &labels;
  labels_serial_ = labels.serial();
  const std::span<const LabelView> all = labels.labels();
  if (last_labels_.size() < all.size()) last_labels_.resize(all.size());
  parts->text.Clear();
  char* const begin = parts->text.Reserve(labels.text_size() + all.size() * kHeadBytes);
  char* out = begin;
  parts->name_offset = 0;
  parts->bound_offset = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    out = PutLabel(i, all[i], out);
    if (i + 1 == labels.name_position()) parts->name_offset = static_cast<size_t>(out - begin);
    if (i + 1 == labels.le_position()) parts->bound_offset = static_cast<size_t>(out - begin);
  }
  parts->text.EndAt(out);
}

void RequestEncoder::BeginSeries(const SeriesLabels& labels, const SeriesName& name) {
  if (labels_ != &labels || labels_serial_ != labels.serial()) EncodeLabels(labels, &parts_);
  if (metric_serial_ != name.metric->serial) StartMetric(*name.metric);
  const std::string_view text = parts_.text.view();
  const std::string_view metric_name = names_[static_cast<size_t>(name.part)];
  const std::string_view bound =
      name.part == SeriesPart::kBucket ? std::string_view(bounds_[name.bound]) : std::string_view();
  const size_t size = text.size() + metric_name.size() + bound.size();
  current_.Clear();
  char* out = current_.Reserve(size + kHeadBytes);
  if (protocol_ == Protocol::k2) {
    *out++ = kLabel;
    out = PutVarint(size, out);
  }
  out = Append(text.substr(0, parts_.name_offset), out);
  out = Append(metric_name, out);
  out = Append(text.substr(parts_.name_offset, parts_.bound_offset - parts_.name_offset), out);
  out = Append(bound, out);
  out = Append(text.substr(parts_.bound_offset), out);
  current_.EndAt(out);
  if (protocol_ == Protocol::k2) metadata_ = metric_metadata_;
}

void RequestEncoder::BeginSeries(const SeriesLabels& labels, const SeriesMetadata& metadata) {
  EncodeLabels(labels, &parts_);
  current_.Clear();
  char* out = current_.Reserve(parts_.text.size() + kHeadBytes);
  if (protocol_ == Protocol::k2) {
    *out++ = kLabel;
    out = PutVarint(parts_.text.size(), out);
  }
  current_.EndAt(Append(parts_.text.view(), out));
  if (protocol_ == Protocol::k1) return;
  metadata_.assign({kMetadataType, static_cast<char>(metadata.type), kMetadataHelp});
  AppendSymbol(symbols_.Intern(metadata.help), &metadata_);
  if (metadata.unit.empty()) return;
  metadata_.push_back(kMetadataUnit);
  AppendSymbol(symbols_.Intern(metadata.unit), &metadata_);
}

void RequestEncoder::CountPoint(int64_t timestamp_ms, int64_t start_ms, uint64_t* count) {
  if (start_ms != 0) start_ms_ = start_ms;
  oldest_ms_ = counts_.points() == 0 ? timestamp_ms : std::min(oldest_ms_, timestamp_ms);
  newest_ms_ = counts_.points() == 0 ? timestamp_ms : std::max(newest_ms_, timestamp_ms);
  ++*count;
}

void RequestEncoder::AddSample(double value, int64_t timestamp_ms, int64_t start_ms) {
  CountPoint(timestamp_ms, start_ms, &counts_.samples);
  char* const out = current_.Reserve(kSampleBytes);
  current_.EndAt(PutMessage(FieldsOf(protocol_).sample, 1, out, [&](char* sample) {
    sample = PutDouble(kSampleValue, value, sample);
    *sample++ = kSampleTime;
    sample = PutVarint(static_cast<uint64_t>(timestamp_ms), sample);
    if (protocol_ == Protocol::k1 || start_ms == 0) return sample;
    *sample++ = kSampleStart;
    return PutVarint(static_cast<uint64_t>(start_ms), sample);
  }));
}

template <typename Body>
void RequestEncoder::PutHistogramMessage(size_t max_size, int64_t timestamp_ms, int64_t start_ms,
                                         Body body) {
  CountPoint(timestamp_ms, start_ms, &counts_.histograms);
  char* const out = current_.Reserve(max_size + kSampleBytes);
  current_.EndAt(PutMessage(FieldsOf(protocol_).histogram, 2, out, [&](char* histogram) {
    histogram = body(histogram);
    *histogram++ = kHistogramTime;
    histogram = PutVarint(static_cast<uint64_t>(timestamp_ms), histogram);
    if (protocol_ == Protocol::k1 || start_ms == 0) return histogram;
    histogram = Append({kHistogramStart, sizeof kHistogramStart}, histogram);
    return PutVarint(static_cast<uint64_t>(start_ms), histogram);
  }));
}

void RequestEncoder::AddHistogram(const HistogramPoint& point, int64_t timestamp_ms,
                                  int64_t start_ms) {
  const size_t max_size = kNativeHeadBytes + point.native->buckets.size() * kNativeBucketBytes;
  PutHistogramMessage(max_size, timestamp_ms, start_ms, [&point](char* out) {
    const bool float_counts = HasFloatCounts(point);
    if (float_counts) {
      out = PutDouble(kHistogramCountFloat, point.count(), out);
    } else {
      *out++ = kHistogramCount;
      out = PutVarint(static_cast<uint64_t>(point.count()), out);
    }
    out = PutDouble(kHistogramSum, point.sum, out);
    return PutNative(kHistogramSchema, *point.native, float_counts, out);
  });
}

void RequestEncoder::AddEmptyHistogram(int32_t schema, int64_t timestamp_ms) {
  PutHistogramMessage(kNativeHeadBytes, timestamp_ms, 0, [schema](char* out) {
    *out++ = kHistogramCount;
    *out++ = 0;
    NativeHistogramPoint native;
    native.schema = schema;
    return PutNative(kHistogramSchema, native, false, out);
  });
}

void RequestEncoder::AddStaleHistogram(int64_t timestamp_ms) {
  PutHistogramMessage(kNativeHeadBytes, timestamp_ms, 0, [](char* out) {
    *out++ = kHistogramCount;
    *out++ = 0;
    return PutDouble(kHistogramSum, StaleMarker(), out);
  });
}

void RequestEncoder::AddEncodedHistogram(std::string_view histogram, int64_t timestamp_ms,
                                         int64_t start_ms) {
  PutHistogramMessage(histogram.size(), timestamp_ms, start_ms,
                      [histogram](char* out) { return Append(histogram, out); });
}

template <typename Labels>
void RequestEncoder::PutExemplarMessage(size_t max_size, double value, int64_t timestamp_ms,
                                        Labels labels) {
  ++counts_.exemplars;
  char* const out = current_.Reserve(max_size + kSampleBytes);
  current_.EndAt(PutMessage(FieldsOf(protocol_).exemplar, 1, out, [&](char* exemplar) {
    exemplar = labels(exemplar);
    exemplar = PutDouble(kExemplarValue, value, exemplar);
    *exemplar++ = kExemplarTime;
    return PutVarint(static_cast<uint64_t>(timestamp_ms), exemplar);
  }));
}

void RequestEncoder::AddExemplar(std::string_view label, const Exemplar& exemplar) {
  constexpr char kDigits[] = "0123456789abcdef";
  char trace_id[kTraceIdChars];
  char* digit = trace_id;
  for (const uint8_t byte : exemplar.trace_id) {
    *digit++ = kDigits[byte >> 4];
    *digit++ = kDigits[byte & 15];
  }
  const LabelView labels[] = {{label, {trace_id, kTraceIdChars}}};
  AddExemplar(labels, exemplar.value, exemplar.timestamp_ms);
}

void RequestEncoder::AddExemplar(std::span<const LabelView> labels, double value,
                                 int64_t timestamp_ms) {
  size_t max_size = 0;
  for (const LabelView& label : labels) {
    max_size += kHeadBytes + label.name.size() + label.value.size();
  }
  PutExemplarMessage(max_size, value, timestamp_ms, [&](char* out) {
    if (protocol_ == Protocol::k1) {
      for (const LabelView& label : labels) out = PutLabelMessage(kExemplarLabels, label, out);
      return out;
    }
    return PutMessage(kExemplarLabels, 1, out, [&](char* refs) {
      for (const LabelView& label : labels) {
        refs = PutVarint(symbols_.Intern(label.name), refs);
        refs = PutVarint(symbols_.Intern(label.value), refs);
      }
      return refs;
    });
  });
}

void RequestEncoder::EndSeries() {
  if (protocol_ == Protocol::k2) {
    char* out = PutBytes(kMetadata, metadata_, current_.Reserve(metadata_.size() + kHeadBytes));
    if (start_ms_ != 0) {
      *out++ = kSeriesStart;
      out = PutVarint(static_cast<uint64_t>(start_ms_), out);
      start_ms_ = 0;
    }
    current_.EndAt(out);
  }
  char* const out = series_.Reserve(current_.size() + kHeadBytes);
  series_.EndAt(PutBytes(FieldsOf(protocol_).series, current_.view(), out));
}

std::string RequestEncoder::Finish() {
  std::string_view body = series_.view();
  if (protocol_ == Protocol::k2) {
    body_.assign(symbols_.encoded());
    body_.append(series_.view());
    body = body_;
  }
  std::string compressed;
  snappy::Compress(body.data(), body.size(), &compressed);
  compressed.shrink_to_fit();
  series_.Clear();
  symbols_.Clear();
  labels_ = nullptr;
  metric_serial_ = 0;
  last_labels_.clear();
  counts_ = {};
  return compressed;
}

}  // namespace spanmeter
