#include "admin/overview.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "admin/status_json.h"

namespace spanmeter {

namespace {

const char kSpans[] = "spans";
const char kBytes[] = "bytes";
constexpr size_t kMaxScrapes = 20;
constexpr size_t kMaxWarnings = 50;
// A limit is nearly reached, and so much of the spans outside of the time range is worth a word.
constexpr double kHighUse = 0.8;
constexpr double kHighOutside = 0.01;
// Longer than a few collections and retries take.
constexpr double kHighLagSeconds = 120;

using Discards = std::map<std::pair<std::string, std::string>, uint64_t>;

std::string DiscardCounter(const std::string& reason, const std::string& processor) {
  return "discarded/" + reason + "/" + processor;
}

std::string OutsideCounter(const std::string& tenant) { return "outside/" + tenant; }

std::string RequestCounter(const std::string& code) { return "requests/" + code; }

// By reason and processor.
Discards DiscardsOf(const std::vector<TenantFacts>& tenants) {
  Discards discards;
  for (const TenantFacts& tenant : tenants) {
    for (const auto& discarded : tenant.totals.discarded) {
      if (discarded.spans == 0) continue;
      discards[{std::string(discarded.reason), discarded.processor}] += discarded.spans;
    }
  }
  return discards;
}

double LagOf(const RemoteWriteStatus& status) {
  double lag = 0;
  for (const auto& receiver : status.receivers) lag = std::max(lag, receiver.lag_seconds);
  return lag;
}

// The sum of the tenants' limits where all have the same one, null where they differ.
Json CommonLimit(const std::vector<TenantFacts>& tenants, uint64_t (TenantFacts::*limit)() const) {
  if (tenants.empty()) return 0;
  const uint64_t first = (tenants.front().*limit)();
  const bool same = std::all_of(tenants.begin(), tenants.end(), [&](const TenantFacts& tenant) {
    return (tenant.*limit)() == first;
  });
  return same ? Json(first * tenants.size()) : Json();
}

std::string Percent(double share) {
  return std::to_string(static_cast<int>(std::floor(share * 100))) + " %";
}

class Warnings {
 public:
  void Add(bool is_critical, const std::string& text, const std::string& tenant = "") {
    Json& list = is_critical ? critical_ : others_;
    if (list.size() == kMaxWarnings) return;
    list.push_back({{"severity", is_critical ? "critical" : "warning"},
                    {"text", text},
                    {"tenant", TextOrNull(tenant)}});
  }
  // The critical ones first.
  Json Take() {
    for (Json& warning : others_) {
      if (critical_.size() < kMaxWarnings) critical_.push_back(std::move(warning));
    }
    return std::move(critical_);
  }

