#include "admin/analysis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <unordered_map>

#include "spanmeter/key_hash.h"
#include "spanmeter/label_reader.h"
#include "spanmeter/naming.h"

#include "admin/counting.h"

namespace spanmeter {

namespace {

// A look at the clock costs as much as a few label sets.
constexpr uint64_t kClockInterval = 256;
constexpr int64_t kHourMs = int64_t{3'600} * 1'000;
constexpr std::string_view kLabelOverflow = "__cardinality_overflow__";
// Labels in an answer.
constexpr size_t kMaxListedLabels = 1'000;
// Larger estimates say no more than this, and JSON's readers keep it exactly.
constexpr double kMaxEstimate = 1e15;

// Nobody can choose names and values that collide.
uint64_t RandomSeed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

// Spreads a hash that was changed.
uint64_t Mixed(uint64_t hash) {
  hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCD;
  hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53;
  return hash ^ hash >> 33;
}

// The labels of a tenant by number. Families have the same labels in the same order from one label
// set to the next as a rule, so that comparing with the last one's finds most of them.
template <typename Label>
class LabelTable {
 public:
  explicit LabelTable(size_t max_labels) : max_labels_(max_labels) {}

  // The label that stands at this place of a label set; null when there are too many.
  template <typename Make>
  Label* At(size_t place, std::string_view name, Make make) {
    if (place < last_.size() && last_[place]->first == name) return &last_[place]->second;
    auto found = labels_.find(name);
    if (found == labels_.end()) {
      if (labels_.size() == max_labels_) return nullptr;
      found = labels_.emplace(std::string(name), make()).first;
    }
    if (place >= last_.size()) last_.resize(place + 1, &*found);
    last_[place] = &*found;
    return &found->second;
  }
  std::map<std::string, Label, std::less<>>& labels() { return labels_; }

 private:
  const size_t max_labels_;
  std::map<std::string, Label, std::less<>> labels_;  // whose entries stay where they are
  std::vector<std::pair<const std::string, Label>*> last_;
};

class MetricsVisitor final : public BoundedVisitor {
 public:
  using BoundedVisitor::BoundedVisitor;

  bool BeginFamily(const WalkedFamily& family) override {
    families_.push_back({&family, {}});
    return true;
  }
  void Look(const WalkedLabelSet& label_set, LabelSetReader*) override {
    if (label_set.is_overflow) return;
    ++label_sets;
    std::array<uint64_t, kMaxFamilyMetrics>& counts = families_.back().label_sets;
    for (size_t i = 0; i < kMaxFamilyMetrics; ++i) counts[i] += label_set.present >> i & 1;
  }
  void Finish(LabelSetReader*) override {
    for (const Family& family : families_) {
      for (size_t i = 0; i < family.walked->metrics.size(); ++i) {
        if (family.label_sets[i] == 0) continue;
        const MetricInfo& metric = family.walked->metrics[i];
        metrics.push_back({{"name", metric.name},
                           {"type", MetricTypeName(metric.type)},
                           {"help", metric.help},
                           {"label_sets", family.label_sets[i]},
                           {"series", family.label_sets[i] * family.walked->series[i]}});
      }
    }
  }

  Json metrics = Json::array();
  uint64_t label_sets = 0;

 private:
  struct Family {
    const WalkedFamily* walked;
    std::array<uint64_t, kMaxFamilyMetrics> label_sets;
  };
  std::vector<Family> families_;
};

class LabelsVisitor final : public BoundedVisitor {
 public:
  struct Label {
    DistinctCounter values;
    uint64_t label_sets = 0;
    uint64_t overflow_label_sets = 0;
  };

  LabelsVisitor(const Clock* clock, const AnalysisLimits& limits)
      : BoundedVisitor(clock, limits.walk_nanos),
        limits_(limits),
        places_(limits.exact_places),
        table_(limits.labels) {}

  bool BeginFamily(const WalkedFamily&) override { return true; }
  void Look(const WalkedLabelSet& label_set, LabelSetReader*) override {
    if (label_set.is_overflow) return;
    LabelReader reader(label_set.labels);
    for (size_t place = 0; reader.Next(); ++place) {
      Label* const label = table_.At(place, reader.name(), [this] {
        return Label{DistinctCounter(limits_.exact_values, &places_)};
      });
      if (label == nullptr) {
        too_many_ = true;
        continue;
      }
      ++label->label_sets;
      if (reader.escaped_value() == kLabelOverflow) ++label->overflow_label_sets;
      label->values.Add(KeyHash(reader.escaped_value(), seed_));
    }
  }

  bool too_many() const { return too_many_; }
  LabelTable<Label>& table() { return table_; }

 private:
  const AnalysisLimits& limits_;
  const uint64_t seed_ = RandomSeed();
  size_t places_;
  LabelTable<Label> table_;
  bool too_many_ = false;
};

// Counts by one or two labels of a label set.
class TallyVisitor final : public BoundedVisitor {
 public:
  // `second` may be empty; label sets without the first label do not count.
  TallyVisitor(const Clock* clock, const AnalysisLimits& limits, TallyOrder order,
               std::string_view first, std::string_view second, uint64_t limit)
      : BoundedVisitor(clock, limits.walk_nanos),
        first_(first),
        second_(second),
        limit_(limit),
        born_since_ms_(clock->WallNanos() / kNanosPerMilli - kHourMs),
        places_(limits.exact_values),
        table_(limits.exact_values, order),
        distinct_(limits.exact_values, &places_) {}

  bool BeginFamily(const WalkedFamily& family) override {
    family_ = &family;
    return true;
  }
  void Look(const WalkedLabelSet& label_set, LabelSetReader*) override {
    if (label_set.is_overflow) return;
    Tally tally;
    bool found = false;
    bool found_second = second_.empty();
    LabelReader reader(label_set.labels);
    while ((!found || !found_second) && reader.Next()) {
      if (reader.name() == first_) {
        tally.first = reader.escaped_value();
        found = true;
      } else if (reader.name() == second_ && !second_.empty()) {
        tally.second = reader.escaped_value();
        found_second = true;
      }
    }
    if (!found || !found_second) return;
    tally.label_sets = 1;
    tally.series = SeriesOf(*family_, label_set.present);
    tally.born_lately = label_set.born_ms > born_since_ms_ ? 1 : 0;
    uint64_t hash = KeyHash(tally.first, seed_);
    if (!second_.empty()) hash = Mixed(hash ^ KeyHash(tally.second, seed_ + 1));
    table_.Add(hash, tally);
    distinct_.Add(hash);
  }
  void Finish(LabelSetReader*) override {
    for (const Tally& tally : table_.Top(limit_)) {
      Json entry;
      entry["first"] = Unescaped(tally.first);
      entry["second"] = Unescaped(tally.second);
      entry["label_sets"] = tally.label_sets;
      entry["series"] = tally.series;
      entry["born"] = tally.born_lately;
      top.push_back(std::move(entry));
    }
  }
  bool incomplete() const { return truncated() || !table_.is_exact(); }
  uint64_t distinct() const { return distinct_.Count(); }

  Json top = Json::array();

 private:
  const std::string_view first_;
  const std::string_view second_;
  const uint64_t limit_;
  const int64_t born_since_ms_;
  const uint64_t seed_ = RandomSeed();
  const WalkedFamily* family_ = nullptr;
  size_t places_;
  FrequencyTable table_;
  DistinctCounter distinct_;
};

class CostVisitor final : public BoundedVisitor {
 public:
  struct Label {
    DistinctCounter values;
    bool kept;
    uint64_t seed;
  };

  CostVisitor(const Clock* clock, const AnalysisLimits& limits, const CostQuestion& question)
      : BoundedVisitor(clock, limits.walk_nanos),
        limits_(limits),
        question_(question),
        places_(limits.exact_places),
        table_(limits.labels),
        kept_(limits.exact_places, &kept_places_),
        kept_places_(limits.exact_places) {}

  bool BeginFamily(const WalkedFamily& family) override {
    family_ = &family;
    return !family.metrics.empty() && NamesOfSpanMetric(family.metrics[0].name) != nullptr;
  }
  void Look(const WalkedLabelSet& label_set, LabelSetReader*) override {
    if (label_set.is_overflow) return;
    ++label_sets;
    series += SeriesOf(*family_, label_set.present);
    uint64_t hash = seed_;
    LabelReader reader(label_set.labels);
    for (size_t place = 0; reader.Next(); ++place) {
      const std::string_view name = reader.name();
      Label* const label = table_.At(place, name, [&] {
        return Label{DistinctCounter(limits_.exact_values, &places_), Keeps(name),
                     KeyHash(name, seed_)};
      });
      if (label == nullptr) continue;
      const uint64_t value = KeyHash(reader.escaped_value(), label->seed);
      label->values.Add(value);
      if (label->kept) hash = Mixed(hash ^ value);
    }
    kept_.Add(hash);
  }
  uint64_t kept() const { return kept_.Count(); }
  LabelTable<Label>& table() { return table_; }

  uint64_t label_sets = 0;
  uint64_t series = 0;

 private:
  bool Keeps(std::string_view name) const {
    return !question_.keep ||
           std::find(question_.keep->begin(), question_.keep->end(), name) != question_.keep->end();
  }

  const AnalysisLimits& limits_;
  const CostQuestion& question_;
  const uint64_t seed_ = RandomSeed();
  const WalkedFamily* family_ = nullptr;
  size_t places_;
  LabelTable<Label> table_;
  DistinctCounter kept_;
  size_t kept_places_;
};

class OverflowVisitor final : public BoundedVisitor {
 public:
  using BoundedVisitor::BoundedVisitor;

  bool BeginFamily(const WalkedFamily& family) override {
    family_ = &family;
    return true;
  }
  void Look(const WalkedLabelSet& label_set, LabelSetReader* reader) override {
    reader->Read(label_set, &values_);
    for (size_t i = 0; i < family_->metrics.size(); ++i) {
      const LabelSetValues::Metric& value = values_.metrics[i];
      if (!value.present) continue;
      const MetricInfo& metric = family_->metrics[i];
      Json& entry = metrics.emplace_back();
      entry["metric"] = metric.name;
      if (metric.type != MetricType::kHistogram) {
        entry["value"] = value.value;
        continue;
      }
      double count = value.zero_count;
      for (const NativeBucket& bucket : value.buckets) count += bucket.count;
      if (!value.counts.empty()) count = 0;
      for (const double c : value.counts) count += c;
      entry["count"] = count;
    }
  }

  Json metrics = Json::array();

 private:
  const WalkedFamily* family_ = nullptr;
  LabelSetValues values_;
};

}  // namespace

bool BoundedVisitor::LabelSet(const WalkedLabelSet& label_set, LabelSetReader* reader) {
  if (seen_++ % kClockInterval == 0 && clock_.MonotonicNanos() > end_nanos_) {
    truncated_ = true;
    return false;
  }
  Look(label_set, reader);
  return true;
}

uint64_t SeriesOf(const WalkedFamily& family, uint8_t present) {
  uint64_t series = 0;
  for (size_t i = 0; i < family.metrics.size(); ++i) {
    if ((present >> i & 1) != 0) series += family.series[i];
  }
  return series;
}

std::string Unescaped(std::string_view escaped) {
  std::string text;
  text.reserve(escaped.size());
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] == '\\' && i + 1 < escaped.size()) {
      ++i;
      text.push_back(escaped[i] == 'n' ? '\n' : escaped[i]);
    } else {
      text.push_back(escaped[i]);
    }
  }
  return text;
}

