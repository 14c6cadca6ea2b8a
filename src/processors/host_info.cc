#include "spanmeter/host_info.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "spanmeter/naming.h"
#include "spanmeter/quote.h"

#include "processors/utf8.h"

namespace spanmeter {

namespace {

constexpr std::string_view kIdLabel = "grafana_host_id";
constexpr std::string_view kSourceLabel = "host_source";
constexpr std::string_view kTotal = "_total";

// Everything about a configuration that does not change from request to request.
struct Setup {
  Setup(const GeneratorOptions& options, AttributeIndex* index, Registry* registry)
      : max_value_length(options.max_label_value_length) {
    for (const std::string& key : options.host_info.host_identifiers) {
      identifiers.push_back({index->Add(key), key});
    }
    const auto is_external = [&options](std::string_view name) {
      const auto found = options.external_labels.find(std::string(name));
      return found != options.external_labels.end() && !found->second.empty();
    };
    FamilyOptions hosts;
    has_id = !is_external(kIdLabel);
    has_source = !is_external(kSourceLabel);
    if (has_id) hosts.labels.push_back({std::string(kIdLabel), {}});
    if (has_source) hosts.labels.push_back({std::string(kSourceLabel), {}});
    FamilyMetric metric;
    metric.name = options.host_info.metric_name;
    metric.help = "Hosts that spans come from; always 1.";
    metric.type = MetricType::kGauge;
    metric.info = true;
    hosts.metrics.push_back(std::move(metric));
    family = registry->AddFamily(std::move(hosts));
  }

  struct Identifier {
    AttributeId id;
    std::string key;
  };
  std::vector<Identifier> identifiers;
  size_t max_value_length;
  FamilyId family = 0;
  // Whether the label is there: an external label of its name takes its place.
  bool has_id = true;
  bool has_source = true;
};

class Session final : public ProcessorSession {
 public:
  Session(const Setup* setup, Registry* registry) : setup_(*setup), registry_(registry) {}

  void StartRequest() override {
    batch_.Clear();
    counts_ = {};
  }

  void StartResource(const ResourceView& resource) override { resource_ = resource.wanted; }

  void Span(const SpanView&) override { AddHost(); }
  void SpanOutsideTimeRange() override { AddHost(); }

  size_t PendingBytes() const override { return batch_.SizeInBytes(); }

  ProcessorCounts Commit() override {
    registry_->Apply(&batch_);
    batch_.Clear();
    return std::exchange(counts_, {});
  }

 private:
  // Once per resource, with its first span.
  void AddHost() {
    if (resource_ == nullptr) return;
    const AttributeValues& values = *std::exchange(resource_, nullptr);
    for (const Setup::Identifier& identifier : setup_.identifiers) {
      std::string_view id;
      values.FirstThat(identifier.id, [&](const AnyValue& value) {
        if (value.type() == AnyValue::Type::kString) id = Cut(value.bytes());
        return !id.empty();
      });
      if (!id.empty()) return Add(id, Cut(identifier.key));
    }
  }

  void Add(std::string_view id, std::string_view source) {
    if (setup_.has_id && !IsValidUtf8(id)) {
      ++counts_.discarded[static_cast<size_t>(DiscardReason::kInvalidUtf8)];
      return;
    }
    batch_.BeginKey();
    if (setup_.has_id) batch_.AppendText(id);
    if (setup_.has_source) batch_.AppendText(source);
    Update& update = batch_.Add(setup_.family);
    update.metrics = 1;
    update.values[0] = 1;
  }

  std::string_view Cut(std::string_view text) const {
    return CutToBytes(text, setup_.max_value_length);
  }

  const Setup& setup_;
  Registry* const registry_;

  UpdateBatch batch_;
  ProcessorCounts counts_;
  // Null once the resource is dealt with.
  const AttributeValues* resource_ = nullptr;
};

class HostInfo final : public Processor {
 public:
  HostInfo(const GeneratorOptions& options, AttributeIndex* index, Registry* registry)
      : setup_(options, index, registry), registry_(registry) {}

  std::string_view name() const override { return "host-info"; }
  std::unique_ptr<ProcessorSession> NewSession() override {
    return std::make_unique<Session>(&setup_, registry_);
  }

 private:
  const Setup setup_;
  Registry* const registry_;
};

bool IsLegalMetricName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
  });
}

// The metric of the other processors that `name` would be mixed up with in some format, whether it
// is switched on or not and in any naming: other tenants may have another one.
std::optional<std::string_view> TakenBy(std::string_view name) {
  const auto is = [name](std::string_view metric, std::initializer_list<std::string_view> ends) {
    return !metric.empty() && name.starts_with(metric) &&
           std::any_of(ends.begin(), ends.end(),
                       [&](auto end) { return name.substr(metric.size()) == end; });
  };
  for (const Naming naming : kNamings) {
    const MetricNames& names = NamesOf(naming);
    for (const std::string_view metric :
         {names.duration_seconds, names.duration_milliseconds, names.server_seconds,
          names.client_seconds, names.messaging_seconds}) {
      if (is(metric, {"", "_bucket", "_sum", "_count", "_created"})) return metric;
    }
    for (const std::string_view counter :
         {names.calls, names.size, names.requests, names.failed_requests}) {
      // As OpenMetrics names them.
      const std::string_view metric = counter.substr(0, counter.size() - kTotal.size());
      if (is(metric, {"", "_total", "_created"})) return metric;
    }
    for (const std::string_view metric : {names.target_info, names.connection_info}) {
      if (name == metric) return metric;
    }
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Processor> NewHostInfo(const GeneratorOptions& options, AttributeIndex* index,
                                       Registry* registry) {
  return std::make_unique<HostInfo>(options, index, registry);
}

std::vector<OptionProblem> ValidateHostInfo(const GeneratorOptions& options) {
  std::vector<OptionProblem> problems;
  const std::vector<std::string>& identifiers = options.host_info.host_identifiers;
  for (size_t i = 0; i < identifiers.size(); ++i) {
    if (!identifiers[i].empty()) continue;
    problems.push_back({"host_info.host_identifiers[" + std::to_string(i) + "]",
                        "an identifier must not be empty; name a resource attribute"});
  }
  const std::string& name = options.host_info.metric_name;
  if (!IsLegalMetricName(name)) {
    problems.push_back({"host_info.metric_name",
                        Quoted(name) + " is no name for a metric; it must consist of letters, "
                                       "digits, _ and :, and not begin with a digit"});
  } else if (const auto taken = TakenBy(name)) {
    problems.push_back({"host_info.metric_name", Quoted(name) + " belongs to the metric " +
                                                     Quoted(*taken) + "; choose another name"});
  }
  return problems;
}

}  // namespace spanmeter
