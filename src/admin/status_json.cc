#include "admin/status_json.h"

#include <cstdint>

#include "spanmeter/config.h"

namespace spanmeter {

namespace {

Json CountsJson(const RemoteWriteStatus::Counts& counts) {
  return {{"collected", counts.collected},
          {"sent", counts.sent},
          {"retried", counts.retried},
          {"failed", counts.failed},
          {"pending", counts.pending}};
}

Json TimeOrNull(int64_t time_ms) { return time_ms == 0 ? Json() : Json(time_ms); }

Json ReceiverJson(const RemoteWriteStatus::Receiver& receiver) {
  Json dropped = Json::array();
  for (const auto& drop : receiver.dropped) {
    if (drop.samples == 0 && drop.histograms == 0 && drop.exemplars == 0) continue;
    dropped.push_back({{"reason", std::string(drop.reason)},
                       {"samples", drop.samples},
                       {"histograms", drop.histograms},
                       {"exemplars", drop.exemplars}});
  }
  return {{"name", receiver.name},
          {"url", receiver.url},
          {"protocol", receiver.protocol_2 ? "2.0" : "1.0"},
          {"healthy", receiver.healthy},
          {"shards", receiver.shards},
          {"max_shards", receiver.max_shards},
          {"queue",
           {{"blocks", receiver.queue_blocks},
            {"bytes", receiver.queue_bytes},
            {"memory_bytes", receiver.queue_memory_bytes},
            {"age_seconds", receiver.queue_age_seconds}}},
          {"samples", CountsJson(receiver.samples)},
          {"histograms", CountsJson(receiver.histograms)},
          {"exemplars", CountsJson(receiver.exemplars)},
          {"dropped", std::move(dropped)},
          {"bytes_sent", receiver.bytes_sent},
          {"lag_seconds", receiver.lag_seconds},
          {"last_error", TextOrNull(receiver.last_error)},
          {"last_error_ms", TimeOrNull(receiver.last_error_ms)},
          {"last_success_ms", TimeOrNull(receiver.last_success_ms)}};
}

const char* SourceName(EffectiveOption::Source source) {
  switch (source) {
    case EffectiveOption::Source::kDefault:
      break;
    case EffectiveOption::Source::kGenerator:
      return "generator";
    case EffectiveOption::Source::kTenant:
      return "tenant";
  }
  return "default";
}

}  // namespace

Json ReceiverSummaries(const RemoteWriteStatus& status) {
  Json list = Json::array();
  for (const auto& receiver : status.receivers) {
    uint64_t dropped = 0;
    for (const auto& drop : receiver.dropped) dropped += drop.samples + drop.histograms;
    list.push_back({{"name", receiver.name},
                    {"url", receiver.url},
                    {"healthy", receiver.healthy},
                    {"lag_seconds", receiver.lag_seconds},
                    {"pending_samples", receiver.samples.pending + receiver.histograms.pending},
                    {"queue_bytes", receiver.queue_bytes},
                    {"failed_samples", receiver.samples.failed + receiver.histograms.failed},
                    {"dropped_samples", dropped},
                    {"last_error", TextOrNull(receiver.last_error)}});
  }
  return list;
}

Json RemoteWriteJson(const RemoteWriteStatus& status) {
  Json receivers = Json::array();
  for (const auto& receiver : status.receivers) receivers.push_back(ReceiverJson(receiver));
  return {{"receivers", std::move(receivers)},
          {"storage",
           {{"path", TextOrNull(status.path)},
            {"up", status.storage_up},
            {"error", TextOrNull(status.storage_error)},
            {"file_bytes", status.file_bytes},
            {"unclaimed_bytes", status.unclaimed_bytes},
            {"files_set_aside", status.files_set_aside}}}};
}

Json ForwardJson(const ForwardStatus& status) {
  Json receivers = Json::array();
  for (const auto& receiver : status.receivers) {
    Json dropped = Json::array();
    for (const auto& drop : receiver.dropped) {
      if (drop.spans == 0) continue;
      dropped.push_back({{"reason", std::string(drop.reason)}, {"spans", drop.spans}});
    }
    receivers.push_back(
        {{"name", receiver.name},
         {"endpoint", receiver.endpoint},
         {"protocol", receiver.protocol == ForwardProtocol::kGrpc ? "grpc" : "http"},
         {"required", receiver.required},
         {"healthy", receiver.up},
         {"queue",
          {{"requests", receiver.queue_requests},
           {"bytes", receiver.queue_bytes},
           {"memory_bytes", receiver.queue_memory_bytes},
           {"max_bytes", receiver.queue_max_bytes},
           {"age_seconds", receiver.queue_age_seconds}}},
         {"spans",
          {{"queued", receiver.spans_in},
           {"sent", receiver.spans_sent},
           {"rejected", receiver.spans_rejected},
           {"pending", receiver.spans_pending}}},
         {"dropped", std::move(dropped)},
         {"last_error", TextOrNull(receiver.last_error)},
         {"last_error_ms", TimeOrNull(receiver.last_error_ms)},
         {"last_success_ms", TimeOrNull(receiver.last_success_ms)}});
  }
  return {{"receivers", std::move(receivers)}};
}

Json ConfigJson(const AdminConfig& config) {
  return {{"file", config.file},
          {"toml", PrintConfig(config.options)},
          {"last_reload",
           {{"time_ms", config.reload_ms},
            {"success", config.reload_success},
            {"problem", TextOrNull(config.reload_problem)}}},
          {"restart_needed_for", config.restart_needed_for}};
}

Json TenantOptionsJson(const AdminConfig& config, const std::string& tenant) {
  Json options = Json::array();
  for (const EffectiveOption& option : DescribeTenantOptions(config.options, tenant)) {
    options.push_back(
        {{"key", option.key}, {"value", option.value}, {"source", SourceName(option.source)}});
  }
  return {{"options", std::move(options)}};
}

}  // namespace spanmeter
