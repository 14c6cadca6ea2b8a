#include "generator/generator_metrics.h"

#include <utility>

#include <prometheus/registry.h>

namespace spanmeter {

namespace {

constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;

// The value of the `processor` label where a span is lost to all of them.
constexpr const char* kAllProcessors = "all";

prometheus::Counter* AddCounter(SelfMetrics* self, const char* name, const char* help,
                                const prometheus::Labels& labels) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(self->registry()).Add(labels);
}

prometheus::Counter* AddDiscarded(SelfMetrics* self, const std::string& tenant,
                                  std::string_view processor, DiscardReason reason) {
  return AddCounter(self, "spanmeter_spans_discarded_total",
                    "Spans that were not turned into series, by reason and processor.",
                    {{"tenant", tenant},
                     {"processor", std::string(processor)},
                     {"reason", std::string(DiscardReasonName(reason))}});
}

void AppendValue(const char* name, const char* help, prometheus::MetricType type, double value,
                 const std::string& tenant, std::vector<prometheus::MetricFamily>* families) {
  prometheus::ClientMetric metric;
  metric.label.push_back({"tenant", tenant});
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  families->push_back({name, help, type, {std::move(metric)}});
}

void CollectRegistry(const Registry& registry, const GeneratorOptions& options,
                     const std::string& tenant, std::vector<prometheus::MetricFamily>* families) {
  const RegistryStats stats = registry.GetStats();
  const auto append = [&](prometheus::MetricType type, const char* name, uint64_t value,
                          const char* help) {
    AppendValue(name, help, type, static_cast<double>(value), tenant, families);
  };
  using enum prometheus::MetricType;
  append(Gauge, "spanmeter_registry_active_series", stats.active_series,
         "Series that are alive, overflow series left out.");
  append(Gauge, "spanmeter_registry_active_entities", stats.active_entities,
         "Distinct label sets that are alive.");
  append(Gauge, "spanmeter_registry_max_active_series", options.max_active_series,
         "Configured limit of series, 0 when there is none.");
  append(Gauge, "spanmeter_registry_max_active_entities", options.max_active_entities,
         "Configured limit of label sets, 0 when there is none.");
  append(Gauge, "spanmeter_registry_active_series_demand_estimate", stats.series_demand,
         "About how many series there would be without limits.");
  append(Gauge, "spanmeter_registry_active_entities_demand_estimate", stats.entity_demand,
         "About how many label sets there would be without limits.");
  append(Counter, "spanmeter_registry_series_created_total", stats.series_created,
         "Series that were born.");
  append(Counter, "spanmeter_registry_series_expired_total", stats.series_expired,
         "Series that were removed because nothing updated them for stale_duration.");
  append(Counter, "spanmeter_registry_updates_limited_total", stats.updates_limited,
         "Updates that a limit sent to an overflow series or, for info metrics, left out.");
}

}  // namespace

Generator::Metrics::Metrics(const std::string& tenant,
                            const std::vector<std::unique_ptr<Processor>>& processors,
                            const GeneratorOptions& options, const Registry* registry,
                            const Clock* clock, const Logger* logger, SelfMetrics* self)
    : tenant_(tenant),
      max_span_multiplier_(options.max_span_multiplier),
      logger_(logger),
      outside_throttle_(clock, kLogIntervalNanos),
      multiplier_throttle_(clock, kLogIntervalNanos) {
  spans_received_ = AddCounter(self, "spanmeter_spans_received_total",
                               "Spans in requests that were accepted.", {{"tenant", tenant}});
  bytes_received_ =
      AddCounter(self, "spanmeter_bytes_received_total",
                 "Bytes of requests that were accepted, uncompressed.", {{"tenant", tenant}});
  spans_skipped = AddCounter(self, "spanmeter_spans_skipped_total",
                             "Spans whose sender asked with no-generate-metrics not to count them.",
                             {{"tenant", tenant}});
  outside_time_range_ =
      AddDiscarded(self, tenant, kAllProcessors, DiscardReason::kOutsideTimeRange);
  invalid_id_ = AddDiscarded(self, tenant, kAllProcessors, DiscardReason::kInvalidId);
  for (const auto& processor : processors) {
    ForProcessor& mine = processors_.emplace_back();
    mine.name = processor->name();
    mine.discarded.fill(nullptr);
    for (const DiscardReason reason : {DiscardReason::kFiltered, DiscardReason::kInvalidUtf8}) {
      mine.discarded[static_cast<size_t>(reason)] = AddDiscarded(self, tenant, mine.name, reason);
    }
    mine.multipliers_rejected =
        AddCounter(self, "spanmeter_span_multipliers_rejected_total",
                   "Span multipliers above max_span_multiplier, which were not believed.",
                   {{"tenant", tenant}, {"processor", mine.name}});
  }
  self->AddCollector([registry, options, tenant](std::vector<prometheus::MetricFamily>* families) {
    CollectRegistry(*registry, options, tenant, families);
  });
}

void Generator::Metrics::CountReceived(const GeneratorSession::Received& received,
                                       uint64_t outside) {
  spans_received_->Increment(static_cast<double>(received.spans));
  bytes_received_->Increment(static_cast<double>(received.bytes));
  if (received.invalid_ids != 0) {
    invalid_id_->Increment(static_cast<double>(received.invalid_ids));
  }
  recent_spans_.fetch_add(received.spans, std::memory_order_relaxed);
  if (outside == 0) return;
  outside_time_range_->Increment(static_cast<double>(outside));
  recent_outside_.fetch_add(outside, std::memory_order_relaxed);
  WarnWhenManyAreOutside();
}

void Generator::Metrics::CountProcessed(size_t processor, const ProcessorCounts& counts) {
  const ForProcessor& mine = processors_[processor];
  for (size_t reason = 0; reason < kDiscardReasons; ++reason) {
    if (counts.discarded[reason] != 0 && mine.discarded[reason] != nullptr) {
      mine.discarded[reason]->Increment(static_cast<double>(counts.discarded[reason]));
    }
  }
  if (counts.multipliers_rejected == 0) return;
  mine.multipliers_rejected->Increment(static_cast<double>(counts.multipliers_rejected));
  uint64_t suppressed;
  if (multiplier_throttle_.Allow(&suppressed)) {
    logger_->Warn("span multipliers above max_span_multiplier were not believed",
                  {{"tenant", tenant_},
                   {"processor", mine.name},
                   {"max_span_multiplier", std::to_string(max_span_multiplier_)},
                   {"more_requests", suppressed}});
  }
}

void Generator::Metrics::WarnWhenManyAreOutside() {
  uint64_t suppressed;
  if (!outside_throttle_.Allow(&suppressed)) return;
  const uint64_t spans = recent_spans_.exchange(0, std::memory_order_relaxed);
  const uint64_t outside = recent_outside_.exchange(0, std::memory_order_relaxed);
  constexpr uint64_t kWorthAWord = 100;  // one in so many
  if (outside * kWorthAWord <= spans) return;
  logger_->Warn(
      "spans end outside of ingestion_time_range_slack and are not counted: check the senders' "
      "clocks and how long they hold spans back, or raise the option",
      {{"tenant", tenant_}, {"spans", spans}, {"outside", outside}});
}

}  // namespace spanmeter
