#include "admin/answer_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace spanmeter {

namespace {

constexpr int64_t kMinNanos = 5 * kNanosPerSecond;
constexpr int64_t kMaxNanos = 60 * kNanosPerSecond;
constexpr int64_t kFactor = 20;

}  // namespace

std::shared_ptr<AnswerCache::Tenant> AnswerCache::TenantOf(const std::string& name) {
  const MutexLock lock(&mutex_);
  Place& place = tenants_[name];
  if (place.tenant == nullptr) place.tenant = std::make_shared<Tenant>();
  place.used = ++uses_;
  std::shared_ptr<Tenant> tenant = place.tenant;
  if (tenants_.size() > kMaxTenants) {
    // Whoever is being answered keeps what it has until then.
    tenants_.erase(std::min_element(
        tenants_.begin(), tenants_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  return tenant;
}

int64_t AnswerCache::Until(int64_t begin_nanos) const {
  const int64_t now = clock_->MonotonicNanos();
  return now + std::clamp((now - begin_nanos) * kFactor, kMinNanos, kMaxNanos);
}

std::string AnswerCache::Get(const std::string& name, const std::string& question,
                             const std::function<Json()>& make) {
  const std::shared_ptr<Tenant> tenant = TenantOf(name);
  const MutexLock lock(&tenant->mutex);
  const int64_t begin_nanos = clock_->MonotonicNanos();
  const std::string* const known = tenant->answers.Find(question, begin_nanos);
  if (known != nullptr) return *known;
  Json json = make();
  json["computed_ms"] = clock_->WallNanos() / kNanosPerMilli;
  std::string body = JsonText(json);
  tenant->answers.Keep(question, body, clock_->MonotonicNanos(), Until(begin_nanos));
  return body;
}

const std::string* AnswerCache::Answers::Find(const std::string& question,
                                              int64_t now_nanos) const {
  const auto known = answers_.find(question);
  if (known == answers_.end() || known->second.until_nanos <= now_nanos) return nullptr;
  return &known->second.body;
}

AnswerCache::Answers::Map::iterator AnswerCache::Answers::Drop(Map::iterator it) {
  bytes_ -= it->first.size() + it->second.body.size();
  return answers_.erase(it);
}

void AnswerCache::Answers::Keep(const std::string& question, const std::string& body,
                                int64_t now_nanos, int64_t until_nanos) {
  for (auto it = answers_.begin(); it != answers_.end();) {
    it = it->second.until_nanos <= now_nanos ? Drop(it) : std::next(it);
  }
  const size_t size = question.size() + body.size();
  if (size > kMaxBytes) return;
  while (bytes_ + size > kMaxBytes) {
    Drop(std::min_element(answers_.begin(), answers_.end(), [](const auto& a, const auto& b) {
      return a.second.until_nanos < b.second.until_nanos;
    }));
  }
  answers_[question] = {body, until_nanos};
  bytes_ += size;
}

AnswerCache::Graph AnswerCache::GetGraph(const std::string& name, Registry* registry,
                                         const AnalysisLimits& limits) {
  const std::shared_ptr<Tenant> tenant = TenantOf(name);
  const MutexLock lock(&tenant->mutex);
  const int64_t begin_nanos = clock_->MonotonicNanos();
  if (tenant->graph.graph != nullptr && tenant->graph_until_nanos > begin_nanos) {
    return tenant->graph;
  }
  auto snapshot =
      std::make_shared<const GraphSnapshot>(TakeGraphSnapshot(registry, clock_, limits));
  tenant->graph.graph = std::make_shared<const ServiceGraph>(
      MakeServiceGraph(*snapshot, tenant->snapshots.Before(snapshot->nanos)));
  tenant->graph.computed_ms = snapshot->wall_ms;
  tenant->snapshots.Add(std::move(snapshot));
  tenant->graph_until_nanos = Until(begin_nanos);
  return tenant->graph;
}

}  // namespace spanmeter
