#include "spanmeter/service_graphs.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "spanmeter/filter_policy.h"
#include "spanmeter/state_stream.h"

#include "processors/edge_counters.h"
#include "processors/edge_labels.h"
#include "processors/edge_recorder.h"
#include "processors/edge_side_reader.h"
#include "processors/edge_store.h"
#include "processors/edge_texts.h"
#include "processors/enum_names.h"
#include "processors/histogram_metric.h"
#include "processors/span_latency.h"
#include "processors/span_multiplier.h"

namespace spanmeter {

namespace {

constexpr std::string_view kFilterPoliciesPath = "service_graphs.filter_policies";

// Everything about a configuration that does not change from request to request.
struct Setup {
  Setup(const GeneratorOptions& options, AttributeIndex* index, Registry* registry,
        std::vector<OptionProblem>* problems)
      : filters(options.service_graphs.filter_policies, std::string(kFilterPoliciesPath), index,
                problems),
        labels(options, problems),
        attributes(options, labels.attributes(), index),
        multiplier(options.service_graphs.span_multiplier_key,
                   options.service_graphs.enable_tracestate_span_multiplier,
                   options.max_span_multiplier, index),
        family(options, labels, registry) {}

  const FilterPolicies filters;
  const EdgeLabels labels;
  const EdgeAttributes attributes;
  const SpanMultiplier multiplier;
  const EdgeFamily family;
};

bool IsRoot(std::string_view parent_span_id) {
  return parent_span_id.find_first_not_of('\0') == std::string_view::npos;
}

class Session final : public ProcessorSession {
 public:
  Session(const Setup* setup, Registry* registry, EdgeStore* store)
      : setup_(*setup),
        registry_(registry),
        store_(store),
        reader_(&setup->attributes),
        recorder_(&setup->labels, &setup->family) {}

  void StartRequest() override {
    batch_.Clear();
    counts_ = {};
  }

  void StartResource(const ResourceView& resource) override {
    has_service_ = reader_.StartResource(*resource.wanted);
    if (!has_service_) return;
    resource_verdicts_.StartResource(setup_.filters, resource.wanted);
    if (setup_.multiplier.enabled()) {
      resource_multiplier_ = setup_.multiplier.FromAttribute(*resource.wanted);
    }
  }

  void Span(const SpanView& span) override {
    if (!has_service_) return;
    bool client = false;
    switch (span.kind) {
      case kSpanKindClient:
      case kSpanKindProducer:
        client = true;
        break;
      case kSpanKindServer:
      case kSpanKindConsumer:
        break;
      default:
        return;
    }
    const bool root = !client && IsRoot(span.parent_span_id);
    const bool accepted =
        setup_.filters.empty() || setup_.filters.Accepts(span, &resource_verdicts_);
    if (!accepted) {
      ++counts_.discarded[static_cast<size_t>(DiscardReason::kFiltered)];
      if (root) return;
    }

    EdgeSide& side = batch_.sides.emplace_back();
    side.trace_id = span.trace_id.data();
    side.span_id = client ? span.span_id.data() : span.parent_span_id.data();
    side.facts.kind = static_cast<SpanKind>(span.kind);
    if (!accepted) {
      side.action = EdgeSide::Action::kDrop;
      return;
    }
    side.texts_begin = static_cast<uint32_t>(batch_.texts.size());
    side.action = reader_.Read(span, client, root, &batch_.texts);
    side.texts_size = static_cast<uint32_t>(batch_.texts.size()) - side.texts_begin;
    side.facts.latency_seconds = LatencySeconds(span);
    side.facts.time_nanos = client ? span.end_time_unix_nano : span.start_time_unix_nano;
    side.facts.failed = span.status_code == kStatusCodeError;
    if (setup_.multiplier.enabled()) {
      side.facts.multiplier =
          setup_.multiplier.Find(span, resource_multiplier_, &counts_.multipliers_rejected)
              .value_or(0);
    }
  }

  size_t PendingBytes() const override {
    // What a side becomes at most, an update or a side that waits, is counted with it.
    return batch_.sides.size() * (sizeof(EdgeSide) + sizeof(Update)) + 2 * batch_.texts.size();
  }

