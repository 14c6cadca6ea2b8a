// Questions that take a walk over all label sets of a tenant.

#ifndef SPANMETER_ADMIN_ANALYSIS_H_
#define SPANMETER_ADMIN_ANALYSIS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/label_set_walk.h"
#include "spanmeter/registry.h"

#include "admin/json.h"

namespace spanmeter {

// What every walk is bounded by.
struct AnalysisLimits {
  // A walk that takes longer ends early.
  int64_t walk_nanos = 1'500 * kNanosPerMilli;
  // Values of a label, and things in a list of the most frequent ones, that are told apart exactly.
  size_t exact_values = 100'000;
  // The same for all labels together.
  size_t exact_places = 1'500'000;
  // Labels that are looked at.
  size_t labels = 4'096;
  // Of a service graph.
  size_t nodes = 2'000;
  size_t edges = 10'000;
};

// Ends a walk when its time is over. Used by one thread.
class BoundedVisitor : public LabelSetVisitor {
 public:
  // `clock` must outlive this.
  BoundedVisitor(const Clock* clock, int64_t walk_nanos)
      : clock_(*clock), end_nanos_(clock->MonotonicNanos() + walk_nanos) {}

  bool LabelSet(const WalkedLabelSet& label_set, LabelSetReader* reader) final;
  // Whether not everything was seen.
  bool truncated() const { return truncated_; }

 protected:
  virtual void Look(const WalkedLabelSet& label_set, LabelSetReader* reader) = 0;

 private:
  const Clock& clock_;
  const int64_t end_nanos_;
  uint64_t seen_ = 0;
  bool truncated_ = false;
};

// What the limits count the label set as.
uint64_t SeriesOf(const WalkedFamily& family, uint8_t present);

// A value as it was before it was escaped.
std::string Unescaped(std::string_view escaped);

std::string_view MetricTypeName(MetricType type);

// The answers, but for `computed_ms`. All leave overflow series out; what a walk did not get to is
// said by `truncated`.
Json AnalyzeMetrics(Registry* registry, const Clock* clock, const AnalysisLimits& limits);
Json AnalyzeLabels(Registry* registry, const Clock* clock, const AnalysisLimits& limits);
Json AnalyzeValues(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                   const std::string& label, uint64_t limit);

struct TopQuestion {
  bool by_operation = false;  // else by service
  bool by_churn = false;      // else by series
  uint64_t limit = 0;
  Naming naming = Naming::kTempo;  // of the tenant
};
Json AnalyzeTop(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                const TopQuestion& question);

struct CostQuestion {
  // The labels that stay; nullopt: all.
  std::optional<std::vector<std::string>> keep;
  // Labels that would come, with the number of their values.
  std::vector<std::pair<std::string, uint64_t>> add;
};
Json AnalyzeCost(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                 const CostQuestion& question);

Json DescribeOverflow(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                      uint64_t max_label_values);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_ANALYSIS_H_
