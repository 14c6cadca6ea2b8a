#include "exposition/text_encoder.h"

#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "spanmeter/number_text.h"

namespace spanmeter {
namespace {

constexpr std::string_view kTotal = "_total";

char* Put(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// `name{labels} ` or, without labels, `name `.
char* PutSeries(std::string_view name, std::string_view labels, char* out) {
  out = Put(name, out);
  if (!labels.empty()) {
    *out++ = '{';
    out = Put(labels, out);
    *out++ = '}';
  }
  *out++ = ' ';
  return out;
}
constexpr size_t kSeriesPunctuation = 3;

// OpenMetrics escapes quotes in HELP, the older format must not.
void AppendHelp(std::string_view help, bool escape_quotes, std::string* out) {
  for (const char c : help) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && escape_quotes) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

std::string_view TypeName(MetricType type, bool open_metrics) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kUntyped:
      break;
  }
  return open_metrics ? "unknown" : "untyped";
}

}  // namespace

TextEncoder::TextEncoder(const EncoderOptions& options, ByteSink sink)
    : open_metrics_(options.format == ExpositionFormat::kOpenMetrics),
      created_(options.created && open_metrics_),
      output_(std::move(sink), options.gzip) {}

bool TextEncoder::BeginMetric(const MetricInfo& metric) {
  const bool continues = name_ == metric.name;
  name_ = metric.name;
  created_name_.clear();
  std::string_view family = metric.name;
  MetricType type = metric.type;
  if (open_metrics_ && type == MetricType::kCounter) {
    if (family.ends_with(kTotal)) {
      family.remove_suffix(kTotal.size());
    } else {
      // OpenMetrics has no counters of other names.
      type = MetricType::kUntyped;
    }
  }
  if (created_ && (type == MetricType::kCounter || type == MetricType::kHistogram)) {
    created_name_.assign(family).append("_created");
  }

  if (!continues) {
    // The header is kept back until there is a series: a family without any says nothing.
    header_.clear();
    if (!metric.help.empty()) {
      header_.append("# HELP ").append(family).append(" ");
      AppendHelp(metric.help, open_metrics_, &header_);
      header_ += '\n';
    }
    header_.append("# TYPE ").append(family).append(" ");
    header_.append(TypeName(type, open_metrics_)).append("\n");
  }

  if (type == MetricType::kHistogram) {
    bucket_prefix_.assign(name_).append("_bucket{");
    sum_name_.assign(name_).append("_sum");
    count_name_.assign(name_).append("_count");
    exemplar_prefix_.assign(" # {").append(metric.exemplar_label).append("=\"");
    bucket_suffixes_.clear();
    suffix_bytes_ = 0;
    const auto add_bound = [this](double bound) {
      bucket_suffixes_.push_back(",le=\"" + BoundText(bound, open_metrics_) + "\"} ");
      suffix_bytes_ += bucket_suffixes_.back().size();
    };
    for (const double bound : metric.bounds) add_bound(bound);
    add_bound(std::numeric_limits<double>::infinity());
  }
  return true;
}

bool TextEncoder::WriteHeader() {
  if (!output_.Append(header_)) return false;
  header_.clear();
  return true;
}

bool TextEncoder::Number(std::string_view labels, double value, int64_t created_ms) {
  if (!header_.empty() && !WriteHeader()) return false;
  const size_t line = labels.size() + kSeriesPunctuation + kMaxNumberChars + 1;
  char* out = output_.Reserve(2 * line + name_.size() + created_name_.size());
  if (out == nullptr) return false;
  out = PutSeries(name_, labels, out);
  out = WriteNumber(value, out);
  *out++ = '\n';
  if (!created_name_.empty() && created_ms != 0) out = WriteCreated(labels, created_ms, out);
  output_.Commit(out);
  return true;
}

bool TextEncoder::Histogram(std::string_view labels, const HistogramPoint& point,
                            int64_t created_ms) {
  assert(point.cumulative_counts.size() == bucket_suffixes_.size());
  if (!header_.empty() && !WriteHeader()) return false;

  // Room for all lines at once, so that none has to ask.
  const size_t exemplar_bytes =
      exemplar_prefix_.size() + 2 * kTraceIdSize + 2 * (kMaxNumberChars + 2);
  const size_t line = labels.size() + kSeriesPunctuation + kMaxNumberChars + 1;
  char* out = output_.Reserve(bucket_suffixes_.size() * (bucket_prefix_.size() + line) +
                              suffix_bytes_ + point.exemplars.size() * exemplar_bytes + 3 * line +
                              sum_name_.size() + count_name_.size() + created_name_.size());
  if (out == nullptr) return false;

  const Exemplar* exemplar = point.exemplars.data();
  const Exemplar* const exemplars_end =
      open_metrics_ ? exemplar + point.exemplars.size() : exemplar;
  // Without other labels, `le` has no comma in front of it.
  const size_t comma = labels.empty() ? 1 : 0;
  for (size_t i = 0; i < bucket_suffixes_.size(); ++i) {
    out = Put(bucket_prefix_, out);
    out = Put(labels, out);
    out = Put(std::string_view(bucket_suffixes_[i]).substr(comma), out);
    out = WriteNumber(point.cumulative_counts[i], out);
    if (exemplar != exemplars_end && exemplar->bucket == i) {
      out = WriteExemplar(*exemplar, out);
      ++exemplar;
    }
    *out++ = '\n';
  }
  out = PutSeries(sum_name_, labels, out);
  out = WriteNumber(point.sum, out);
  *out++ = '\n';
  out = PutSeries(count_name_, labels, out);
  out = WriteNumber(point.count(), out);
  *out++ = '\n';
  if (!created_name_.empty() && created_ms != 0) out = WriteCreated(labels, created_ms, out);
  output_.Commit(out);
  return true;
}

// ` # {traceID="0af7651916cd43dd8448eb211c80319c"} 0.067 1700000000.123`
char* TextEncoder::WriteExemplar(const Exemplar& exemplar, char* out) const {
  constexpr char kDigits[] = "0123456789abcdef";
  out = Put(exemplar_prefix_, out);
  for (const uint8_t byte : exemplar.trace_id) {
    *out++ = kDigits[byte >> 4];
    *out++ = kDigits[byte & 15];
  }
  out = Put("\"} ", out);
  out = WriteNumber(exemplar.value, out);
  *out++ = ' ';
  return WriteSeconds(exemplar.timestamp_ms, out);
}

char* TextEncoder::WriteCreated(std::string_view labels, int64_t created_ms, char* out) const {
  out = PutSeries(created_name_, labels, out);
  out = WriteSeconds(created_ms, out);
  *out++ = '\n';
  return out;
}

bool TextEncoder::Finish() {
  if (open_metrics_ && !output_.Append("# EOF\n")) return false;
  return output_.Finish();
}

}  // namespace spanmeter