  ProcessorCounts Commit() override {
    store_->Process(&batch_);
    for (const EdgeSide& side : batch_.sides) {
      if (side.complete && !recorder_.AddMatch(side, batch_.TextsOf(side))) {
        ++counts_.discarded[static_cast<size_t>(DiscardReason::kInvalidUtf8)];
      }
    }
    counts_.discarded[static_cast<size_t>(DiscardReason::kRelabeled)] +=
        recorder_.Apply(registry_, store_->counters().get());
    batch_.Clear();
    return std::exchange(counts_, {});
  }

 private:
  const Setup& setup_;
  Registry* const registry_;
  EdgeStore* const store_;

  EdgeBatch batch_;
  ProcessorCounts counts_;

  bool has_service_ = false;
  EdgeSideReader reader_;
  FilterPolicies::ResourceVerdicts resource_verdicts_;
  SpanMultiplier::Found resource_multiplier_;
  EdgeRecorder recorder_;
};

EdgeLimits LimitsOf(const ServiceGraphsOptions& options) {
  return {options.wait, options.max_items};
}

class ServiceGraphs final : public Processor {
 public:
  ServiceGraphs(const GeneratorOptions& options, AttributeIndex* index, Registry* registry,
                const Clock* clock, const ServiceGraphs* previous,
                std::vector<OptionProblem>* problems)
      : setup_(options, index, registry, problems),
        registry_(registry),
        store_(TakeOver(options, clock, previous)) {}

  std::string_view name() const override { return "service-graphs"; }

  std::unique_ptr<ProcessorSession> NewSession() override {
    return std::make_unique<Session>(&setup_, registry_, store_.get());
  }

  void Maintain() override {
    EdgeCounters& counters = *store_->counters();
    EdgeRecorder recorder(&setup_.labels, &setup_.family);
    store_->Expire([&](std::span<const HalfEdgePtr> expired) {
      for (const HalfEdgePtr& half : expired) {
        if (!EdgeRecorder::NamesVirtualServer(*half)) {
          AddTo(&counters.expired[static_cast<size_t>(half->facts.kind)], 1);
        } else if (!recorder.AddVirtual(*half)) {
          AddTo(&counters.invalid_utf8, 1);
        }
      }
      AddTo(&counters.relabeled, recorder.Apply(registry_, &counters));
    });
  }

  std::vector<ProcessorStat> Stats() const override;

  void Save(StateWriter* writer) const override {
    const std::vector<std::string>& attributes = setup_.labels.attributes();
    writer->Begin(StateRecord::kEdges);
    writer->Number(attributes.size());
    for (const std::string& attribute : attributes) writer->Bytes(attribute);
    writer->End();
    store_->Save(writer);
  }

  bool Restore(StateReader* reader, RestoredState* restored) override {
    if (reader->kind() != StateRecord::kEdges) return false;
    const std::vector<std::string>& attributes = setup_.labels.attributes();
    bool same = reader->Number() == attributes.size();
    for (size_t i = 0; i < attributes.size() && same; ++i) same = reader->Bytes() == attributes[i];
    // Else a side consists of other texts than it would now: as at a reload, none is kept, and the
    // records are left to be passed over.
    if (!same) return false;
    if (!reader->EndRecord()) return true;
    reader->Next();
    restored->half_edges += store_->Restore(reader, kFirstAttributeField + attributes.size());
    return true;
  }

 private:
  // The store of `previous`, or a new one. What a side consists of is the same as long as the
  // attributes that become labels are.
  std::shared_ptr<EdgeStore> TakeOver(const GeneratorOptions& options, const Clock* clock,
                                      const ServiceGraphs* previous) const {
    const EdgeLimits limits = LimitsOf(options.service_graphs);
    if (previous == nullptr) {
      return std::make_shared<EdgeStore>(limits, clock, std::make_shared<EdgeCounters>());
    }
    if (previous->setup_.labels.attributes() != setup_.labels.attributes()) {
      return std::make_shared<EdgeStore>(limits, clock, previous->store_->counters());
    }
    previous->store_->SetLimits(limits);
    return previous->store_;
  }

