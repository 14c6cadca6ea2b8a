#include "generator/generator_metrics.h"

#include <utility>

#include "spanmeter/family_appender.h"

#include "generator/generator_state.h"

namespace spanmeter {

namespace {

using prometheus::MetricFamily;
using Labels = FamilyAppender::Labels;

constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;

// The value of the `processor` label where a span is lost to all of them.
constexpr const char* kAllProcessors = "all";

// What each processor can discard a span for; the rest happens before there are processors.
constexpr std::array kProcessorReasons = {DiscardReason::kFiltered, DiscardReason::kInvalidUtf8,
                                          DiscardReason::kRelabeled};

double Load(const std::atomic<uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

void Add(uint64_t increment, std::atomic<uint64_t>* counter) {
  if (increment != 0) counter->fetch_add(increment, std::memory_order_relaxed);
}

void AppendDiscarded(const std::string& processor, DiscardReason reason, double value,
                     FamilyAppender* appender) {
  appender->Counter("spanmeter_spans_discarded_total",
                    "Spans that were not turned into series, by reason and processor.", value,
                    {{"processor", processor}, {"reason", std::string(DiscardReasonName(reason))}});
}

void AppendLabels(const std::vector<LabelStats>& labels, FamilyAppender* appender) {
  for (const LabelStats& label : labels) {
    const Labels name = {{"label", label.name}};
    appender->Gauge("spanmeter_registry_label_values",
                    "Distinct values of a label that are alive, while there is a limit on them.",
                    static_cast<double>(label.values), name);
    appender->Gauge("spanmeter_registry_label_values_demand_estimate",
                    "About how many values of a label there would be without the limit.",
                    static_cast<double>(label.demand), name);
    appender->Counter("spanmeter_registry_label_values_limited_total",
                      "Values of a label that were replaced by __cardinality_overflow__.",
                      static_cast<double>(label.refusals), name);
  }
}

void AppendRegistry(const Registry& registry, const GeneratorOptions& options,
                    FamilyAppender* appender) {
  const RegistryStats stats = registry.GetStats();
  const auto gauge = [&](const char* name, uint64_t value, const char* help) {
    appender->Gauge(name, help, static_cast<double>(value));
  };
  const auto counter = [&](const char* name, uint64_t value, const char* help) {
    appender->Counter(name, help, static_cast<double>(value));
  };
  gauge("spanmeter_registry_active_series", stats.active_series,
        "Series that are alive, overflow series left out.");
  gauge("spanmeter_registry_active_entities", stats.active_entities,
        "Distinct label sets that are alive.");
  gauge("spanmeter_registry_max_active_series", options.max_active_series,
        "Configured limit of series, 0 when there is none.");
  gauge("spanmeter_registry_max_active_entities", options.max_active_entities,
        "Configured limit of label sets, 0 when there is none.");
  gauge("spanmeter_registry_max_label_values", options.max_cardinality_per_label,
        "Configured limit of values of each label, 0 when there is none.");
  gauge("spanmeter_registry_active_series_demand_estimate", stats.series_demand,
        "About how many series there would be without limits.");
  gauge("spanmeter_registry_active_entities_demand_estimate", stats.entity_demand,
        "About how many label sets there would be without limits.");
  counter("spanmeter_registry_series_created_total", stats.series_created,
          "Series that were born.");
  counter("spanmeter_registry_series_expired_total", stats.series_expired,
          "Series that were removed because nothing updated them for stale_duration, or because a "
          "reload changed their labels or buckets.");
  counter("spanmeter_registry_updates_limited_total", stats.updates_limited,
          "Updates that a limit sent to an overflow series or, for info metrics, left out.");
  AppendLabels(stats.labels, appender);
}

}  // namespace

GeneratorMetrics::GeneratorMetrics(std::string tenant, const Clock* clock, const Logger* logger)
    : tenant_(std::move(tenant)),
      logger_(logger),
      outside_throttle_(clock, kLogIntervalNanos),
      multiplier_throttle_(clock, kLogIntervalNanos) {}

ProcessorMetrics* GeneratorMetrics::ForProcessor(std::string_view name) {
  const MutexLock lock(&mutex_);
  for (const auto& processor : processors_) {
    if (processor->name == name) return processor.get();
  }
  processors_.push_back(std::make_unique<ProcessorMetrics>());
  processors_.back()->name = name;
  return processors_.back().get();
}

void GeneratorMetrics::CountReceived(const GeneratorSession::Received& received, uint64_t outside) {
  Add(received.spans, &spans_);
  Add(received.bytes, &bytes_);
  Add(received.invalid_ids, &invalid_ids_);
  Add(received.spans, &recent_spans_);
  if (outside == 0) return;
  Add(outside, &outside_time_range_);
  Add(outside, &recent_outside_);
  WarnWhenManyAreOutside();
}

void GeneratorMetrics::CountProcessed(const ProcessorCounts& counts, double max_span_multiplier,
                                      ProcessorMetrics* processor) {
  for (size_t reason = 0; reason < kDiscardReasons; ++reason) {
    Add(counts.discarded[reason], &processor->discarded[reason]);
  }
  if (counts.multipliers_rejected == 0) return;
  Add(counts.multipliers_rejected, &processor->multipliers_rejected);
  uint64_t suppressed;
  if (multiplier_throttle_.Allow(&suppressed)) {
    logger_->Warn("span multipliers above max_span_multiplier were not believed",
                  {{"tenant", tenant_},
                   {"processor", processor->name},
                   {"max_span_multiplier", std::to_string(max_span_multiplier)},
                   {"more_requests", suppressed}});
  }
}

void GeneratorMetrics::WarnWhenManyAreOutside() {
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

GeneratorTotals GeneratorMetrics::Totals() const {
  GeneratorTotals totals;
  totals.spans = spans_.load(std::memory_order_relaxed);
  totals.bytes = bytes_.load(std::memory_order_relaxed);
  totals.outside_time_range = outside_time_range_.load(std::memory_order_relaxed);
  totals.discarded = {{DiscardReasonName(DiscardReason::kOutsideTimeRange), kAllProcessors,
                       totals.outside_time_range},
                      {DiscardReasonName(DiscardReason::kInvalidId), kAllProcessors,
                       invalid_ids_.load(std::memory_order_relaxed)}};
  const MutexLock lock(&mutex_);
  for (const auto& processor : processors_) {
    for (const DiscardReason reason : kProcessorReasons) {
      const auto& discarded = processor->discarded[static_cast<size_t>(reason)];
      totals.discarded.push_back(
          {DiscardReasonName(reason), processor->name, discarded.load(std::memory_order_relaxed)});
    }
  }
  return totals;
}

void GeneratorMetrics::Append(const GeneratorState& state,
                              std::vector<MetricFamily>* families) const {
  FamilyAppender appender({{"tenant", tenant_}}, families);
  appender.Counter("spanmeter_spans_received_total", "Spans in requests that were accepted.",
                   Load(spans_));
  appender.Counter("spanmeter_bytes_received_total",
                   "Bytes of requests that were accepted, uncompressed.", Load(bytes_));
  appender.Counter("spanmeter_spans_skipped_total",
                   "Spans whose sender asked with no-generate-metrics not to count them.",
                   Load(skipped_));
  AppendDiscarded(kAllProcessors, DiscardReason::kOutsideTimeRange, Load(outside_time_range_),
                  &appender);
  AppendDiscarded(kAllProcessors, DiscardReason::kInvalidId, Load(invalid_ids_), &appender);
  {
    const MutexLock lock(&mutex_);
    for (const auto& processor : processors_) {
      for (const DiscardReason reason : kProcessorReasons) {
        AppendDiscarded(processor->name, reason,
                        Load(processor->discarded[static_cast<size_t>(reason)]), &appender);
      }
      appender.Counter("spanmeter_span_multipliers_rejected_total",
                       "Span multipliers above max_span_multiplier, which were not believed.",
                       Load(processor->multipliers_rejected), {{"processor", processor->name}});
    }
  }
  AppendRegistry(state.registry, state.options, &appender);
  for (const auto& processor : state.processors) {
    for (const ProcessorStat& stat : processor->Stats()) {
      Labels labels;
      if (!stat.label_name.empty()) {
        labels.push_back({std::string(stat.label_name), std::string(stat.label_value)});
      }
      if (stat.is_counter) {
        appender.Counter(stat.name, stat.help, stat.value, std::move(labels));
      } else {
        appender.Gauge(stat.name, stat.help, stat.value, std::move(labels));
      }
    }
  }
}

}  // namespace spanmeter
