#include "spanmeter/span_metrics.h"

#include <optional>
#include <utility>
#include <vector>

#include "spanmeter/filter_policy.h"
#include "spanmeter/naming.h"
#include "spanmeter/quote.h"
#include "spanmeter/state_stream.h"

#include "processors/histogram_metric.h"
#include "processors/label_plan.h"
#include "processors/span_labels.h"
#include "processors/span_latency.h"
#include "processors/span_multiplier.h"
#include "processors/span_name_sanitizer.h"
#include "processors/target_info.h"

namespace spanmeter {

namespace {

constexpr std::string_view kFilterPoliciesPath = "span_metrics.filter_policies";

// Everything about a configuration that does not change from request to request.
struct Setup {
  Setup(const GeneratorOptions& options, const LabelPlan& plan, AttributeIndex* index,
        Registry* registry, std::vector<OptionProblem>* problems)
      : filters(options.span_metrics.filter_policies, std::string(kFilterPoliciesPath), index,
                problems),
        labels(options, plan, index),
        latency_unit_nanos(NanosOf(options.span_metrics.histogram_unit)),
        multiplier(options.span_metrics.span_multiplier_key,
                   options.span_metrics.enable_tracestate_span_multiplier,
                   options.max_span_multiplier, index) {
    AddFamilies(options, registry);
  }

  void AddFamilies(const GeneratorOptions& options, Registry* registry);

  const FilterPolicies filters;
  const SpanLabels labels;
  const double latency_unit_nanos;
  const SpanMultiplier multiplier;

  FamilyId family = 0;
  // Indices of the family's metrics; those that are switched off have none.
  std::optional<uint8_t> latency;
  std::optional<uint8_t> calls;
  std::optional<uint8_t> size;
  uint8_t all_metrics = 0;

  // Set with enable_target_info.
  std::optional<TargetInfo> target_info;
  FamilyId target_info_family = 0;
};

void Setup::AddFamilies(const GeneratorOptions& options, Registry* registry) {
  const MetricNames& names = NamesOf(options.naming);
  const DurationUnit unit = options.span_metrics.histogram_unit;
  FamilyOptions spans;
  spans.labels = labels.FamilyLabels();
  const auto add = [&](bool enabled, FamilyMetric metric, std::optional<uint8_t>* position) {
    if (!enabled) return;
    *position = static_cast<uint8_t>(spans.metrics.size());
    all_metrics |= static_cast<uint8_t>(1U << spans.metrics.size());
    spans.metrics.push_back(std::move(metric));
  };
  // The histogram first: readers stream a family's first metric and have to keep the others.
  add(options.processors.span_metrics_latency,
      MakeHistogram(std::string(names.duration(unit)),
                    "Duration of spans from start to end, in " + std::string(NameOf(unit)) + ".",
                    options.span_metrics.histogram_buckets, options),
      &latency);
  add(options.processors.span_metrics_count,
      {std::string(names.calls), "Number of spans.", MetricType::kCounter, {}}, &calls);
  add(options.processors.span_metrics_size,
      {std::string(names.size),
       "Encoded size of the spans as received, in bytes.",
       MetricType::kCounter,
       {}},
      &size);
  family = registry->AddFamily(std::move(spans));

  if (!options.span_metrics.enable_target_info) return;
  target_info.emplace(options);
  FamilyOptions info;
  info.own_labels = true;
  FamilyMetric& metric = info.metrics.emplace_back();
  metric.name = names.target_info;
  metric.help = "Attributes of the resources that spans come from; always 1.";
  metric.type = MetricType::kGauge;
  metric.info = true;
  target_info_family = registry->AddFamily(std::move(info));
}

class Session final : public ProcessorSession {
 public:
  // `sanitizer` may be null: names are left alone.
  Session(const Setup* setup, Registry* registry, SpanNameSanitizer* sanitizer)
      : setup_(*setup), registry_(registry), keys_(&setup->labels), names_(sanitizer) {}

  void StartRequest() override {
    batch_.Clear();
    names_.Clear();
    counts_ = {};
  }

  void StartResource(const ResourceView& resource) override {
    resource_ = resource;
    keys_.StartResource(*resource.wanted);
    resource_verdicts_.StartResource(setup_.filters, resource.wanted);
    if (setup_.multiplier.enabled()) {
      resource_multiplier_ = setup_.multiplier.FromAttribute(*resource.wanted);
    }
    target_info_is_due_ = setup_.target_info.has_value();
  }

  void Span(const SpanView& span) override {
    if (!setup_.filters.empty() && !setup_.filters.Accepts(span, &resource_verdicts_)) {
      return Discard(DiscardReason::kFiltered);
    }
    batch_.BeginKey();
    if (!keys_.AppendKey(span, &batch_)) return Discard(DiscardReason::kInvalidUtf8);
    double weight = 1;
    if (setup_.multiplier.enabled()) {
      weight = setup_.multiplier.Get(span, resource_multiplier_, &counts_.multipliers_rejected);
    }

    Update& update = batch_.Add(setup_.family);
    update.metrics = setup_.all_metrics;
    update.weight = weight;
    if (setup_.latency) {
      update.values[*setup_.latency] = Latency(span, setup_.latency_unit_nanos);
    }
    if (setup_.calls) update.values[*setup_.calls] = weight;
    if (setup_.size) update.values[*setup_.size] = static_cast<double>(span.encoded_size);
    update.trace_id = span.trace_id.data();
    if (keys_.has_span_name()) {
      names_.Note(batch_.updates().size() - 1, keys_.span_name_position());
    }

    // After its first span, so that the span takes its place in the limits first.
    if (target_info_is_due_) AddTargetInfo();
  }

