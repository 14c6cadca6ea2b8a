// A tenant's registries, one after the other, so simple that they can be trusted: maps, no shards,
// no hashes, no batches, everything counted anew whenever somebody asks.

#ifndef SPANMETER_TESTS_MODEL_RELOADING_MODEL_H_
#define SPANMETER_TESTS_MODEL_RELOADING_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/registry.h"

#include "model/model_histogram.h"
#include "model/model_rules.h"

namespace spanmeter {

// kCalls has a histogram and calls, kEdges requests and failures with a histogram (which join
// later), kInfo an info metric.
enum class ModelKind { kCalls, kEdges, kInfo };

// All that decides whether a family goes on when the options change.
struct ModelSpec {
  ModelKind kind = ModelKind::kCalls;
  bool has_b = false;      // whether there is a label b
  FamilyMetric histogram;  // unused by kInfo
  ModelLabels external_labels;
  size_t rules = 0;         // into MakeModelRules()
  uint64_t max_length = 0;  // of values that were relabelled

  bool operator==(const ModelSpec&) const = default;
};

struct ModelUpdate {
  ModelLabels labels;
  double latency = 0;
  double weight = 1;
  bool failed = false;
};

struct ModelSet {
  int64_t last_update = 0;
  int64_t created_ms = 0;
  double calls = 0;
  double failed = 0;
  int64_t failed_created_ms = 0;
  ModelHistogram histogram;
  bool holds_places = false;
};

struct ModelFamily {
  ModelSpec spec;
  bool ended = false;
  std::map<ModelLabels, ModelSet> sets;
  std::optional<ModelSet> overflow;
};

// What the test looks for at its end, to know that it has tried something.
struct ModelTally {
  uint64_t lost = 0;        // updates of families that had ended
  uint64_t continued = 0;   // updates through an older registry that counted
  uint64_t taken_over = 0;  // families with series
  uint64_t ended = 0;       // likewise
  uint64_t folded = 0;      // updates
  uint64_t dropped = 0;     // likewise
  uint64_t overridden = 0;  // labels that rules set and external ones replaced
  uint64_t relabelled = 0;  // updates with other labels than they came with
};

class ReloadingModel {
 public:
  using Generation = std::vector<std::shared_ptr<ModelFamily>>;

  explicit ReloadingModel(const GeneratorOptions& options) : limits_(options) {}

  const Generation& newest() const { return newest_; }
  const ModelTally& tally() const { return tally_; }

  // The first half of a reload.
  void SetLimits(const GeneratorOptions& options) {
    const bool labels_were_limited = limits_.max_cardinality_per_label > 0;
    limits_ = options;
    if (labels_were_limited || limits_.max_cardinality_per_label == 0) return;
    for (const auto& family : newest_) {
      if (family->spec.kind == ModelKind::kInfo) continue;
      for (auto& [labels, set] : family->sets) {
        set.holds_places = true;
        See(labels, set.last_update);
      }
    }
  }
  // The second half. Returns the metrics that ended.
  std::vector<std::string> Follow(const std::vector<ModelSpec>& specs) {
    Generation next;
    for (const ModelSpec& spec : specs) {
      const auto same = std::find_if(newest_.begin(), newest_.end(),
                                     [&spec](const auto& family) { return family->spec == spec; });
      if (same == newest_.end()) {
        next.push_back(std::make_shared<ModelFamily>());
        next.back()->spec = spec;
      } else {
        if (!(*same)->sets.empty()) ++tally_.taken_over;
        next.push_back(*same);
      }
    }
    std::vector<std::string> names;
    for (const auto& family : newest_) {
      if (std::find(next.begin(), next.end(), family) != next.end()) continue;
      if (!family->sets.empty()) ++tally_.ended;
      family->ended = true;
      for (const auto& [labels, set] : family->sets) Remove(*family, labels, set);
      family->sets.clear();
      family->overflow.reset();
      for (const std::string& name : MetricNames(family->spec.kind)) names.push_back(name);
    }
    newest_ = next;
    return names;
  }

  // A new process with what the former one has left, and perhaps with other options.
  void Restart(const GeneratorOptions& options, const std::vector<ModelSpec>& specs) {
    const bool places_are_kept =
        limits_.max_cardinality_per_label > 0 && options.max_cardinality_per_label > 0;
    if (!places_are_kept) places_.clear();
    limits_ = options;
    for (const auto& family : newest_) {
      // What is left out is not seen any more when it ends.
      for (auto& [labels, set] : family->sets) set.holds_places = false;
    }
    Follow(specs);
    for (const auto& family : newest_) {
      if (limits_.max_cardinality_per_label == 0 || family->spec.kind == ModelKind::kInfo) continue;
      for (auto& [labels, set] : family->sets) {
        set.holds_places = true;
        See(labels, set.last_update);
      }
    }
  }

