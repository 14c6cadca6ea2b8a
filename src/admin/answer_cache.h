// Keeps what costly questions were answered with for a while.

#ifndef SPANMETER_ADMIN_ANSWER_CACHE_H_
#define SPANMETER_ADMIN_ANSWER_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/mutex.h"
#include "spanmeter/registry.h"

#include "admin/json.h"
#include "admin/service_graph.h"

namespace spanmeter {

// Thread-safe. An answer is kept for twenty times as long as it took, so that questions take at
// most a twentieth of a processor, but for at least five seconds and at most a minute.
class AnswerCache {
 public:
  // `clock` must outlive the cache.
  explicit AnswerCache(const Clock* clock) : clock_(clock) {}

  // The answer to a question about a tenant, from memory or made by `make`, with `computed_ms`.
  // Questions about one tenant are answered one after the other.
  std::string Get(const std::string& tenant, const std::string& question,
                  const std::function<Json()>& make);

  // The tenant's service graph, likewise.
  struct Graph {
    std::shared_ptr<const ServiceGraph> graph;
    int64_t computed_ms = 0;
  };
  Graph GetGraph(const std::string& tenant, Registry* registry, const AnalysisLimits& limits);

 private:
  // Least recently used tenants give way.
  static constexpr size_t kMaxTenants = 16;
  // Bytes of a tenant's answers; larger ones are not kept.
  static constexpr size_t kMaxBytes = size_t{4} << 20;

  struct Answer {
    std::string body;
    int64_t until_nanos = 0;
  };
  // What there is of a tenant. Not thread-safe.
  class Answers {
   public:
    // Null when there is none any more.
    const std::string* Find(const std::string& question, int64_t now_nanos) const;
    // Makes room, if need be, by dropping those that would be dropped next.
    void Keep(const std::string& question, const std::string& body, int64_t now_nanos,
              int64_t until_nanos);

   private:
    using Map = std::map<std::string, Answer>;
    Map::iterator Drop(Map::iterator it);

    Map answers_;
    size_t bytes_ = 0;
  };
  struct Tenant {
    Mutex mutex;  // held while an answer is made
    Answers answers GUARDED_BY(mutex);
    Graph graph GUARDED_BY(mutex);
    int64_t graph_until_nanos GUARDED_BY(mutex) = 0;
    GraphHistory snapshots GUARDED_BY(mutex);
  };
  struct Place {
    std::shared_ptr<Tenant> tenant;
    uint64_t used = 0;
  };

  std::shared_ptr<Tenant> TenantOf(const std::string& name);
  // How long an answer lasts that was begun at this time.
  int64_t Until(int64_t begin_nanos) const;

  const Clock* const clock_;
  Mutex mutex_;
  std::map<std::string, Place> tenants_ GUARDED_BY(mutex_);
  uint64_t uses_ GUARDED_BY(mutex_) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_ANSWER_CACHE_H_
