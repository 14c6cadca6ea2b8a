#include "remote_write/tenant_collector.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "spanmeter/key_hash.h"

#include "remote_write/metric_names.h"
#include "remote_write/series_labels.h"
#include "remote_write/series_writer.h"

namespace spanmeter {

namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kMsPerMinute = 60 * kMsPerSecond;
// More label sets that ended are not followed one by one.
constexpr size_t kMaxEnded = size_t{1} << 20;

// The same in every process: a block from before a restart and one from after it must be known to
// hold the same series.
uint64_t LabelsHash(std::string_view labels) { return KeyHash(labels, 0); }

// Identifies a metric of a label set.
uint64_t SeriesHash(uint64_t labels_hash, uint64_t metric_hash) {
  return labels_hash ^ (metric_hash * 0x9e3779b97f4a7c15);
}

// What ended since the last collection.
struct Ends {
  struct Series {
    std::string labels;
    uint64_t labels_hash;
    bool alive_again = false;
  };
  struct Metric {
    MetricInfo info;
    std::vector<size_t> series;  // into `series`
  };

  std::vector<Metric> metrics;
  std::vector<Series> series;
  std::unordered_map<uint64_t, size_t> by_hash;  // SeriesHash() to an index into `series`
};

// Collects ends of series that were in the last collection.
class EndedSink final : public SampleSink {
 public:
  EndedSink(int64_t born_before_ms, Ends* ended)
      : born_before_ms_(born_before_ms), ended_(*ended) {}

  bool BeginMetric(const MetricInfo& metric) override {
    ended_.metrics.push_back({metric, {}});
    metric_hash_ = LabelsHash(metric.name);
    return true;
  }
  bool Number(std::string_view /*labels*/, double /*value*/, int64_t /*created_ms*/) override {
    return true;
  }
  bool Histogram(std::string_view /*labels*/, const HistogramPoint& /*point*/,
                 int64_t /*created_ms*/) override {
    return true;
  }
  bool Ended(std::string_view labels, int64_t born_ms) override {
    if (born_ms >= born_before_ms_) return true;
    const uint64_t hash = LabelsHash(labels);
    const auto [it, inserted] =
        ended_.by_hash.try_emplace(SeriesHash(hash, metric_hash_), ended_.series.size());
    // It ended, was born again and ended again.
    if (!inserted) return true;
    ended_.metrics.back().series.push_back(ended_.series.size());
    ended_.series.push_back({std::string(labels), hash});
    return true;
  }

 private:
  const int64_t born_before_ms_;
  Ends& ended_;
  uint64_t metric_hash_ = 0;
};

}  // namespace

// Hands what lives to the writers of all targets.
class CollectorSink final : public SampleSink {
 public:
  CollectorSink(TenantCollector* collector, std::vector<SeriesWriter>* writers, Ends* ended)
      : collector_(*collector), writers_(*writers), ended_(*ended) {}

  bool BeginMetric(const MetricInfo& metric) override {
    names_.emplace(metric, ++serial_);
    collector_.metrics_.try_emplace(metric.name, metric);
    type_ = metric.type;
    metric_hash_ = LabelsHash(metric.name);
    return true;
  }

  bool Number(std::string_view labels, double value, int64_t created_ms) override {
    return Present(labels, created_ms, false,
                   [&](SeriesWriter& writer, const CollectedLabels& l, const CollectedTimes& t) {
                     writer.Number(l, *names_, value, t);
                   });
  }

  bool Histogram(std::string_view labels, const HistogramPoint& point,
                 int64_t created_ms) override {
    const bool started_over = point.native != nullptr && point.native->started_over;
    return Present(labels, created_ms, started_over,
                   [&](SeriesWriter& writer, const CollectedLabels& l, const CollectedTimes& t) {
                     writer.Histogram(l, *names_, point, t);
                   });
  }

  // Marks what ended and is not alive again as stale.
  void PresentEnded() {
    for (const Ends::Metric& metric : ended_.metrics) {
      BeginMetric(metric.info);
      for (const size_t i : metric.series) {
        const Ends::Series& series = ended_.series[i];
        if (series.alive_again) continue;
        labels_.Parse(series.labels);
        for (SeriesWriter& writer : writers_) {
          writer.Ended({&labels_, series.labels_hash}, *names_, metric.info.native,
                       collector_.stamp_ms_);
        }
      }
    }
  }

