// A tenant's metrics: families of series that share a label set, bounded and expiring.
//
// Writing: processors describe each family once, fill an UpdateBatch and hand it over with Apply().
// Reading: Visit() walks all live series into a SampleSink.

#ifndef SPANMETER_REGISTRY_H_
#define SPANMETER_REGISTRY_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/options.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// A family holds at most this many metrics.
inline constexpr size_t kMaxFamilyMetrics = 6;

// How finely a native histogram divides its range.
struct NativeHistogramOptions {
  int32_t schema = 3;  // at first; -4 to 8
  // With more buckets than these in use the histogram starts over, if it last did `min_reset_nanos`
  // ago (0: it never does), else its buckets become twice as wide. More than 1000, and 0, are 1000.
  uint32_t max_buckets = 100;
  int64_t min_reset_nanos = 0;

  bool operator==(const NativeHistogramOptions&) const = default;
};

// The schema with the widest buckets whose bounds have at most the ratio `factor` (over 1), or the
// nearest that there is.
int32_t NativeSchema(double factor);

// One metric of a family.
struct FamilyMetric {
  std::string name;
  std::string help;
  MetricType type = MetricType::kCounter;
  // Histograms: upper bounds, strictly ascending, without +Inf, at most kMaxHistogramBounds.
  std::vector<double> bounds;
  // Histograms: set for a native histogram; `classic` tells whether there are classic buckets too
  // (without it there are no bounds).
  std::optional<NativeHistogramOptions> native = std::nullopt;
  bool classic = true;
  // Tells that something is there: what passes the limits is left out instead of added up.
  bool info = false;
  // Not every update brings it: a label set may get it later than it was born. It then has a
  // created time of its own.
  bool joins = false;

  bool operator==(const FamilyMetric&) const = default;
};

// One label of a family. The order of the labels is the order of the values in a key.
struct FamilyLabel {
  std::string name;
  // Not empty: the key holds a number; the label's value is the name with that index, or the number
  // itself in decimal (as int32) when there is none. The names must outlive the registry.
  std::span<const std::string_view> enum_names;

  bool operator==(const FamilyLabel& other) const {
    return name == other.name && enum_names.data() == other.enum_names.data() &&
           enum_names.size() == other.enum_names.size();
  }
};

struct FamilyOptions {
  // Distinct names, none of them an external label. Unused with `own_labels`.
  std::vector<FamilyLabel> labels;
  // Every key brings its own label names (info metrics): name, value, name, value, ..., sorted by
  // name, names legal and distinct, none of them an external label, no value empty.
  bool own_labels = false;
  std::vector<FamilyMetric> metrics;

  // Info metrics only: max_cardinality_per_label does not apply.
  bool is_info() const {
    return std::all_of(metrics.begin(), metrics.end(),
                       [](const FamilyMetric& metric) { return metric.info; });
  }
  bool operator==(const FamilyOptions&) const = default;
};

// Identifies a family within its registry.
using FamilyId = uint8_t;
inline constexpr size_t kMaxFamilies = 8;

// A histogram has at most this many bounds.
inline constexpr size_t kMaxHistogramBounds = 250;

// A label set whose key is longer is not admitted, so that the number of series also bounds their
// memory. A hundred labels with the longest values that are kept by default stay below it; a
// resource with thousands of attributes does not.
inline constexpr size_t kMaxKeyBytes = size_t{256} << 10;

// One label set's share of a request. UpdateBatch fills in the key and the family, the registry the
// hash, the processor the rest.
struct Update {
  uint64_t hash = 0;
  uint32_t key_begin = 0;
  uint32_t key_size = 0;
  FamilyId family = 0;
  // Bit i: values[i] is to be applied to metric i.
  uint8_t metrics = 0;
  // Observations of histograms count this much. Finite, > 0.
  double weight = 1;
  // Counters: the increment. Gauges: the new value. Histograms: the observed value.
  std::array<double, kMaxFamilyMetrics> values = {};
  // 16 bytes, or null for no exemplar. Borrowed: must be valid until Apply() returns.
  const char* trace_id = nullptr;
};

