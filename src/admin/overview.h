// How everything is doing, over all tenants and for each.

#ifndef SPANMETER_ADMIN_OVERVIEW_H_
#define SPANMETER_ADMIN_OVERVIEW_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/admin_api.h"
#include "spanmeter/generator.h"
#include "spanmeter/options.h"
#include "spanmeter/registry.h"
#include "spanmeter/remote_write.h"

#include "admin/history.h"
#include "admin/json.h"

namespace spanmeter {

// One tenant as of one instant.
struct TenantFacts {
  explicit TenantFacts(const Generator& generator);

  // 0 when there is none, or when it is not in force.
  uint64_t max_series() const;
  uint64_t max_entities() const;

  std::string name;
  GeneratorOptions options;
  GeneratorTotals totals;
  RegistryStats stats;
};

// The names of a tenant's and of all tenants' counters in the history.
std::string SpansCounter(const std::string& tenant);

// What the history is to note. `remote_write` gives the lag.
History::Totals TotalsOf(const std::vector<TenantFacts>& tenants,
                         const std::map<std::string, uint64_t>& requests,
                         const RemoteWriteStatus& remote_write);

struct OverviewParts {
  std::string version;
  int64_t start_ms = 0;
  int64_t now_ms = 0;
  bool tenancy = false;
  std::vector<TenantFacts> tenants;
  std::map<std::string, uint64_t> requests;
  std::vector<AdminScrape> scrapes;
  RemoteWriteStatus remote_write;
  ForwardStatus forward;
  AdminConfig config;
};
Json OverviewJson(const OverviewParts& parts, const History& history);

Json TenantJson(const TenantFacts& tenant, const History& history);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_OVERVIEW_H_
