// Fuzzes the way of a request from its bytes to a scrape. The input is two bytes that choose the
// options of a generator and those that a reload gives it, one that says where the request is cut,
// and a request. The generator gets the whole request, the cut one, the whole one again, and that
// once more after the reload: every span ends up in exactly one place, a refused request changes
// nothing, limits hold, the three formats agree, and in the end nothing is left.

#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <prometheus/gauge.h>

#include "spanmeter/exposition.h"
#include "spanmeter/label_reader.h"
#include "spanmeter/tenants.h"

#include "fuzz/exposition_text.h"
#include "fuzz/fuzz_input.h"
#include "otlp/decoder.h"
#include "otlp/ingest.h"
#include "prometheus/client/metrics.pb.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

namespace pb = ::io::prometheus::client;
using testing::Check;
using testing::ExpositionText;

constexpr uint64_t kMaxSeries = 40;
constexpr uint64_t kMaxEntities = 7;
constexpr uint64_t kMaxValues = 3;
constexpr uint64_t kMaxWaiting = 4;
constexpr int64_t kSlackNanos = 3'600 * kNanosPerSecond;
constexpr std::string_view kCalls = "traces_spanmetrics_calls_total";
constexpr std::string_view kLatency = "traces_spanmetrics_latency";
constexpr std::string_view kSize = "traces_spanmetrics_size_total";

// What a byte of the input says about options.
struct Choices {
  explicit Choices(size_t byte)
      : histograms(static_cast<HistogramKind>(byte % 3)),
        limits(byte / 3 % 2 == 1),
        everything(byte / 6 % 2 == 1),
        rules(byte / 12 % 2 == 1),
        time_range(byte / 24 % 2 == 1),
        weights(byte / 48 % 2 == 1),
        templates(byte / 96 % 2 == 1) {}

  GeneratorOptions Make() const {
    GeneratorOptions options;
    options.processors.service_graphs_request = everything;
    options.processors.service_graphs_latency = everything;
    options.processors.service_graphs_connection_info = everything;
    options.processors.host_info = everything;
    options.span_metrics.enable_target_info = everything;
    options.span_metrics.histogram_buckets = {0.1, 1};
    options.service_graphs.histogram_buckets = {1};
    options.service_graphs.max_items = kMaxWaiting;
    options.service_graphs.enable_messaging_system_latency_histogram = everything;
    options.generate_native_histograms = histograms;
    options.native_histogram_max_bucket_number = 4;
    options.ingestion_time_range_slack = time_range ? kSlackNanos : 0;
    if (everything) options.span_metrics.dimensions = {{"a"}, {"http.method"}};
    if (limits) {
      options.max_active_series = kMaxSeries;
      options.max_cardinality_per_label = kMaxValues;
      options.max_label_value_length = 20;
      if (everything) {
        options.limiter_type = LimiterType::kEntity;
        options.max_active_entities = kMaxEntities;
      }
    }
    if (rules) {
      FilterMatch exclude;
      exclude.attributes = {{"kind", std::string("SPAN_KIND_INTERNAL")}};
      options.span_metrics.filter_policies = {{{}, {}, exclude}};
      RelabelRule drop;
      drop.source_labels = {"span_name"};
      drop.regex = "[a-f].*";
      drop.action = RelabelRule::Action::kDrop;
      options.relabel = {drop};
    }
    if (weights) {
      options.span_metrics.span_multiplier_key = "ratio";
      options.span_metrics.enable_tracestate_span_multiplier = true;
    }
    if (templates) options.span_name_sanitization = SpanNameSanitization::kEnabled;
    return options;
  }
  // Whether labels are what the spans say.
  bool is_plain() const { return !limits && !rules && !templates; }

  HistogramKind histograms;
  bool limits;
  bool everything;
  bool rules;
  bool time_range;
  bool weights;
  bool templates;
};

// Name, kind and status of spans.
using SpanKey = std::tuple<std::string, std::string, std::string>;

std::string EnumName(std::span<const std::string_view> names, int32_t number) {
  const auto index = static_cast<size_t>(number);
  return number >= 0 && index < names.size() ? std::string(names[index]) : std::to_string(number);
}

// Counts what it is told in the plainest way.
class Model final : public SpanVisitor {
 public:
  Model(const Choices& choices, int64_t now_nanos) : choices_(choices), now_nanos_(now_nanos) {}

