// One tenant's way from spans to series: its options, its processors and its registry.

#ifndef SPANMETER_GENERATOR_H_
#define SPANMETER_GENERATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/span_view.h"

namespace spanmeter {

// The tenant of everything while tenancy is off.
inline constexpr std::string_view kSingleTenant = "single-tenant";

class Generator;

// One request on its way into a generator. Nothing visited counts before Commit(). Not thread-safe.
class GeneratorSession final : public SpanVisitor {
 public:
  ~GeneratorSession() override;

  void StartRequest();
  void StartResource(const ResourceView& resource) override;
  void Span(const SpanView& span) override;

  struct Received {
    uint64_t spans = 0;        // valid and invalid ones
    uint64_t invalid_ids = 0;  // of these, refused by the decoder
    uint64_t bytes = 0;        // of the request, uncompressed
  };
  // Counts everything since StartRequest(). REQUIRES: the request's bytes are still valid.
  void Commit(const Received& received);

 private:
  friend class Generator;
  explicit GeneratorSession(Generator* generator);

  Generator* const generator_;
  std::vector<std::unique_ptr<ProcessorSession>> processors_;
  int64_t wall_nanos_ = 0;
  uint64_t outside_time_range_ = 0;
};

// Thread-safe. Must outlive its sessions.
class Generator {
 public:
  // `clock`, `logger` and `metrics` must outlive the generator.
  Generator(std::string tenant, const GeneratorOptions& options, const Clock* clock,
            const Logger* logger, SelfMetrics* metrics);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  const std::string& tenant() const { return tenant_; }
  // The attribute keys that the processors look at.
  const AttributeIndex& attributes() const { return attributes_; }
  Registry& registry() { return registry_; }

  // Lends a session for one request, to be given back. Sessions are kept for reuse.
  std::unique_ptr<GeneratorSession> BorrowSession();
  void ReturnSession(std::unique_ptr<GeneratorSession> session);

  // Counts a request that asked not to be turned into metrics.
  void CountSkipped(const GeneratorSession::Received& received);

 private:
  friend class GeneratorSession;
  struct Counters;

  const std::string tenant_;
  const GeneratorOptions options_;
  const Clock* const clock_;
  const Logger* const logger_;
  Registry registry_;
  AttributeIndex attributes_;
  std::vector<std::unique_ptr<Processor>> processors_;
  const std::unique_ptr<Counters> counters_;
  LogThrottle time_range_throttle_;
  LogThrottle multiplier_throttle_;

  Mutex mutex_;
  std::vector<std::unique_ptr<GeneratorSession>> idle_sessions_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_GENERATOR_H_