 private:
  Json critical_ = Json::array();
  Json others_ = Json::array();
};

void WarnOfLimit(const char* what, const char* option, uint64_t active, uint64_t demand,
                 uint64_t limit, const std::string& tenant, Warnings* warnings) {
  if (limit == 0) return;
  const double use = static_cast<double>(active) / static_cast<double>(limit);
  const std::string of = std::string(what) + " of " + option + " = " + std::to_string(limit);
  if (demand > limit) {
    // A label set counts several series, so that the last places may stay empty.
    warnings->Add(true,
                  "the limit is reached: " + std::to_string(active) + " " + of + ", about " +
                      std::to_string(demand) +
                      " are wanted, and the rest is added up in overflow series: raise it, or "
                      "drop labels",
                  tenant);
  } else if (use >= kHighUse) {
    warnings->Add(false,
                  Percent(use) + " of the limit are in use: " + std::to_string(active) + " " + of,
                  tenant);
  }
}

void WarnOfTenant(const TenantFacts& tenant, const History& history, Warnings* warnings) {
  WarnOfLimit("series", "max_active_series", tenant.stats.active_series, tenant.stats.series_demand,
              tenant.max_series(), tenant.name, warnings);
  WarnOfLimit("entities", "max_active_entities", tenant.stats.active_entities,
              tenant.stats.entity_demand, tenant.max_entities(), tenant.name, warnings);
  const uint64_t max_values = tenant.options.max_cardinality_per_label;
  for (const LabelStats& label : tenant.stats.labels) {
    if (max_values == 0 || label.demand <= max_values) continue;
    warnings->Add(false,
                  "the label " + label.name +
                      " has reached max_cardinality_per_label = " + std::to_string(max_values) +
                      ": about " + std::to_string(label.demand) + " values are wanted",
                  tenant.name);
  }
  // Of the last minute: what was once wrong need not be so for ever.
  const uint64_t outside = tenant.totals.outside_time_range;
  const double outside_rate = history.Rate(OutsideCounter(tenant.name), outside);
  const double rate = history.Rate(SpansCounter(tenant.name), tenant.totals.spans);
  if (outside_rate > kHighOutside * rate) {
    warnings->Add(false,
                  Percent(outside_rate / std::max(rate, outside_rate)) +
                      " of the spans end too far from now to be counted: check the senders' "
                      "clocks and how long they hold spans back, or raise "
                      "ingestion_time_range_slack",
                  tenant.name);
  }
}

void WarnOfPushing(const RemoteWriteStatus& status, Warnings* warnings) {
  for (const auto& receiver : status.receivers) {
    if (!receiver.healthy) {
      warnings->Add(true, "pushing to " + receiver.name + " fails: " + receiver.last_error);
    } else if (receiver.lag_seconds > kHighLagSeconds) {
      warnings->Add(false, "pushing to " + receiver.name + " is " +
                               std::to_string(std::llround(receiver.lag_seconds)) +
                               " s behind: the receiver is too slow, or was away");
    }
  }
  if (status.has_storage && !status.storage_up) {
    warnings->Add(true, "what waits to be pushed cannot be written to " + status.path +
                            " and is in memory only: " + status.storage_error);
  }
}

void WarnOfForwarding(const ForwardStatus& status, Warnings* warnings) {
  for (const auto& receiver : status.receivers) {
    if (!receiver.up) {
      warnings->Add(true,
                    "passing spans on to " + receiver.name + " fails: " + receiver.last_error);
    } else if (receiver.queue_age_seconds > kHighLagSeconds) {
      warnings->Add(false, "passing spans on to " + receiver.name + " is " +
                               std::to_string(std::llround(receiver.queue_age_seconds)) +
                               " s behind: the receiver is too slow, or was away");
    }
  }
}

Json Warn(const OverviewParts& parts, const History& history) {
  Warnings warnings;
  if (!parts.config.reload_success) {
    warnings.Add(true, "the configuration could not be reloaded, the former one is in force: " +
                           parts.config.reload_problem);
  }
  WarnOfPushing(parts.remote_write, &warnings);
  WarnOfForwarding(parts.forward, &warnings);
  for (const TenantFacts& tenant : parts.tenants) WarnOfTenant(tenant, history, &warnings);
  return warnings.Take();
}

Json HistoryJson(const History& history) {
  Json json = {{"interval_seconds", History::kIntervalNanos / kNanosPerSecond},
               {"times_ms", Json::array()},
               {"spans_per_second", Json::array()},
               {"bytes_per_second", Json::array()},
               {"active_series", Json::array()},
               {"discarded_per_second", Json::array()},
               {"push_lag_seconds", Json::array()}};
  for (const History::Point& point : history.points()) {
    json["times_ms"].push_back(point.time_ms);
    json["spans_per_second"].push_back(point.spans_per_second);
    json["bytes_per_second"].push_back(point.bytes_per_second);
    json["active_series"].push_back(point.active_series);
    json["discarded_per_second"].push_back(point.discarded_per_second);
    json["push_lag_seconds"].push_back(point.push_lag_seconds);
  }
  return json;
}

Json ScrapesJson(std::vector<AdminScrape> scrapes) {
  std::stable_sort(scrapes.begin(), scrapes.end(), [](const AdminScrape& a, const AdminScrape& b) {
    return a.time_ms > b.time_ms;
  });
  if (scrapes.size() > kMaxScrapes) scrapes.resize(kMaxScrapes);
  Json list = Json::array();
  for (const AdminScrape& scrape : scrapes) {
    list.push_back({{"path", scrape.path},
                    {"format", scrape.format},
                    {"time_ms", scrape.time_ms},
                    {"duration_seconds", scrape.duration_seconds},
                    {"bytes", scrape.bytes},
                    {"peer", scrape.peer}});
  }
  return list;
}

}  // namespace

TenantFacts::TenantFacts(const Generator& generator)
    : name(generator.tenant()),
      options(generator.options()),
      totals(generator.totals()),
      stats(generator.registry()->GetStats()) {}

uint64_t TenantFacts::max_series() const {
  return options.limiter_type == LimiterType::kSeries ? options.max_active_series : 0;
}

uint64_t TenantFacts::max_entities() const {
  return options.limiter_type == LimiterType::kEntity ? options.max_active_entities : 0;
}

std::string SpansCounter(const std::string& tenant) { return "tenants/" + tenant; }

History::Totals TotalsOf(const std::vector<TenantFacts>& tenants,
                         const std::map<std::string, uint64_t>& requests,
                         const RemoteWriteStatus& remote_write) {
  History::Totals totals;
  for (const TenantFacts& tenant : tenants) {
    totals.spans += tenant.totals.spans;
    totals.bytes += tenant.totals.bytes;
    totals.active_series += tenant.stats.active_series;
    totals.counters.emplace_back(SpansCounter(tenant.name), tenant.totals.spans);
    totals.counters.emplace_back(OutsideCounter(tenant.name), tenant.totals.outside_time_range);
  }
  for (const auto& [key, spans] : DiscardsOf(tenants)) {
    totals.discarded += spans;
    totals.counters.emplace_back(DiscardCounter(key.first, key.second), spans);
  }
  for (const auto& [code, count] : requests) {
    totals.counters.emplace_back(RequestCounter(code), count);
  }
  totals.counters.emplace_back(kSpans, totals.spans);
  totals.counters.emplace_back(kBytes, totals.bytes);
  totals.push_lag_seconds = LagOf(remote_write);
  return totals;
}

Json OverviewJson(const OverviewParts& parts, const History& history) {
  uint64_t spans = 0;
  uint64_t bytes = 0;
  RegistryStats sums;
  for (const TenantFacts& tenant : parts.tenants) {
    spans += tenant.totals.spans;
    bytes += tenant.totals.bytes;
    sums.active_series += tenant.stats.active_series;
    sums.series_demand += tenant.stats.series_demand;
    sums.active_entities += tenant.stats.active_entities;
    sums.entity_demand += tenant.stats.entity_demand;
  }
  Json discarded = Json::array();
  for (const auto& [key, count] : DiscardsOf(parts.tenants)) {
    const auto& [reason, processor] = key;
    discarded.push_back({{"reason", reason},
                         {"processor", processor},
                         {"spans", count},
                         {"per_second", history.Rate(DiscardCounter(reason, processor), count)}});
  }
  Json requests = Json::array();
  for (const auto& [code, count] : parts.requests) {
    requests.push_back({{"code", code},
                        {"count", count},
                        {"per_second", history.Rate(RequestCounter(code), count)}});
  }
  return {{"version", parts.version},
          {"start_time_ms", parts.start_ms},
          {"now_ms", parts.now_ms},
          {"tenancy", parts.tenancy},
          {"tenants", parts.tenants.size()},
          {"series",
           {{"active", sums.active_series},
            {"limit", CommonLimit(parts.tenants, &TenantFacts::max_series)},
            {"demand", sums.series_demand}}},
          {"entities",
           {{"active", sums.active_entities},
            {"limit", CommonLimit(parts.tenants, &TenantFacts::max_entities)},
            {"demand", sums.entity_demand}}},
          {"spans",
           {{"received", spans},
            {"bytes", bytes},
            {"per_second", history.Rate(kSpans, spans)},
            {"bytes_per_second", history.Rate(kBytes, bytes)}}},
          {"discarded", std::move(discarded)},
          {"requests", std::move(requests)},
          {"scrapes", ScrapesJson(parts.scrapes)},
          {"remote_write", ReceiverSummaries(parts.remote_write)},
          {"warnings", Warn(parts, history)},
          {"history", HistoryJson(history)}};
}

Json TenantJson(const TenantFacts& tenant, const History& history) {
  Json discarded = Json::array();
  for (const auto& d : tenant.totals.discarded) {
    if (d.spans == 0) continue;
    discarded.push_back(
        {{"reason", std::string(d.reason)}, {"processor", d.processor}, {"spans", d.spans}});
  }
  const bool by_series = tenant.options.limiter_type == LimiterType::kSeries;
  return {{"name", tenant.name},
          {"series",
           {{"active", tenant.stats.active_series},
            {"limit", tenant.max_series()},
            {"demand", tenant.stats.series_demand}}},
          {"entities",
           {{"active", tenant.stats.active_entities},
            {"limit", tenant.max_entities()},
            {"demand", tenant.stats.entity_demand}}},
          {"limiter", by_series ? "series" : "entity"},
          {"spans", tenant.totals.spans},
          {"spans_per_second", history.Rate(SpansCounter(tenant.name), tenant.totals.spans)},
          {"discarded", std::move(discarded)},
          {"limited_updates", tenant.stats.updates_limited},
          {"series_created", tenant.stats.series_created},
          {"series_expired", tenant.stats.series_expired},
          {"label_limit", tenant.options.max_cardinality_per_label}};
}

}  // namespace spanmeter