// The updates of one request, in order. Reusable; not thread-safe.
//
// A key is built value by value between BeginKey() and Add():
//
//   batch.BeginKey();
//   batch.AppendText("checkout");
//   batch.AppendEnum(2);
//   Update& update = batch.Add(family);
//
// The values stand in the order of the family's labels; every label has one (an empty text means
// that the series does not have the label). Texts must be valid UTF-8, already cut to length.
class UpdateBatch {
 public:
  // Forgets everything; keeps the memory unless it is unusually much.
  void Clear();

  void BeginKey() { key_begin_ = keys_.size(); }
  void AppendText(std::string_view value);
  void AppendEnum(int32_t number);
  // Appends values that were encoded before, by this class; they may lie in a key of this batch.
  void AppendEncoded(std::string_view encoded) { keys_.append(encoded); }

  // The bytes appended since BeginKey(); valid until the next append.
  std::string_view EncodedKey() const { return std::string_view(keys_).substr(key_begin_); }

  // Ends the key and adds an update for it. The reference is valid until the next Add().
  Update& Add(FamilyId family);
  // Ends the key and gives it to the update with this index, instead of the one it has.
  void SetKey(size_t update);

  std::string_view KeyOf(const Update& update) const {
    return std::string_view(keys_).substr(update.key_begin, update.key_size);
  }
  const std::vector<Update>& updates() const { return updates_; }
  bool empty() const { return updates_.empty(); }
  // The memory that the updates and their keys take.
  size_t SizeInBytes() const { return keys_.size() + updates_.size() * sizeof(Update); }

 private:
  friend class Registry;

  std::vector<Update> updates_;
  std::string keys_;
  size_t key_begin_ = 0;
  // Working memory of Registry::Apply(): indices of updates grouped by shard, and of those that
  // found no series.
  std::vector<uint32_t> grouped_;
  std::vector<uint32_t> missed_;
  // Likewise: the keys that relabelling makes.
  std::string relabelled_;
};

// One label while max_cardinality_per_label is set, since it has values.
struct LabelStats {
  std::string name;
  uint64_t values = 0;    // that have a place
  uint64_t refusals = 0;  // values that were replaced, each time it happened
  uint64_t demand = 0;    // about how many values there would be without the limit
};

// Counters since the start and gauges of now. Demand is what the counts would be without limits:
// exact for what is alive, estimated (standard error 3.25 %) for what went to overflow.
struct RegistryStats {
  uint64_t active_series = 0;
  uint64_t active_entities = 0;
  uint64_t series_created = 0;
  uint64_t series_expired = 0;
  // Updates that went to overflow or, for info metrics, were left out: a limit was reached, or the
  // key was longer than kMaxKeyBytes.
  uint64_t updates_limited = 0;
  uint64_t series_demand = 0;
  uint64_t entity_demand = 0;
  std::vector<LabelStats> labels;  // by name
};

// What a restoration brought back.
struct RestoredState {
  uint64_t label_sets = 0;
  uint64_t half_edges = 0;
  // The metrics, as "tenant/metric" where there are tenants, that begin anew, because what decides
  // about their series is not what it was: labels, buckets, relabelling, which processors there
  // are.
  std::vector<std::string> left_out;
};

// What became of the updates of a batch besides being applied.
struct ApplyResult {
  // By family: updates whose label set relabelling dropped.
  std::array<uint64_t, kMaxFamilies> dropped = {};
};

class LabelSetVisitor;

// What a walk presents: all label sets, or only those that stand for what the limits refused.
enum class WalkScope : uint8_t { kAll, kOverflow };