 private:
  template <typename Write>
  bool Present(std::string_view labels, int64_t created_ms, bool started_over, Write write) {
    // The next collection has it: whether this one has already passed its place is chance.
    if (created_ms >= collector_.stamp_ms_ && !started_over) return true;
    labels_.Parse(labels);
    const uint64_t hash = LabelsHash(labels);
    CollectedTimes times;
    times.stamp_ms = collector_.stamp_ms_;
    // Those of the stamp's own millisecond are the next one's, too: not all of them may be there.
    times.exemplars_from_ms = collector_.before_ms_;
    times.exemplars_before_ms = collector_.stamp_ms_;
    if (type_ == MetricType::kCounter || type_ == MetricType::kHistogram) {
      times.start_ms = std::min(created_ms, collector_.stamp_ms_ - 1);
      const bool is_new = created_ms >= collector_.before_ms_ && !started_over;
      if (is_new) times.zero_ms = collector_.ZeroMs(hash);
    }
    if (!ended_.by_hash.empty()) {
      const auto found = ended_.by_hash.find(SeriesHash(hash, metric_hash_));
      if (found != ended_.by_hash.end()) ended_.series[found->second].alive_again = true;
    }
    for (SeriesWriter& writer : writers_) write(writer, CollectedLabels{&labels_, hash}, times);
    return true;
  }

  TenantCollector& collector_;
  std::vector<SeriesWriter>& writers_;
  Ends& ended_;
  uint64_t serial_ = 0;
  std::optional<MetricNames> names_;
  MetricType type_ = MetricType::kUntyped;
  uint64_t metric_hash_ = 0;
  SeriesLabels labels_;
};

TenantCollector::TenantCollector(std::string tenant, int64_t known_until_ms, int64_t new_since_ms)
    : tenant_(std::move(tenant)),
      last_stamp_ms_(known_until_ms),
      before_ms_(new_since_ms),
      zero_floor_ms_(known_until_ms) {}

std::vector<std::vector<Block>> TenantCollector::Collect(Registry* registry, int64_t stamp_ms,
                                                         std::span<const Target> targets) {
  stamp_ms_ = stamp_ms;
  std::vector<SeriesWriter> writers;
  writers.reserve(targets.size());
  for (const Target& target : targets) {
    writers.emplace_back(*target.options, target.relabeler, target.protocol, tenant_, last_points_);
  }

  registry->KeepEnded(true);
  // What is stale ends now, and not only when its memory is needed.
  registry->Expire();
  Ends ended;
  EndedSink ended_sink(before_ms_, &ended);
  registry->VisitEnded(&ended_sink);
  for (const Ends::Series& series : ended.series) NoteEnded(series.labels_hash, last_stamp_ms_);

  metrics_.clear();
  CollectorSink sink(this, &writers, &ended);
  registry->Visit(&sink);
  sink.PresentEnded();
  for (const Ends::Series& series : ended.series) {
    if (!series.alive_again) NoteEnded(series.labels_hash, stamp_ms);
  }

  last_stamp_ms_ = stamp_ms;
  before_ms_ = stamp_ms;
  ForgetEnded();
  std::vector<std::vector<Block>> blocks;
  last_points_ = 0;
  for (SeriesWriter& writer : writers) {
    blocks.push_back(writer.Finish());
    last_points_ = std::max(last_points_, writer.points());
  }
  return blocks;
}

int64_t TenantCollector::ZeroMs(uint64_t labels_hash) const {
  int64_t floor_ms = zero_floor_ms_;
  if (!ended_.empty()) {
    const auto ended = ended_.find(labels_hash);
    if (ended != ended_.end()) floor_ms = std::max(floor_ms, ended->second);
  }
  const int64_t zero_ms =
      std::max(stamp_ms_ - stamp_ms_ % kMsPerMinute - kMsPerSecond, floor_ms + 1);
  return zero_ms < stamp_ms_ ? zero_ms : 0;
}

void TenantCollector::NoteEnded(uint64_t labels_hash, int64_t last_sample_ms) {
  if (ended_.size() >= kMaxEnded && !ended_.contains(labels_hash)) {
    // So many that all zero samples are put behind everything that was sent.
    zero_floor_ms_ = std::max(zero_floor_ms_, last_sample_ms);
    return;
  }
  int64_t& last = ended_.try_emplace(labels_hash, last_sample_ms).first->second;
  last = std::max(last, last_sample_ms);
}

void TenantCollector::ForgetEnded() {
  // Later zero samples are not earlier than this.
  const int64_t zero_ms = stamp_ms_ - stamp_ms_ % kMsPerMinute - kMsPerSecond;
  std::erase_if(ended_, [zero_ms](const auto& ended) { return ended.second < zero_ms; });
}

}  // namespace spanmeter