std::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kUntyped:
      break;
  }
  return "untyped";
}

Json AnalyzeMetrics(Registry* registry, const Clock* clock, const AnalysisLimits& limits) {
  MetricsVisitor visitor(clock, limits.walk_nanos);
  registry->Walk(WalkScope::kAll, &visitor);
  return {{"metrics", std::move(visitor.metrics)},
          {"label_sets", visitor.label_sets},
          {"truncated", visitor.truncated()}};
}

Json AnalyzeLabels(Registry* registry, const Clock* clock, const AnalysisLimits& limits) {
  LabelsVisitor visitor(clock, limits);
  registry->Walk(WalkScope::kAll, &visitor);
  std::unordered_map<std::string, uint64_t> limited;
  for (const LabelStats& label : registry->GetStats().labels) {
    limited[label.name] = label.refusals;
  }
  struct Row {
    uint64_t values;
    const std::string* name;
    const LabelsVisitor::Label* label;
  };
  std::vector<Row> rows;
  for (const auto& [name, label] : visitor.table().labels()) {
    rows.push_back({label.values.Count(), &name, &label});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.values > b.values; });
  const bool cut = rows.size() > kMaxListedLabels;
  if (cut) rows.resize(kMaxListedLabels);
  Json list = Json::array();
  for (const Row& row : rows) {
    list.push_back({{"name", *row.name},
                    {"values", row.values},
                    {"label_sets", row.label->label_sets},
                    {"limited", limited[*row.name]},
                    {"overflow_label_sets", row.label->overflow_label_sets}});
  }
  return {{"labels", std::move(list)},
          {"truncated", visitor.truncated() || visitor.too_many() || cut}};
}