  void StartResource(const ResourceView& /*resource*/) override {}
  void Span(const SpanView& span) override {
    const auto first = static_cast<uint64_t>(now_nanos_ - kSlackNanos);
    const auto last = static_cast<uint64_t>(now_nanos_ + kSlackNanos);
    const uint64_t end = span.end_time_unix_nano;
    if (choices_.time_range && (end < first || end > last)) {
      ++outside;
      return;
    }
    if (span.kind >= kSpanKindServer && span.kind <= kSpanKindConsumer) ++sides;
    if (choices_.rules && span.kind == kSpanKindInternal) {
      ++filtered;
      return;
    }
    static constexpr std::string_view kKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                                  "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                                  "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
    static constexpr std::string_view kCodes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                  "STATUS_CODE_ERROR"};
    ++spans[{std::string(span.name.substr(0, 2048)), EnumName(kKinds, span.kind),
             EnumName(kCodes, span.status_code)}];
    is_long = is_long || span.name.size() > 2048;
    ++counted;
    bytes += static_cast<double>(span.encoded_size);
  }

  uint64_t outside = 0;
  uint64_t filtered = 0;
  uint64_t counted = 0;
  uint64_t sides = 0;  // of edges, at most
  double bytes = 0;
  bool is_long = false;
  std::map<SpanKey, double> spans;

 private:
  const Choices& choices_;
  const int64_t now_nanos_;
};

// The whole of one generator at one instant.
struct Snapshot {
  double Sum(std::string_view metric) const {
    double sum = 0;
    const auto found = series.find(std::string(metric));
    if (found == series.end()) return 0;
    for (const auto& [labels, one] : found->second) {
      sum += one.cumulative.empty() ? one.value : one.count();
    }
    return sum;
  }
  double Discarded(std::string_view reason, std::string_view processor) const {
    double sum = 0;
    for (const auto& discarded : totals.discarded) {
      if (discarded.reason == reason && discarded.processor == processor) {
        sum += static_cast<double>(discarded.spans);
      }
    }
    return sum;
  }
  double DiscardedBySpanMetrics() const {
    return Discarded("filtered", "span-metrics") + Discarded("invalid_utf8", "span-metrics") +
           Discarded("relabeled", "span-metrics");
  }
  double Self(std::string_view metric) const {
    double sum = 0;
    for (const auto& family : self) {
      if (family.name != metric) continue;
      for (const auto& one : family.metric) sum += one.gauge.value + one.counter.value;
    }
    return sum;
  }
  std::map<SpanKey, double> BySpan() const {
    std::map<SpanKey, double> sums;
    const auto found = series.find(std::string(kCalls));
    if (found == series.end()) return sums;
    for (const auto& [labels, one] : found->second) {
      std::map<std::string_view, std::string> values;
      LabelReader reader(labels);
      while (reader.Next()) {
        std::string value(reader.escaped_value());
        value.resize(static_cast<size_t>(reader.PutValue(value.data()) - value.data()));
        values[reader.name()] = value;
      }
      sums[{values["span_name"], values["span_kind"], values["status_code"]}] += one.value;
    }
    return sums;
  }

  std::map<std::string, CollectingSink::Metric> series;
  GeneratorTotals totals;
  RegistryStats stats;
  std::vector<prometheus::MetricFamily> self;
  // A scrape, and what is said about the process: everything that somebody can see.
  std::string shown;
};

bool IsClose(double a, double b) { return std::abs(a - b) <= 1e-9 * (std::abs(a) + std::abs(b)); }

class Process {
 public:
  explicit Process(const Choices& choices)
      : choices_(choices),
        logger_(Quiet(), &clock_),
        tenants_(MakeOptions(choices), &clock_, &logger_, &metrics_),
        ingest_({size_t{16} << 20, size_t{64} << 20}, &tenants_, &in_flight_),
        last_(Look()) {}

  // Sends the message, and says where its spans went.
  void Send(std::string_view message) {
    const Snapshot before = std::exchange(last_, {});
    const std::string_view parts[] = {message.substr(0, message.size() / 2),
                                      message.substr(message.size() / 2)};
    IngestRequest request;
    request.parts = parts;
    const IngestReply reply = ingest_.Handle(request);
    last_ = Look();
    const Snapshot& after = last_;
    if (reply.code != IngestCode::kOk) {
      Check(!reply.message.empty(), "refused without a reason");
      Check(before.shown == after.shown, "a refused request changed something");
      return;
    }
    // Compressed requests are a matter of zlib, which does not know the model.
    if (message.starts_with("\x1f\x8b")) return;
    Model model(choices_, clock_.WallNanos());
    DecodeScratch scratch;
    const DecodeResult decoded = DecodeTraces(message, AttributeIndex(), &scratch, &model);
    Check(decoded.ok, "accepted, but cannot be decoded");
    Check(reply.rejected_spans == decoded.invalid_ids, "rejected spans");
    CheckSpans(before, after, decoded, model);
    if (choices_.is_plain() && !choices_.weights) CheckLabels(before, after, model);
    CheckEdges(before, after, model);
  }

