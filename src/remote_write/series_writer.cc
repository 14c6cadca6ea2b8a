#include "remote_write/series_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace spanmeter {

namespace {

// A label set that is to be sent must at least have a name.
bool HasName(const LabelSet& labels) {
  return std::any_of(labels.begin(), labels.end(),
                     [](const Label& label) { return label.name == kNameLabel; });
}

}  // namespace

SeriesWriter::SeriesWriter(const RemoteWriteOptions& options, const Relabeler* relabeler,
                           Protocol protocol, const std::string& tenant, uint64_t expected_points)
    : options_(options), relabeler_(relabeler), protocol_(protocol), tenant_(tenant) {
  const uint64_t lanes = std::clamp(expected_points / options.queue_config.max_samples_per_send,
                                    uint64_t{1}, options.queue_config.max_shards);
  const uint64_t width = std::numeric_limits<uint64_t>::max() / lanes;
  for (uint64_t i = 0; i < lanes; ++i) {
    Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>(protocol));
    lane.first_hash = i * width;
    lane.last_hash = i + 1 == lanes ? std::numeric_limits<uint64_t>::max() : (i + 1) * width - 1;
  }
}

SeriesWriter::Lane* SeriesWriter::LaneOf(uint64_t hash) {
  const uint64_t width = std::numeric_limits<uint64_t>::max() / lanes_.size();
  return lanes_[std::min<uint64_t>(hash / width, lanes_.size() - 1)].get();
}

bool SeriesWriter::Relabel(const SeriesLabels& labels, const SeriesName& name) {
  relabelled_.clear();
  for (const LabelView& label : labels.labels()) {
    relabelled_.push_back({std::string(label.name), std::string(label.value)});
  }
  const auto insert = [this](std::string_view label, const std::string& value) {
    const auto at =
        std::lower_bound(relabelled_.begin(), relabelled_.end(), label,
                         [](const Label& l, std::string_view other) { return l.name < other; });
    relabelled_.insert(at, {std::string(label), value});
  };
  insert(kNameLabel, name.metric->names[static_cast<size_t>(name.part)]);
  if (name.part == SeriesPart::kBucket) insert(kBoundLabel, name.metric->bounds[name.bound]);
  if (!relabeler_->Apply(&relabelled_) || !HasName(relabelled_)) return false;
  relabelled_labels_.Assign(relabelled_);
  return true;
}

RequestEncoder* SeriesWriter::Begin(const CollectedLabels& labels, const SeriesName& name,
                                    uint64_t points) {
  if (relabeler_ != nullptr && !Relabel(*labels.labels, name)) return nullptr;
  Lane* const lane = LaneOf(labels.hash);
  const uint64_t present = lane->encoder.counts().points();
  if (present != 0 && present + points > options_.queue_config.max_samples_per_send) Cut(lane);
  points_ += points;
  if (relabeler_ == nullptr) {
    lane->encoder.BeginSeries(*labels.labels, name);
  } else {
    lane->encoder.BeginSeries(relabelled_labels_,
                              SeriesMetadata{name.metric->type, name.metric->help, ""});
  }
  return &lane->encoder;
}

void SeriesWriter::Exemplars(std::span<const Exemplar> exemplars, const MetricNames& metric,
                             const CollectedTimes& times, RequestEncoder* encoder) const {
  if (!options_.send_exemplars) return;
  for (const Exemplar& exemplar : exemplars) {
    if (exemplar.timestamp_ms < times.exemplars_from_ms) continue;
    if (exemplar.timestamp_ms >= times.exemplars_before_ms) continue;
    encoder->AddExemplar(metric.exemplar_label, exemplar);
  }
}

void SeriesWriter::Sample(const CollectedLabels& labels, const SeriesName& name, double value,
                          const CollectedTimes& times, bool with_zero,
                          std::span<const Exemplar> exemplars) {
  const bool zero = with_zero && times.zero_ms != 0;
  RequestEncoder* const encoder = Begin(labels, name, zero ? 2 : 1);
  if (encoder == nullptr) return;
  if (zero) encoder->AddSample(0, times.zero_ms, 0);
  encoder->AddSample(value, times.stamp_ms, times.start_ms);
  Exemplars(exemplars, *name.metric, times, encoder);
  encoder->EndSeries();
}