  // Returns false when relabelling drops the update. REQUIRES: nothing is stale.
  bool Apply(ModelFamily* family, const ModelUpdate& update, int64_t now, int64_t now_ms) {
    const ModelSpec& spec = family->spec;
    ModelLabels labels = update.labels;
    if (!Relabel(spec, &labels)) {
      ++tally_.dropped;
      return false;
    }
    if (labels != update.labels) ++tally_.relabelled;
    if (family->ended) {
      ++tally_.lost;
      return true;
    }
    const bool places = limits_.max_cardinality_per_label > 0 && spec.kind != ModelKind::kInfo;
    // What lives needs no places for its values.
    if (places && !family->sets.contains(labels)) Fold(&labels, now);
    auto found = family->sets.find(labels);
    if (found == family->sets.end() && Admits(spec, labels, update.failed)) {
      found = family->sets.emplace(labels, ModelSet()).first;
      found->second.holds_places = places;
    }
    if (found != family->sets.end()) {
      created_ += Add(spec, update, now, now_ms, &found->second);
      return true;
    }
    ++updates_limited_;
    if (spec.kind == ModelKind::kInfo) return true;
    if (!family->overflow) family->overflow.emplace();
    Add(spec, update, now, now_ms, &*family->overflow);
    return true;
  }
  void CountContinued() { ++tally_.continued; }

  void Expire(int64_t now) {
    for (const auto& family : newest_) {
      for (const auto& [labels, set] : family->sets) {
        if (StaleAt(set, now)) Remove(*family, labels, set);
      }
      std::erase_if(family->sets, [&](const auto& one) { return StaleAt(one.second, now); });
      if (family->overflow && StaleAt(*family->overflow, now)) family->overflow.reset();
    }
    const auto held = HeldValues();
    for (auto& [name, label] : places_) {
      std::erase_if(label.last_seen, [&, &label_name = name](const auto& value) {
        return !held.contains({label_name, value.first}) &&
               now - value.second >= limits_.stale_duration;
      });
    }
    std::erase_if(places_, [](const auto& label) { return label.second.last_seen.empty(); });
  }

  // What a visit has to present, as text.
  std::map<std::string, std::string> Present(const Generation& generation, int64_t now) const {
    std::map<std::string, std::string> result;
    for (const auto& family : generation) {
      for (const auto& [labels, set] : family->sets) {
        if (!StaleAt(set, now)) PresentSet(family->spec, labels, set, &result);
      }
      if (family->overflow && !StaleAt(*family->overflow, now)) {
        PresentSet(family->spec, {{"metric_overflow", "true"}}, *family->overflow, &result);
      }
    }
    return result;
  }

  // The numbers that are exact.
  std::map<std::string, uint64_t> Stats() const {
    std::map<std::string, uint64_t> stats = {
        {"active series", ActiveSeries()}, {"active entities", Entities().size()},
        {"series created", created_},      {"series expired", expired_},
        {"limited", updates_limited_},
    };
    if (limits_.max_cardinality_per_label == 0) return stats;
    for (const auto& [name, label] : places_) {
      stats["values of " + name] = label.last_seen.size();
      stats["refusals of " + name] = label.refusals;
    }
    return stats;
  }

  static std::string Created(int64_t created_ms) { return " since " + std::to_string(created_ms); }

 private:
  struct Places {
    std::map<std::string, int64_t> last_seen;  // by value
    uint64_t refusals = 0;
  };

  static constexpr char kFolded[] = "__cardinality_overflow__";

  static std::vector<std::string> MetricNames(ModelKind kind) {
    switch (kind) {
      case ModelKind::kCalls:
        return {"latency", "calls_total"};
      case ModelKind::kEdges:
        return {"request_total", "failed_total", "failure"};
      case ModelKind::kInfo:
        break;
    }
    return {"info"};
  }

  static std::string Render(const ModelSpec& spec, ModelLabels labels) {
    labels.insert(spec.external_labels.begin(), spec.external_labels.end());
    std::string text;
    for (const auto& [name, value] : labels) {
      text += (text.empty() ? "" : ",") + name + "=\"" + value + "\"";
    }
    return text;
  }

  bool Relabel(const ModelSpec& spec, ModelLabels* labels) {
    if (spec.rules == 0) return true;
    if (!rules_[spec.rules].apply(labels)) return false;
    for (const auto& [name, value] : spec.external_labels) tally_.overridden += labels->erase(name);
    for (auto& [name, value] : *labels) {
      if (spec.max_length > 0) value = value.substr(0, spec.max_length);
    }
    return true;
  }

  bool StaleAt(const ModelSet& set, int64_t now) const {
    return now - set.last_update >= limits_.stale_duration;
  }