  void Reload(const Choices& choices) {
    const uint64_t spans = last_.totals.spans;
    choices_ = choices;
    reloaded_ = true;
    tenants_.Reload(MakeOptions(choices));
    last_ = Look();
    Check(last_.totals.spans == spans, "a reload forgets what was counted");
  }

  // Lets everything expire.
  void WaitForTheEnd() {
    // Half edges first; some become edges, which live as long as all others.
    for (int i = 0; i < 2; ++i) {
      clock_.Advance(kSlackNanos);
      tenants_.Maintain();
    }
    const Snapshot end = Look();
    Check(end.stats.active_series == 0 && end.stats.active_entities == 0, "series stay for ever");
    for (const LabelStats& label : end.stats.labels) {
      Check(label.values == 0, "values keep their places for ever");
    }
    for (const auto& [metric, series] : end.series) {
      Check(series.empty(), metric + " is shown for ever");
    }
    Check(end.Self("spanmeter_service_graph_waiting_spans") == 0, "half edges wait for ever");
    Check(end.stats.series_created == end.stats.series_expired, "series were lost");
  }

 private:
  static LogOptions Quiet() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }
  static Options MakeOptions(const Choices& choices) {
    Options options;
    options.generator = choices.Make();
    return options;
  }

  std::string Render(ExpositionFormat format) const {
    std::string body;
    EncoderOptions options;
    options.format = format;
    options.created = true;
    const auto encoder = NewEncoder(options, [&body](std::string_view chunk) {
      body += chunk;
      return true;
    });
    Check(tenants_.Visit(encoder.get()) && encoder->Finish(), "a scrape was cut short");
    return body;
  }

  // Takes everything down, having looked whether it makes sense in itself.
  Snapshot Look() {
    Snapshot snapshot;
    const std::shared_ptr<Generator> generator = tenants_.Find({}).generator;
    snapshot.totals = generator->totals();
    snapshot.stats = generator->registry()->GetStats();
    CollectingSink sink;
    Check(tenants_.Visit(&sink), "a visit was cut short");
    Check(sink.repeated().empty(), "a series is there twice");
    snapshot.series = sink.metrics();
    snapshot.self = metrics_.Collect();

    const std::string openmetrics = Render(ExpositionFormat::kOpenMetrics);
    const ExpositionText read(openmetrics, /*openmetrics=*/true);
    const ExpositionText text(Render(ExpositionFormat::kText), /*openmetrics=*/false);
    const double calls = snapshot.Sum(kCalls);
    Check(IsClose(text.Sum(std::string(kCalls)), calls), "the text has other calls");
    Check(IsClose(read.Sum(std::string(kCalls)), calls), "OpenMetrics has other calls");
    CheckProtobuf(snapshot);
    CheckFamilies(snapshot);
    CheckLimits(snapshot);

    snapshot.shown = openmetrics;
    EncoderOptions options;
    const auto encoder = NewEncoder(options, [&snapshot](std::string_view chunk) {
      snapshot.shown += chunk;
      return true;
    });
    VisitFamilies(snapshot.self, encoder.get());
    encoder->Finish();
    return snapshot;
  }

  void CheckProtobuf(const Snapshot& snapshot) const {
    const std::string body = Render(ExpositionFormat::kProtobuf);
    google::protobuf::io::ArrayInputStream input(body.data(), static_cast<int>(body.size()));
    bool clean_end = false;
    double calls = 0;
    double observations = 0;
    while (true) {
      pb::MetricFamily family;
      if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&family, &input, &clean_end)) {
        break;
      }
      for (const pb::Metric& metric : family.metric()) {
        if (family.name() == kCalls) calls += metric.counter().value();
        if (family.name() != kLatency) continue;
        const pb::Histogram& histogram = metric.histogram();
        observations += histogram.sample_count_float() > 0
                            ? histogram.sample_count_float()
                            : static_cast<double>(histogram.sample_count());
      }
    }
    Check(clean_end, "the protobuf format ends within a message");
    Check(IsClose(calls, snapshot.Sum(kCalls)), "protobuf has other calls");
    Check(IsClose(observations, snapshot.Sum(kLatency)), "protobuf has other observations");
  }

  // Metrics of one family have the same label sets, and the same counts.
  static void CheckFamilies(const Snapshot& snapshot) {
    const auto same = [&](std::string_view one, std::string_view other, bool counts) {
      const auto a = snapshot.series.find(std::string(one));
      const auto b = snapshot.series.find(std::string(other));
      if (a == snapshot.series.end() || b == snapshot.series.end()) return;
      Check(a->second.size() == b->second.size(), "a label set is there in parts");
      for (const auto& [labels, series] : a->second) {
        const auto found = b->second.find(labels);
        Check(found != b->second.end(), "a label set is there in parts: " + labels);
        const CollectedSeries& second = found->second;
        const double number = second.cumulative.empty() ? second.value : second.count();
        if (counts) Check(IsClose(series.count(), number), "counts differ for " + labels);
        if (!series.native.has_value()) continue;
        double sum = series.native->zero_count;
        for (const auto& [index, count] : series.native->buckets) sum += count;
        Check(IsClose(sum, series.count()), "a native histogram has other counts");
      }
    };
    same(kLatency, kCalls, true);
    same(kLatency, kSize, false);
    const std::string edges = "traces_service_graph_request";
    same(edges + "_server_seconds", edges + "_client_seconds", true);
    same(edges + "_server_seconds", edges + "_total", true);
  }

  void CheckLimits(const Snapshot& snapshot) {
    if (choices_.everything) {
      Check(snapshot.Self("spanmeter_service_graph_waiting_spans") <= kMaxWaiting,
            "too many half edges");
    }
    // Who came before a reload may stay.
    if (!choices_.limits || reloaded_) return;
    if (choices_.everything) {
      Check(snapshot.stats.active_entities <= kMaxEntities, "too many entities");
    } else {
      Check(snapshot.stats.active_series <= kMaxSeries, "too many series");
    }
    for (const LabelStats& label : snapshot.stats.labels) {
      Check(label.values <= kMaxValues, "too many values of " + label.name);
    }
    // One for all others.
    std::map<std::string, double> names;
    for (const auto& [key, count] : snapshot.BySpan()) names[std::get<0>(key)] += count;
    names.erase("");
    Check(names.size() <= kMaxValues + 1, "too many values of span_name");
  }

  void CheckSpans(const Snapshot& before, const Snapshot& after, const DecodeResult& decoded,
                  const Model& model) const {
    const auto spans = static_cast<double>(after.totals.spans - before.totals.spans);
    Check(spans == static_cast<double>(decoded.spans), "received");
    const auto discarded = [&](std::string_view reason, std::string_view processor) {
      return after.Discarded(reason, processor) - before.Discarded(reason, processor);
    };
    Check(discarded("invalid_id", "all") == static_cast<double>(decoded.invalid_ids), "ids");
    Check(discarded("outside_time_range", "all") == static_cast<double>(model.outside), "range");
    Check(discarded("filtered", "span-metrics") == static_cast<double>(model.filtered), "filter");

    const double lost = after.DiscardedBySpanMetrics() - before.DiscardedBySpanMetrics() +
                        static_cast<double>(decoded.invalid_ids + model.outside);
    const double calls = after.Sum(kCalls) - before.Sum(kCalls);
    const double observations = after.Sum(kLatency) - before.Sum(kLatency);
    if (!choices_.weights) {
      Check(calls == spans - lost, "calls and discarded spans are not the spans");
      Check(observations == calls, "calls and observations differ");
    }
    const double bytes = after.Sum(kSize) - before.Sum(kSize);
    const bool all_counted =
        lost == static_cast<double>(decoded.invalid_ids + model.outside + model.filtered);
    Check(all_counted ? bytes == model.bytes : bytes <= model.bytes, "bytes");
  }

  // The spans of each name, kind and status.
  static void CheckLabels(const Snapshot& before, const Snapshot& after, const Model& model) {
    const std::string_view reason = "invalid_utf8";
    const double lost = after.Discarded(reason, "span-metrics");
    if (lost != before.Discarded(reason, "span-metrics") || model.is_long) return;
    std::map<SpanKey, double> expected = before.BySpan();
    for (const auto& [key, count] : model.spans) expected[key] += count;
    Check(expected == after.BySpan(), "a span is counted under other labels");
  }

  static void CheckEdges(const Snapshot& before, const Snapshot& after, const Model& model) {
    const std::string_view requests = "traces_service_graph_request_total";
    const double edges = after.Sum(requests) - before.Sum(requests);
    Check(edges <= static_cast<double>(model.sides), "more edges than sides");
  }

  Choices choices_;
  bool reloaded_ = false;
  FakeClock clock_;
  Logger logger_;
  SelfMetrics metrics_;
  prometheus::Gauge in_flight_;
  Tenants tenants_;
  Ingest ingest_;
  // As of the last Look().
  Snapshot last_;
};

void Run(std::string_view input) {
  if (input.size() < 3) return;
  const Choices choices[] = {Choices(static_cast<uint8_t>(input[0])),
                             Choices(static_cast<uint8_t>(input[1]))};
  const auto cut = static_cast<uint8_t>(input[2]);
  const std::string_view message = input.substr(3);
  Process process(choices[0]);
  process.Send(message);
  process.Send(message.substr(0, message.size() * cut / 256));
  process.Send(message);
  process.Reload(choices[1]);
  process.Send(message);
  process.WaitForTheEnd();
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
