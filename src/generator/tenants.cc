#include "spanmeter/tenants.h"

#include <algorithm>
#include <utility>

#include "spanmeter/family_appender.h"
#include "spanmeter/quote.h"
#include "spanmeter/state_stream.h"

namespace spanmeter {

namespace {

constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;

// Sides of edges that waited too long are to be noticed within a second.
constexpr int64_t kMaxMaintenanceIntervalNanos = 500 * kNanosPerMilli;
// The shortest stale_duration is a second.
constexpr int64_t kMinMaintenanceIntervalNanos = 50 * kNanosPerMilli;

// The highest max_tenants that can be configured: no state has more.
constexpr size_t kMostTenants = 100'000;

// By Refusal.
constexpr std::array<const char*, 4> kRefusalNames = {"", "missing", "invalid", "too_many"};

}  // namespace

Tenants::Tenants(const Options& options, const Clock* clock, const Logger* logger,
                 SelfMetrics* metrics)
    : enabled_(options.tenancy.enabled),
      clock_(clock),
      logger_(logger),
      refusal_throttle_(clock, kLogIntervalNanos),
      options_(options) {
  if (!enabled_) {
    const MutexLock lock(&mutex_);
    AddLocked(kSingleTenant);
  }
  metrics->AddCollector(
      [this](std::vector<prometheus::MetricFamily>* families) { Collect(families); });
}

const GeneratorOptions& Tenants::OptionsOfLocked(const std::string& tenant) const {
  const auto own = options_.tenants.find(tenant);
  return own == options_.tenants.end() ? options_.generator : own->second;
}

std::shared_ptr<Generator> Tenants::AddLocked(std::string_view tenant) {
  const std::string name(tenant);
  auto generator = std::make_shared<Generator>(name, OptionsOfLocked(name), clock_, logger_);
  generators_.emplace(name, generator);
  return generator;
}

Tenants::Found Tenants::Find(const std::vector<std::string_view>& ids) {
  if (!enabled_) {
    const MutexLock lock(&mutex_);
    return {generators_.begin()->second, Refusal::kNone, ""};
  }
  if (ids.empty()) {
    return Refuse(Refusal::kMissing, "the request names no tenant: set the header X-Scope-OrgID");
  }
  if (ids.size() > 1) {
    return Refuse(Refusal::kInvalid, "the request names several tenants: send X-Scope-OrgID once");
  }
  const std::string_view id = ids.front();
  uint64_t max_tenants = 0;
  {
    const MutexLock lock(&mutex_);
    // Fast path: the tenant is known. Only valid names are.
    const auto known = generators_.find(id);
    if (known != generators_.end()) return {known->second, Refusal::kNone, ""};
    max_tenants = options_.tenancy.max_tenants;
    if (DescribeInvalidTenantId(id).empty() && generators_.size() < max_tenants) {
      return {AddLocked(id), Refusal::kNone, ""};
    }
  }
  const std::string wrong = DescribeInvalidTenantId(id);
  if (!wrong.empty()) {
    return Refuse(Refusal::kInvalid, "X-Scope-OrgID holds no tenant id: " + wrong);
  }
  return Refuse(Refusal::kTooMany,
                "there are tenancy.max_tenants = " + std::to_string(max_tenants) +
                    " other tenants already, so no place for this one");
}

Tenants::Found Tenants::Refuse(Refusal refusal, std::string message) {
  const auto index = static_cast<size_t>(refusal);
  refusals_[index].fetch_add(1, std::memory_order_relaxed);
  uint64_t suppressed = 0;
  if (refusal_throttle_.Allow(&suppressed)) {
    logger_->Warn("refused a request because of its tenant",
                  {{"reason", kRefusalNames[index]}, {"error", message}, {"more", suppressed}});
  }
  return {nullptr, refusal, std::move(message)};
}

std::vector<std::shared_ptr<Generator>> Tenants::All() const {
  std::vector<std::shared_ptr<Generator>> all;
  const MutexLock lock(&mutex_);
  all.reserve(generators_.size());
  for (const auto& [name, generator] : generators_) all.push_back(generator);
  return all;
}

std::shared_ptr<Generator> Tenants::Get(std::string_view tenant) const {
  const MutexLock lock(&mutex_);
  const auto found = generators_.find(tenant);
  return found == generators_.end() ? nullptr : found->second;
}

bool Tenants::Visit(SampleSink* sink) const {
  std::vector<std::shared_ptr<Registry>> registries;
  for (const auto& generator : All()) registries.push_back(generator->registry());
  return VisitRegistries(registries, sink);
}

bool Tenants::Visit(std::string_view tenant, SampleSink* sink) const {
  std::shared_ptr<Registry> registry;
  {
    const MutexLock lock(&mutex_);
    const auto found = generators_.find(tenant);
    if (found == generators_.end()) return true;
    registry = found->second->registry();
  }
  return VisitRegistries({&registry, 1}, sink);
}

bool Tenants::Has(std::string_view tenant) const {
  const MutexLock lock(&mutex_);
  return generators_.contains(tenant) || options_.tenants.contains(std::string(tenant));
}

std::vector<std::string> Tenants::Reload(const Options& options) {
  std::vector<std::shared_ptr<Generator>> all;
  {
    const MutexLock lock(&mutex_);
    // New tenants follow the new options from here on.
    options_ = options;
    for (const auto& [name, generator] : generators_) all.push_back(generator);
  }
  std::vector<std::string> restarted;
  for (const auto& generator : all) {
    GeneratorOptions own;
    {
      const MutexLock lock(&mutex_);
      own = OptionsOfLocked(generator->tenant());
    }
    for (const std::string& metric : generator->Reload(own)) {
      restarted.push_back(generator->tenant() + "/" + metric);
    }
  }
  return restarted;
}

void Tenants::Save(StateWriter* writer) const {
  writer->Begin(StateRecord::kProcess);
  writer->Number(enabled_ ? 1 : 0);
  writer->End();
  for (const auto& generator : All()) generator->Save(writer);
}

bool Tenants::Restore(StateReader* reader, RestoredState* restored) {
  if (RestoreAll(reader, restored)) return true;
  *restored = RestoredState();
  const MutexLock lock(&mutex_);
  generators_.clear();
  if (!enabled_) AddLocked(kSingleTenant);
  return false;
}

bool Tenants::RestoreAll(StateReader* reader, RestoredState* restored) {
  if (reader->kind() != StateRecord::kProcess) {
    return reader->Fail("it is damaged: it does not begin with its beginning");
  }
  const bool was_enabled = reader->Number() != 0;
  if (!reader->EndRecord()) return false;
  reader->Next();
  if (was_enabled != enabled_) {
    return reader->Fail("tenancy.enabled is another one than it was");
  }
  while (reader->kind() == StateRecord::kTenant) {
    const std::shared_ptr<Generator> generator = AddSaved(reader->Bytes());
    if (generator == nullptr) return reader->Fail("it is damaged: a tenant that is none");
    if (!generator->Restore(reader, restored)) return false;
  }
  if (reader->kind() != StateRecord::kEnd) {
    return reader->Fail("it is damaged: a record that belongs to nothing");
  }
  return reader->ok();
}

std::shared_ptr<Generator> Tenants::AddSaved(std::string_view tenant) {
  const MutexLock lock(&mutex_);
  if (!enabled_) {
    // It is there from the beginning.
    const std::shared_ptr<Generator>& single = generators_.begin()->second;
    return tenant == kSingleTenant && !single->restored_until_ms() ? single : nullptr;
  }
  if (generators_.size() >= kMostTenants || !DescribeInvalidTenantId(tenant).empty() ||
      generators_.contains(tenant)) {
    return nullptr;
  }
  return AddLocked(tenant);
}

void Tenants::Maintain() {
  for (const auto& generator : All()) generator->Maintain();
  if (!enabled_) return;
  std::vector<std::string> removed;
  std::vector<std::shared_ptr<Generator>> freed;  // outside of the lock
  {
    const MutexLock lock(&mutex_);
    for (auto it = generators_.begin(); it != generators_.end();) {
      // Nobody else has it, and nobody can get it meanwhile: no request is lost.
      if (it->second.use_count() == 1 && it->second->IsIdle()) {
        removed.push_back(it->first);
        freed.push_back(std::move(it->second));
        it = generators_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const std::string& name : removed) {
    logger_->Info("a tenant is gone: no series, and no request for stale_duration",
                  {{"tenant", name}});
  }
}

int64_t Tenants::MaintenanceIntervalNanos() const {
  const MutexLock lock(&mutex_);
  int64_t shortest = options_.generator.stale_duration;
  for (const auto& [name, tenant] : options_.tenants) {
    shortest = std::min(shortest, tenant.stale_duration);
  }
  constexpr int64_t kPerStaleDuration = 20;
  return std::clamp(shortest / kPerStaleDuration, kMinMaintenanceIntervalNanos,
                    kMaxMaintenanceIntervalNanos);
}

void Tenants::Collect(std::vector<prometheus::MetricFamily>* families) const {
  FamilyAppender appender({}, families);
  const std::vector<std::shared_ptr<Generator>> all = All();
  appender.Gauge("spanmeter_tenants", "Tenants that are there.", static_cast<double>(all.size()));
  if (enabled_) {
    uint64_t max_tenants;
    {
      const MutexLock lock(&mutex_);
      max_tenants = options_.tenancy.max_tenants;
    }
    appender.Gauge("spanmeter_max_tenants", "Configured limit of tenants.",
                   static_cast<double>(max_tenants));
    for (size_t i = 1; i < kRefusals; ++i) {
      appender.Counter("spanmeter_tenant_refusals_total",
                       "Requests that were refused because of the tenant that they name.",
                       static_cast<double>(refusals_[i].load(std::memory_order_relaxed)),
                       {{"reason", kRefusalNames[i]}});
    }
  }
  for (const auto& generator : all) generator->AppendMetrics(families);
}

}  // namespace spanmeter