  // Returns how many series came into being.
  static uint64_t Add(const ModelSpec& spec, const ModelUpdate& update, int64_t now, int64_t now_ms,
                      ModelSet* set) {
    const uint64_t before = set->created_ms == 0 ? 0 : SeriesOf(spec, *set);
    set->last_update = now;
    if (set->created_ms == 0) set->created_ms = now_ms;
    set->calls += spec.kind == ModelKind::kCalls ? update.weight : 1;
    if (update.failed && set->failed++ == 0) set->failed_created_ms = now_ms;
    if (spec.kind == ModelKind::kCalls || update.failed) {
      set->histogram.Observe(spec.histogram, update.latency, update.weight, now, now_ms);
    }
    return SeriesOf(spec, *set) - before;
  }

  static uint64_t SeriesOf(const ModelSpec& spec, const ModelSet& set) {
    return SeriesOf(spec, set.failed > 0);
  }
  static uint64_t SeriesOf(const ModelSpec& spec, bool failed) {
    const uint64_t histogram = ModelHistogram::Series(spec.histogram);
    if (spec.kind == ModelKind::kCalls) return 1 + histogram;
    return 1 + (failed ? 1 + histogram : 0);
  }
  uint64_t ActiveSeries() const {
    uint64_t series = 0;
    for (const auto& family : newest_) {
      for (const auto& [labels, set] : family->sets) series += SeriesOf(family->spec, set);
    }
    return series;
  }
  std::set<std::string> Entities() const {
    std::set<std::string> entities;
    for (const auto& family : newest_) {
      for (const auto& [labels, set] : family->sets) entities.insert(Render(family->spec, labels));
    }
    return entities;
  }
  bool Admits(const ModelSpec& spec, const ModelLabels& labels, bool failed) const {
    if (limits_.limiter_type == LimiterType::kSeries) {
      const uint64_t most = limits_.max_active_series;
      return most == 0 || ActiveSeries() + SeriesOf(spec, failed) <= most;
    }
    if (limits_.max_active_entities == 0) return true;
    const std::set<std::string> entities = Entities();
    return entities.contains(Render(spec, labels)) || entities.size() < limits_.max_active_entities;
  }

  // Replaces the values that get no place.
  void Fold(ModelLabels* labels, int64_t now) {
    bool folded = false;
    for (auto& [name, value] : *labels) {
      if (value == kFolded) continue;
      Places& places = places_[name];
      if (places.last_seen.contains(value) ||
          places.last_seen.size() < limits_.max_cardinality_per_label) {
        places.last_seen[value] = now;
      } else {
        ++places.refusals;
        value = kFolded;
        folded = true;
      }
    }
    if (folded) ++tally_.folded;
  }
  // The values have places, whatever the limit.
  void See(const ModelLabels& labels, int64_t when) {
    for (const auto& [name, value] : labels) {
      if (value == kFolded) continue;
      int64_t& last_seen = places_[name].last_seen[value];
      last_seen = std::max(last_seen, when);
    }
  }
  // The values for which series hold places, with their labels' names.
  std::set<std::pair<std::string, std::string>> HeldValues() const {
    std::set<std::pair<std::string, std::string>> held;
    for (const auto& family : newest_) {
      for (const auto& [labels, set] : family->sets) {
        if (set.holds_places) held.insert(labels.begin(), labels.end());
      }
    }
    return held;
  }
  // Does what a label set leaves behind; the caller erases it.
  void Remove(const ModelFamily& family, const ModelLabels& labels, const ModelSet& set) {
    expired_ += SeriesOf(family.spec, set);
    if (set.holds_places) See(labels, set.last_update);
  }

  static void PresentSet(const ModelSpec& spec, const ModelLabels& labels, const ModelSet& set,
                         std::map<std::string, std::string>* result) {
    const std::string text = "{" + Render(spec, labels);
    const std::string birth = Created(set.created_ms);
    const std::string histogram =
        set.histogram.Present(spec.histogram) + Created(set.histogram.created_ms);
    switch (spec.kind) {
      case ModelKind::kCalls:
        (*result)["calls_total" + text] = std::to_string(set.calls) + birth;
        (*result)["latency" + text] = histogram;
        break;
      case ModelKind::kEdges:
        (*result)["request_total" + text] = std::to_string(set.calls) + birth;
        if (set.failed == 0) break;
        (*result)["failed_total" + text] =
            std::to_string(set.failed) + Created(set.failed_created_ms);
        (*result)["failure" + text] = histogram;
        break;
      case ModelKind::kInfo:
        (*result)["info" + text] = "1.000000" + birth;
        break;
    }
  }

  const std::vector<ModelRules> rules_ = MakeModelRules();
  GeneratorOptions limits_;
  Generation newest_;
  std::map<std::string, Places> places_;  // by label
  uint64_t created_ = 0;
  uint64_t expired_ = 0;
  uint64_t updates_limited_ = 0;
  ModelTally tally_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_MODEL_RELOADING_MODEL_H_