  size_t PendingBytes() const override { return batch_.SizeInBytes() + names_.PendingBytes(); }

  ProcessorCounts Commit() override {
    names_.Apply(&batch_);
    const ApplyResult result = registry_->Apply(&batch_);
    counts_.discarded[static_cast<size_t>(DiscardReason::kRelabeled)] +=
        result.dropped[setup_.family];
    batch_.Clear();
    return std::exchange(counts_, {});
  }

 private:
  void Discard(DiscardReason reason) { ++counts_.discarded[static_cast<size_t>(reason)]; }

  void AddTargetInfo() {
    target_info_is_due_ = false;
    const std::optional<std::string_view> key = setup_.target_info->MakeKey(
        resource_.attributes, keys_.job(), keys_.instance(), &target_info_scratch_);
    if (!key) return;
    batch_.BeginKey();
    batch_.AppendEncoded(*key);
    Update& update = batch_.Add(setup_.target_info_family);
    update.metrics = 1;
    update.values[0] = 1;
  }

  const Setup& setup_;
  Registry* const registry_;

  UpdateBatch batch_;
  ProcessorCounts counts_;

  ResourceView resource_;
  SpanKeyBuilder keys_;
  SpanNameRewriter names_;
  FilterPolicies::ResourceVerdicts resource_verdicts_;
  SpanMultiplier::Found resource_multiplier_;
  TargetInfo::Scratch target_info_scratch_;
  bool target_info_is_due_ = false;
};

class SpanMetrics final : public Processor {
 public:
  SpanMetrics(const GeneratorOptions& options, const LabelPlan& plan, AttributeIndex* index,
              Registry* registry, const Clock* clock, const SpanMetrics* previous,
              std::vector<OptionProblem>* problems)
      : setup_(options, plan, index, registry, problems), registry_(registry) {
    if (options.span_name_sanitization == SpanNameSanitization::kOff) return;
    sanitizer_ = std::make_unique<SpanNameSanitizer>(
        options, clock, previous == nullptr ? nullptr : previous->sanitizer_.get());
  }

  std::string_view name() const override { return "span-metrics"; }
  std::unique_ptr<ProcessorSession> NewSession() override {
    return std::make_unique<Session>(&setup_, registry_, sanitizer_.get());
  }
  std::vector<ProcessorStat> Stats() const override {
    return sanitizer_ == nullptr ? std::vector<ProcessorStat>() : sanitizer_->Stats();
  }
  void Save(StateWriter* writer) const override {
    if (sanitizer_ != nullptr) sanitizer_->Save(writer);
  }
  bool Restore(StateReader* reader, RestoredState* /*restored*/) override {
    if (sanitizer_ == nullptr || reader->kind() != StateRecord::kSpanNames) return false;
    sanitizer_->Restore(reader);
    return true;
  }
  std::vector<SpanNameTemplate> Templates(size_t limit) const {
    return sanitizer_ == nullptr ? std::vector<SpanNameTemplate>() : sanitizer_->Templates(limit);
  }

 private:
  const Setup setup_;
  Registry* const registry_;
  std::unique_ptr<SpanNameSanitizer> sanitizer_;  // null: off
};

}  // namespace

std::unique_ptr<Processor> NewSpanMetrics(const GeneratorOptions& options, AttributeIndex* index,
                                          Registry* registry, const Clock* clock,
                                          const Processor* previous) {
  std::vector<OptionProblem> problems;  // ValidateSpanMetrics() has found that there are none
  const LabelPlan plan = MakeLabelPlan(options, &problems);
  return std::make_unique<SpanMetrics>(options, plan, index, registry, clock,
                                       static_cast<const SpanMetrics*>(previous), &problems);
}

std::vector<SpanNameTemplate> SpanNameTemplates(const Processor& processor, size_t limit) {
  return static_cast<const SpanMetrics&>(processor).Templates(limit);
}

std::vector<OptionProblem> ValidateSpanMetrics(const GeneratorOptions& options) {
  std::vector<OptionProblem> problems;
  ValidateBuckets(options.span_metrics.histogram_buckets, "span_metrics.histogram_buckets",
                  &problems);
  if (NamesOf(options.naming).duration(options.span_metrics.histogram_unit).empty()) {
    problems.push_back(
        {"span_metrics.histogram_unit", Quoted("ms") + " needs naming = " + Quoted("otel") +
                                            ": Tempo's metric is in seconds; write " + Quoted("s") +
                                            " or leave it out"});
  }
  MakeLabelPlan(options, &problems);
  AttributeIndex index;
  const FilterPolicies filters(options.span_metrics.filter_policies,
                               std::string(kFilterPoliciesPath), &index, &problems);
  return problems;
}

}  // namespace spanmeter