void SeriesWriter::Number(const CollectedLabels& labels, const MetricNames& metric, double value,
                          const CollectedTimes& times) {
  Sample(labels, {&metric, SeriesPart::kPlain}, value, times, true, {});
}

void SeriesWriter::Histogram(const CollectedLabels& labels, const MetricNames& metric,
                             const HistogramPoint& point, const CollectedTimes& times) {
  if (!metric.bounds.empty()) {
    Sample(labels, {&metric, SeriesPart::kCount}, point.count(), times, true, {});
    Sample(labels, {&metric, SeriesPart::kSum}, point.sum, times, false, {});
    std::span<const Exemplar> exemplars = point.exemplars;
    for (size_t i = 0; i < metric.bounds.size(); ++i) {
      size_t own = 0;
      while (own < exemplars.size() && exemplars[own].bucket == i) ++own;
      Sample(labels, {&metric, SeriesPart::kBucket, i}, point.cumulative_counts[i], times, true,
             exemplars.first(own));
      exemplars = exemplars.subspan(own);
    }
  }
  if (point.native != nullptr && options_.send_native_histograms) {
    Native(labels, metric, point, times);
  }
}

void SeriesWriter::Native(const CollectedLabels& labels, const MetricNames& metric,
                          const HistogramPoint& point, const CollectedTimes& times) {
  RequestEncoder* const encoder =
      Begin(labels, {&metric, SeriesPart::kPlain}, times.zero_ms != 0 ? 2 : 1);
  if (encoder == nullptr) return;
  if (times.zero_ms != 0) encoder->AddEmptyHistogram(point.native->schema, times.zero_ms);
  encoder->AddHistogram(point, times.stamp_ms, times.start_ms);
  // Receivers take the exemplars of a series in the order of their time only.
  std::vector<Exemplar> exemplars(point.native->exemplars.begin(), point.native->exemplars.end());
  std::sort(exemplars.begin(), exemplars.end(),
            [](const Exemplar& a, const Exemplar& b) { return a.timestamp_ms < b.timestamp_ms; });
  Exemplars(exemplars, metric, times, encoder);
  encoder->EndSeries();
}

void SeriesWriter::Ended(const CollectedLabels& labels, const MetricNames& metric, bool native,
                         int64_t stamp_ms) {
  CollectedTimes times;
  times.stamp_ms = stamp_ms;
  if (native && options_.send_native_histograms) {
    RequestEncoder* const encoder = Begin(labels, {&metric, SeriesPart::kPlain}, 1);
    if (encoder != nullptr) {
      encoder->AddStaleHistogram(stamp_ms);
      encoder->EndSeries();
    }
  }
  const bool is_histogram = metric.type == MetadataType(MetricType::kHistogram);
  if (!is_histogram) {
    Sample(labels, {&metric, SeriesPart::kPlain}, StaleMarker(), times, false, {});
  } else if (!metric.bounds.empty()) {
    Sample(labels, {&metric, SeriesPart::kCount}, StaleMarker(), times, false, {});
    Sample(labels, {&metric, SeriesPart::kSum}, StaleMarker(), times, false, {});
    for (size_t i = 0; i < metric.bounds.size(); ++i) {
      Sample(labels, {&metric, SeriesPart::kBucket, i}, StaleMarker(), times, false, {});
    }
  }
}

void SeriesWriter::Cut(Lane* lane) {
  Block& block = blocks_.emplace_back();
  block.protocol = protocol_;
  block.tenant = tenant_;
  block.first_hash = lane->first_hash;
  block.last_hash = lane->last_hash;
  block.counts = lane->encoder.counts();
  block.oldest_ms = lane->encoder.oldest_ms();
  block.newest_ms = lane->encoder.newest_ms();
  block.body = lane->encoder.Finish();
}

std::vector<Block> SeriesWriter::Finish() {
  for (const auto& lane : lanes_) {
    if (lane->encoder.counts().points() != 0) Cut(lane.get());
  }
  return std::exchange(blocks_, {});
}

}  // namespace spanmeter
