#include "admin/series_search.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "spanmeter/label_reader.h"
#include "spanmeter/number_text.h"

namespace spanmeter {

namespace {

Json LabelsObject(std::string_view labels) {
  Json object = Json::object();
  LabelReader reader(labels);
  while (reader.Next()) {
    object.push_back({std::string(reader.name()), Unescaped(reader.escaped_value())});
  }
  return object;
}

void AppendBucket(double bound, double count, Json* buckets) {
  buckets->push_back({{"le", BoundText(bound, /*canonical=*/false)}, {"count", count}});
}

// Cumulative, as in the formats; of a native histogram without classic buckets, those that have
// counted something.
Json Buckets(const MetricInfo& metric, const LabelSetValues::Metric& value, double* count) {
  Json buckets = Json::array();
  *count = 0;
  for (size_t i = 0; i < value.counts.size(); ++i) {
    *count += value.counts[i];
    AppendBucket(i < metric.bounds.size() ? metric.bounds[i] : INFINITY, *count, &buckets);
  }
  if (!value.counts.empty() || !value.native) return buckets;
  *count = value.zero_count;
  if (value.zero_count != 0) AppendBucket(value.zero_threshold, *count, &buckets);
  for (const NativeBucket& bucket : value.buckets) {
    *count += bucket.count;
    AppendBucket(std::exp2(std::ldexp(static_cast<double>(bucket.index), -value.schema)), *count,
                 &buckets);
  }
  AppendBucket(INFINITY, *count, &buckets);
  return buckets;
}

class SearchVisitor final : public BoundedVisitor {
 public:
  SearchVisitor(const Clock* clock, const AnalysisLimits& limits, SeriesSelector* selector,
                uint64_t limit)
      : BoundedVisitor(clock, limits.walk_nanos),
        clock_(*clock),
        selector_(*selector),
        limit_(limit) {}

  bool BeginFamily(const WalkedFamily& family) override {
    family_ = &family;
    wanted_ = 0;
    for (size_t i = 0; i < family.metrics.size(); ++i) {
      if (selector_.MatchesMetric(family.metrics[i])) wanted_ |= static_cast<uint8_t>(1U << i);
    }
    return wanted_ != 0;
  }

  void Look(const WalkedLabelSet& label_set, LabelSetReader*) override {
    const auto present = static_cast<uint8_t>(label_set.present & wanted_);
    if (present == 0 || !selector_.MatchesLabels(label_set.labels)) return;
    for (size_t i = 0; i < family_->metrics.size(); ++i) {
      if ((present >> i & 1) == 0) continue;
      ++matched;
      Keep({family_, i, label_set});
    }
  }

  void Finish(LabelSetReader* reader) override {
    std::sort_heap(found_.begin(), found_.end(), Before);
    const int64_t wall_ms = clock_.WallNanos() / kNanosPerMilli;
    const int64_t now_nanos = clock_.MonotonicNanos();
    LabelSetValues values;
    for (const Found& found : found_) {
      reader->Read(found.label_set, &values);
      const MetricInfo& metric = found.family->metrics[found.metric];
      const LabelSetValues::Metric& value = values.metrics[found.metric];
      Json& entry = series.emplace_back();
      entry["metric"] = metric.name;
      entry["type"] = MetricTypeName(metric.type);
      entry["labels"] = LabelsObject(found.label_set.labels);
      if (metric.type == MetricType::kHistogram) {
        double count = 0;
        Json buckets = Buckets(metric, value, &count);
        entry["count"] = count;
        entry["sum"] = value.value;
        entry["buckets"] = std::move(buckets);
      } else {
        entry["value"] = value.value;
      }
      entry["created_ms"] = value.created_ms;
      entry["last_update_ms"] =
          wall_ms - (now_nanos - found.label_set.last_update_nanos) / kNanosPerMilli;
    }
  }

  uint64_t matched = 0;
  Json series = Json::array();

 private:
  struct Found {
    const WalkedFamily* family;
    size_t metric;
    WalkedLabelSet label_set;
  };
  static bool Before(const Found& a, const Found& b) {
    return std::tie(a.family->metrics[a.metric].name, a.label_set.labels) <
           std::tie(b.family->metrics[b.metric].name, b.label_set.labels);
  }
  // A heap with the last one on top.
  void Keep(const Found& found) {
    if (found_.size() == limit_) {
      if (!Before(found, found_.front())) return;
      std::pop_heap(found_.begin(), found_.end(), Before);
      found_.pop_back();
    }
    found_.push_back(found);
    std::push_heap(found_.begin(), found_.end(), Before);
  }

  const Clock& clock_;
  SeriesSelector& selector_;
  const uint64_t limit_;
  const WalkedFamily* family_ = nullptr;
  uint8_t wanted_ = 0;
  std::vector<Found> found_;
};

}  // namespace

Json SearchSeries(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                  SeriesSelector* selector, uint64_t limit) {
  SearchVisitor visitor(clock, limits, selector, limit);
  registry->Walk(WalkScope::kAll, &visitor);
  const bool truncated = visitor.truncated() || visitor.matched > visitor.series.size();
  return {{"series", std::move(visitor.series)},
          {"matched", visitor.matched},
          {"truncated", truncated}};
}

}  // namespace spanmeter