Json AnalyzeValues(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                   const std::string& label, uint64_t limit) {
  TallyVisitor visitor(clock, limits, TallyOrder::kLabelSets, label, {}, limit);
  registry->Walk(WalkScope::kAll, &visitor);
  Json list = Json::array();
  for (const Json& tally : visitor.top) {
    list.push_back({{"value", tally["first"]},
                    {"label_sets", tally["label_sets"]},
                    {"series", tally["series"]}});
  }
  return {{"values", std::move(list)},
          {"distinct", visitor.distinct()},
          {"truncated", visitor.incomplete()}};
}

Json AnalyzeTop(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                const TopQuestion& question) {
  const MetricNames& names = NamesOf(question.naming);
  TallyVisitor visitor(clock, limits, question.by_churn ? TallyOrder::kBorn : TallyOrder::kSeries,
                       names.service, question.by_operation ? names.span_name : std::string_view(),
                       question.limit);
  registry->Walk(WalkScope::kAll, &visitor);
  Json list = Json::array();
  for (const Json& tally : visitor.top) {
    Json& entry = list.emplace_back();
    entry["service"] = tally["first"];
    if (question.by_operation) entry["span_name"] = tally["second"];
    entry["label_sets"] = tally["label_sets"];
    entry["series"] = tally["series"];
    entry["born_last_hour"] = tally["born"];
  }
  return {{"entries", std::move(list)},
          {"service_label", names.service},
          {"truncated", visitor.incomplete()}};
}