  const Setup setup_;
  Registry* const registry_;
  const std::shared_ptr<EdgeStore> store_;
};

std::vector<ProcessorStat> ServiceGraphs::Stats() const {
  const EdgeCounters& counters = *store_->counters();
  std::vector<ProcessorStat> stats;
  const auto add = [&](std::string_view name, std::string_view help, uint64_t value,
                       bool is_counter = true) -> ProcessorStat& {
    return stats.emplace_back(
        ProcessorStat{name, help, is_counter, {}, {}, static_cast<double>(value)});
  };
  constexpr std::array<std::string_view, kEdgeTypes> kTypes = {"call", "messaging_system",
                                                               "database", "virtual_node"};
  for (size_t i = 0; i < kEdgeTypes; ++i) {
    ProcessorStat& stat =
        add("spanmeter_service_graph_edges_total",
            "Requests between two services that were found, by type.", counters.edges[i].load());
    stat.label_name = "type";
    stat.label_value = kTypes[i];
  }
  add("spanmeter_service_graph_waiting_spans",
      "Client and server spans that wait for their counterpart.", store_->waiting(), false);
  for (const SpanKind kind :
       {kSpanKindServer, kSpanKindClient, kSpanKindProducer, kSpanKindConsumer}) {
    ProcessorStat& stat =
        add("spanmeter_service_graph_expired_spans_total",
            "Spans whose counterpart did not come within service_graphs.wait, by span kind; "
            "without those that became an edge to a virtual node.",
            counters.expired[static_cast<size_t>(kind)].load());
    stat.label_name = "kind";
    stat.label_value = kSpanKindNames[static_cast<size_t>(kind)];
  }
  add("spanmeter_service_graph_evicted_spans_total",
      "Waiting spans that made room for others because service_graphs.max_items was reached.",
      counters.evicted.load());
  add("spanmeter_service_graph_oversized_spans_total",
      "Spans that could not wait for their counterpart because their label values are too long.",
      counters.too_large.load());
  add("spanmeter_service_graph_dropped_spans_total",
      "Spans that were left out because a filter policy kept their counterpart out.",
      counters.dropped.load());
  add("spanmeter_service_graph_filtered_spans",
      "Filtered spans that are remembered in order to drop their counterparts.", store_->marks(),
      false);
  add("spanmeter_service_graph_filtered_spans_evicted_total",
      "Filtered spans that were forgotten early because service_graphs.max_items was reached.",
      counters.marks_evicted.load());
  add("spanmeter_service_graph_invalid_utf8_total",
      "Edges to virtual nodes that were not recorded because a label value is not valid UTF-8.",
      counters.invalid_utf8.load());
  add("spanmeter_service_graph_relabeled_total",
      "Edges to virtual nodes that were not recorded because a relabelling rule drops them.",
      counters.relabeled.load());
  return stats;
}

void ValidateAttributes(const std::vector<std::string>& keys, std::string_view path,
                        std::vector<OptionProblem>* problems) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].empty()) continue;
    problems->push_back({std::string(path) + "[" + std::to_string(i) + "]",
                         "an attribute must not be empty; name one, with its dots"});
  }
}

}  // namespace

std::unique_ptr<Processor> NewServiceGraphs(const GeneratorOptions& options, AttributeIndex* index,
                                            Registry* registry, const Clock* clock,
                                            Processor* previous) {
  std::vector<OptionProblem> problems;  // ValidateServiceGraphs() has found that there are none
  return std::make_unique<ServiceGraphs>(options, index, registry, clock,
                                         static_cast<const ServiceGraphs*>(previous), &problems);
}

std::vector<OptionProblem> ValidateServiceGraphs(const GeneratorOptions& options) {
  const ServiceGraphsOptions& service_graphs = options.service_graphs;
  std::vector<OptionProblem> problems;
  ValidateBuckets(service_graphs.histogram_buckets, "service_graphs.histogram_buckets", &problems);
  const EdgeLabels labels(options, &problems);
  ValidateAttributes(service_graphs.peer_attributes, "service_graphs.peer_attributes", &problems);
  ValidateAttributes(service_graphs.database_name_attributes,
                     "service_graphs.database_name_attributes", &problems);
  AttributeIndex index;
  const FilterPolicies filters(service_graphs.filter_policies, std::string(kFilterPoliciesPath),
                               &index, &problems);
  return problems;
}

}  // namespace spanmeter
