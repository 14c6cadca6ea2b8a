// One collection's way into the blocks of one receiver.

#ifndef SPANMETER_REMOTE_WRITE_SERIES_WRITER_H_
#define SPANMETER_REMOTE_WRITE_SERIES_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spanmeter/block.h"
#include "spanmeter/relabel.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/sample_sink.h"

#include "remote_write/metric_names.h"
#include "remote_write/request_encoder.h"
#include "remote_write/series_labels.h"

namespace spanmeter {

// A label set that is being collected.
struct CollectedLabels {
  const SeriesLabels* labels;
  uint64_t hash;  // decides on the order: everything of a series goes with one hash
};

// When things happened, in ms since the Unix epoch.
struct CollectedTimes {
  int64_t stamp_ms = 0;  // of the collection
  int64_t start_ms = 0;  // of the series; 0 = unknown
  int64_t zero_ms = 0;   // a zero sample at this time precedes the series; 0 = none
  // Exemplars from this time on that are older than the other are sent.
  int64_t exemplars_from_ms = 0;
  int64_t exemplars_before_ms = 0;
};

// Cuts blocks so that none has more than max_samples_per_send points, and spreads label sets over
// so many ranges of hashes that the receiver can be sent them in parallel. Not thread-safe.
class SeriesWriter {
 public:
  // `relabeler` may be null. Everything must outlive the writer. `expected_points`: about how many
  // points will come.
  SeriesWriter(const RemoteWriteOptions& options, const Relabeler* relabeler, Protocol protocol,
               const std::string& tenant, uint64_t expected_points);

  void Number(const CollectedLabels& labels, const MetricNames& metric, double value,
              const CollectedTimes& times);
  void Histogram(const CollectedLabels& labels, const MetricNames& metric,
                 const HistogramPoint& point, const CollectedTimes& times);
  // Stale markers for the series of a metric.
  void Ended(const CollectedLabels& labels, const MetricNames& metric, bool native,
             int64_t stamp_ms);

  // All blocks, in their order.
  std::vector<Block> Finish();
  uint64_t points() const { return points_; }

 private:
  struct Lane {
    explicit Lane(Protocol protocol) : encoder(protocol) {}

    uint64_t first_hash = 0;
    uint64_t last_hash = 0;
    RequestEncoder encoder;
  };

  Lane* LaneOf(uint64_t hash);
  // Begins a series in the lane of `labels`, with room for `points`; null when relabelling drops
  // it.
  RequestEncoder* Begin(const CollectedLabels& labels, const SeriesName& name, uint64_t points);
  bool Relabel(const SeriesLabels& labels, const SeriesName& name);
  void Sample(const CollectedLabels& labels, const SeriesName& name, double value,
              const CollectedTimes& times, bool with_zero, std::span<const Exemplar> exemplars);
  void Native(const CollectedLabels& labels, const MetricNames& metric, const HistogramPoint& point,
              const CollectedTimes& times);
  void Exemplars(std::span<const Exemplar> exemplars, const MetricNames& metric,
                 const CollectedTimes& times, RequestEncoder* encoder) const;
  void Cut(Lane* lane);

  const RemoteWriteOptions& options_;
  const Relabeler* const relabeler_;
  const Protocol protocol_;
  const std::string& tenant_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Block> blocks_;
  uint64_t points_ = 0;

  // What relabelling made of the labels.
  LabelSet relabelled_;
  SeriesLabels relabelled_labels_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SERIES_WRITER_H_
