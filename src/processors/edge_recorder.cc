#include "processors/edge_recorder.h"

#include <algorithm>
#include <utility>

#include "spanmeter/naming.h"

#include "processors/edge_texts.h"
#include "processors/histogram_metric.h"
#include "processors/span_latency.h"

namespace spanmeter {

namespace {

constexpr std::string_view kClientNode = "client";
constexpr std::string_view kServerNode = "server";

bool IsMessaging(SpanKind kind) { return kind == kSpanKindProducer || kind == kSpanKindConsumer; }

}  // namespace

EdgeFamily::EdgeFamily(const GeneratorOptions& options, const EdgeLabels& labels,
                       Registry* registry) {
  const ProcessorSelection& processors = options.processors;
  const ServiceGraphsOptions& service_graphs = options.service_graphs;
  const MetricNames& names = NamesOf(options.naming);
  FamilyOptions edges;
  edges.labels = labels.FamilyLabels();
  const auto add = [&](bool enabled, FamilyMetric metric, std::optional<uint8_t>* position) {
    if (!enabled) return;
    *position = static_cast<uint8_t>(edges.metrics.size());
    edges.metrics.push_back(std::move(metric));
  };
  const auto histogram = [&](std::string_view name, std::string help) {
    return MakeHistogram(std::string(name), std::move(help), service_graphs.histogram_buckets,
                         options);
  };
  // A histogram first: readers stream a family's first metric and have to keep the others.
  add(processors.service_graphs_latency,
      histogram(names.server_seconds,
                "Duration of requests between two services as the server saw them, in seconds."),
      &server_seconds);
  add(processors.service_graphs_latency,
      histogram(names.client_seconds,
                "Duration of requests between two services as the client saw them, in seconds."),
      &client_seconds);
  add(processors.service_graphs_request,
      {std::string(names.requests),
       "Number of requests between two services.",
       MetricType::kCounter,
       {}},
      &requests);
  FamilyMetric failures = {std::string(names.failed_requests),
                           "Number of requests between two services that failed on either side.",
                           MetricType::kCounter,
                           {}};
  failures.joins = true;
  add(processors.service_graphs_request, std::move(failures), &failed);
  FamilyMetric messaging =
      histogram(names.messaging_seconds,
                "Time that messages between two services spent on their way, in seconds.");
  messaging.joins = true;
  add(processors.service_graphs_latency && service_graphs.enable_messaging_system_latency_histogram,
      std::move(messaging), &messaging_seconds);
  FamilyMetric info = {std::string(names.connection_info),
                       "Pairs of services with requests between them; always 1.",
                       MetricType::kGauge,
                       {}};
  info.info = true;
  add(processors.service_graphs_connection_info, std::move(info), &connection_info);
  id = registry->AddFamily(std::move(edges));
}

EdgeRecorder::EdgeRecorder(const EdgeLabels* labels, const EdgeFamily* family)
    : labels_(*labels),
      family_(*family),
      client_texts_(kFirstAttributeField + labels->attributes().size()),
      server_texts_(client_texts_.size()) {
  edge_.names.client_attributes = std::span(client_texts_).subspan(kFirstAttributeField);
  edge_.names.server_attributes = std::span(server_texts_).subspan(kFirstAttributeField);
}

void EdgeRecorder::StartEdge() {
  std::fill(client_texts_.begin(), client_texts_.end(), std::string_view());
  std::fill(server_texts_.begin(), server_texts_.end(), std::string_view());
  edge_.names.type = EdgeType::kCall;
  edge_.names.virtual_node = {};
  edge_.messaging_seconds = 0;
}

bool EdgeRecorder::AddMatch(const EdgeSide& side, std::string_view texts) {
  const HalfEdge* const half = side.half.get();
  StartEdge();
  const bool client = side.facts.client();
  FillEdgeTexts(texts, client ? client_texts_ : server_texts_);
  // The side that was not seen gets what is known of the other one.
  const EdgeFacts* client_facts = &side.facts;
  const EdgeFacts* server_facts = &side.facts;
  bool failed = side.facts.failed;
  double multiplier = side.facts.multiplier;
  if (half != nullptr) {
    // Behind the side's own texts, should it be an earlier one of the same side.
    FillEdgeTexts(half->texts(), half->facts.client() ? client_texts_ : server_texts_);
    failed = failed || half->facts.failed;
    if (multiplier == 0) multiplier = half->facts.multiplier;
    if (side.action == EdgeSide::Action::kPair) {
      (client ? server_facts : client_facts) = &half->facts;
    }
  }
  edge_.trace_id = side.trace_id;
  edge_.names.failed = failed;
  edge_.weight = multiplier == 0 ? 1 : multiplier;
  edge_.client_seconds = client_facts->latency_seconds;
  edge_.server_seconds = server_facts->latency_seconds;

  EdgeNames& names = edge_.names;
  names.client = client_texts_[kServiceField];
  names.server = server_texts_[kServiceField];
  if (side.action == EdgeSide::Action::kWhole) {
    names.type = EdgeType::kDatabase;
    names.server = client_texts_[kPeerField];
  } else if (side.action == EdgeSide::Action::kAlone) {
    names.type = EdgeType::kVirtualNode;
    names.client = server_texts_[kPeerField];
    names.virtual_node = kClientNode;
  } else if (IsMessaging(client_facts->kind) || IsMessaging(server_facts->kind)) {
    names.type = EdgeType::kMessagingSystem;
    edge_.messaging_seconds = SecondsBetween(client_facts->time_nanos, server_facts->time_nanos);
  }
  return Add();
}

bool EdgeRecorder::NamesVirtualServer(const HalfEdge& half) {
  if (!half.facts.client()) return false;
  std::string_view texts = half.texts();
  TakeEdgeText(&texts);
  return !TakeEdgeText(&texts).empty();
}

bool EdgeRecorder::AddVirtual(const HalfEdge& half) {
  StartEdge();
  FillEdgeTexts(half.texts(), client_texts_);
  edge_.names.type = EdgeType::kVirtualNode;
  edge_.names.client = client_texts_[kServiceField];
  edge_.names.server = client_texts_[kPeerField];
  edge_.names.virtual_node = kServerNode;
  edge_.trace_id = half.key.trace_id();
  edge_.names.failed = half.facts.failed;
  edge_.weight = half.facts.multiplier == 0 ? 1 : half.facts.multiplier;
  edge_.client_seconds = half.facts.latency_seconds;
  edge_.server_seconds = half.facts.latency_seconds;
  return Add();
}

bool EdgeRecorder::Add() {
  batch_.BeginKey();
  if (!labels_.AppendKey(edge_.names, &batch_)) return false;

  Update& update = batch_.Add(family_.id);
  update.weight = edge_.weight;
  update.trace_id = edge_.trace_id;
  const auto set = [&update](const std::optional<uint8_t>& metric, double value) {
    if (!metric) return;
    update.metrics |= static_cast<uint8_t>(1U << *metric);
    update.values[*metric] = value;
  };
  set(family_.server_seconds, edge_.server_seconds);
  set(family_.client_seconds, edge_.client_seconds);
  set(family_.requests, edge_.weight);
  if (edge_.names.failed) set(family_.failed, edge_.weight);
  if (edge_.messaging_seconds > 0) set(family_.messaging_seconds, edge_.messaging_seconds);
  set(family_.connection_info, 1);
  ++edges_[static_cast<size_t>(edge_.names.type)];
  return true;
}

uint64_t EdgeRecorder::Apply(Registry* registry, EdgeCounters* counters) {
  const ApplyResult result = registry->Apply(&batch_);
  for (size_t i = 0; i < kEdgeTypes; ++i) AddTo(&counters->edges[i], edges_[i]);
  batch_.Clear();
  edges_ = {};
  return result.dropped[family_.id];
}

}  // namespace spanmeter