// Thread-safe, except for AddFamily(), EndOtherFamilies() and Restore().
class Registry {
 public:
  // Of `options` the limits, stale_duration, trace_id_label_name, disable_collection, relabel,
  // max_label_value_length (for relabelled values) and external_labels count; `external_labels`
  // must hold everything that applies, the tenant's label included. `clock` must outlive the
  // registry. `hash_mask` is for tests: bits of a key's hash that are cleared in it make keys
  // collide.
  Registry(const GeneratorOptions& options, const Clock* clock, uint64_t hash_mask = ~uint64_t{0});
  // The registry that follows `previous` when the tenant's options change. Both may be used at the
  // same time, by requests that began before and after the change: they share the limits, of which
  // `options` are in force from now on, and those families that AddFamily() takes over.
  Registry(const GeneratorOptions& options, Registry* previous);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A family of the previous registry with the same labels and metrics is taken over with its
  // series. REQUIRES: no thread uses this registry yet; at most kMaxFamilies families; the metrics'
  // names are new.
  FamilyId AddFamily(FamilyOptions options);
  // Ends the families of the previous registry that were not taken over: their series are gone, and
  // what requests that began earlier still add to them is lost with them. Returns the names of
  // their metrics. REQUIRES: all families were added; `previous` is followed by no other registry.
  std::vector<std::string> EndOtherFamilies();

  // Applies every update of the batch exactly once, in order where two updates concern one label
  // set or one limit. A label set is admitted with all of its series or not at all. Uses working
  // memory of the batch; with relabelling, the keys are replaced as well, so that the batch cannot
  // be applied again.
  ApplyResult Apply(UpdateBatch* batch);

  // Removes what was not updated for stale_duration, of label values too. Readers and Apply() never
  // see such label sets, whether they are removed yet or not; calling this often only bounds
  // memory. At most a few hundred label sets are looked at under one lock.
  void Expire();

  // Presents every metric with its live series. The metrics of a label set belong to one instant,
  // also where they are presented one after the other. Never blocks Apply() for longer than it
  // takes to copy a few dozen label sets. Takes memory of about 24 bytes per label set, and 16 for
  // each bucket of native histograms that are not the first metric of their family.
  // Returns false when the sink ended the visit.
  bool Visit(SampleSink* sink);

  // For the one reader that passes on ends. From now on (or no more) what expires or ends otherwise
  // is kept until VisitEnded() has shown it; how much is kept has a fixed bound.
  void KeepEnded(bool keep);
  // Presents to sink->Ended() each series that came to its end since the last time, by metric. One
  // of the same labels may be alive again. False when the sink ended the visit.
  bool VisitEnded(SampleSink* sink);
  // Whether VisitEnded() would present something.
  bool HasEnded() const;

  // Presents the label sets that are alive, whether they are collected or not; see
  // label_set_walk.h. Never blocks Apply() for longer than it takes to copy a few dozen of them.
  // False when the visitor ended the walk.
  bool Walk(WalkScope scope, LabelSetVisitor* visitor);

  RegistryStats GetStats() const;

  // Writes everything that the registry holds. REQUIRES: nothing is applied meanwhile, or it may
  // be in the state or not. Never blocks readers for longer than it takes to encode a few dozen
  // label sets.
  void Save(StateWriter* writer) const;
  // Reads that, from the current record on up to the first of another kind, into a registry that
  // has its families and no series yet. Families that are described as they were when the state was
  // written get their label sets back, with all values and times and whatever the limits say by
  // now; those of others are left out. Adds to `restored`. False when the records make no sense:
  // the registry is then of no use.
  bool Restore(StateReader* reader, RestoredState* restored);

 private:
  friend bool VisitRegistries(std::span<const std::shared_ptr<Registry>>, SampleSink*);

  void Relabel(UpdateBatch* batch, ApplyResult* result);

  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// Presents the series of several registries, each metric in one piece: what Registry::Visit() does
// for one.
bool VisitRegistries(std::span<const std::shared_ptr<Registry>> registries, SampleSink* sink);

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_H_