Json AnalyzeCost(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                 const CostQuestion& question) {
  CostVisitor visitor(clock, limits, question);
  registry->Walk(WalkScope::kAll, &visitor);
  double label_sets = static_cast<double>(visitor.kept());
  for (const auto& [name, values] : question.add) label_sets *= static_cast<double>(values);
  const double per_label_set =
      visitor.label_sets == 0
          ? 0
          : static_cast<double>(visitor.series) / static_cast<double>(visitor.label_sets);
  const auto whole = [](double estimate) {
    return static_cast<uint64_t>(std::llround(std::min(estimate, kMaxEstimate)));
  };
  Json labels = Json::array();
  for (const auto& [name, label] : visitor.table().labels()) {
    labels.push_back({{"name", name}, {"kept", label.kept}, {"values", label.values.Count()}});
  }
  return {{"current", {{"label_sets", visitor.label_sets}, {"series", visitor.series}}},
          {"estimate",
           {{"label_sets", whole(label_sets)}, {"series", whole(label_sets * per_label_set)}}},
          {"labels", std::move(labels)},
          {"truncated", visitor.truncated()}};
}

Json DescribeOverflow(Registry* registry, const Clock* clock, const AnalysisLimits& limits,
                      uint64_t max_label_values) {
  OverflowVisitor visitor(clock, limits.walk_nanos);
  registry->Walk(WalkScope::kOverflow, &visitor);
  const RegistryStats stats = registry->GetStats();
  Json labels = Json::array();
  for (const LabelStats& label : stats.labels) {
    if (labels.size() == kMaxListedLabels) break;
    labels.push_back({{"name", label.name},
                      {"limit", max_label_values},
                      {"values", label.values},
                      {"demand", label.demand},
                      {"replaced", label.refusals}});
  }
  return {{"series_overflow", !visitor.metrics.empty()},
          {"limited_updates", stats.updates_limited},
          {"metrics", std::move(visitor.metrics)},
          {"labels", std::move(labels)}};
}

}  // namespace spanmeter
