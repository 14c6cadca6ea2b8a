#include "admin/latency.h"

#include <algorithm>
#include <cmath>

namespace spanmeter {

namespace {

// The index of the bucket that holds this one when buckets become 2^shift as wide: bucket i ends
// where the wide bucket ceil(i / 2^shift) does at the latest.
int32_t WideIndex(int32_t index, int32_t shift) { return ((index - 1) >> shift) + 1; }

double UpperBound(int32_t index, int32_t schema) {
  return std::exp2(std::ldexp(static_cast<double>(index), -schema));
}

// Adds up neighbours of one index.
void Compact(std::vector<NativeBucket>* buckets) {
  size_t kept = 0;
  for (size_t i = 0; i < buckets->size(); ++i) {
    const NativeBucket bucket = (*buckets)[i];
    if (kept > 0 && (*buckets)[kept - 1].index == bucket.index) {
      (*buckets)[kept - 1].count += bucket.count;
    } else {
      (*buckets)[kept++] = bucket;
    }
  }
  buckets->resize(kept);
}

}  // namespace

void LatencyDistribution::Add(const Bounds& bounds, const LabelSetValues::Metric& metric) {
  if (!metric.counts.empty()) {
    if (bounds_ == nullptr && !native_) {
      bounds_ = bounds;
      counts_.assign(metric.counts.size(), 0);
    }
    if (bounds_ == nullptr || counts_.size() != metric.counts.size()) return;
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += metric.counts[i];
  } else if (metric.native && bounds_ == nullptr) {
    zero_threshold_ = metric.zero_threshold;
    AddNative(metric.schema, metric.zero_count, metric.buckets, 1);
  }
}

void LatencyDistribution::Add(const LatencyDistribution& other) {
  if (other.bounds_ != nullptr) {
    if (bounds_ == nullptr && !native_) {
      bounds_ = other.bounds_;
      counts_.assign(other.counts_.size(), 0);
    }
    if (bounds_ == nullptr || *bounds_ != *other.bounds_) return;
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  } else if (other.native_ && bounds_ == nullptr) {
    zero_threshold_ = other.zero_threshold_;
    AddNative(other.schema_, other.zero_count_, other.buckets_, 1);
  }
}

void LatencyDistribution::Subtract(const LatencyDistribution& before) {
  if (bounds_ != nullptr && before.bounds_ != nullptr) {
    if (*bounds_ != *before.bounds_) return;
    for (size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] = std::max(0.0, counts_[i] - before.counts_[i]);
    }
  } else if (native_ && before.native_) {
    AddNative(before.schema_, before.zero_count_, before.buckets_, -1);
    zero_count_ = std::max(0.0, zero_count_);
    std::erase_if(buckets_, [](const NativeBucket& bucket) { return bucket.count <= 0; });
  }
}

void LatencyDistribution::Widen(int32_t schema) {
  const int32_t shift = schema_ - schema;
  schema_ = schema;
  for (NativeBucket& bucket : buckets_) bucket.index = WideIndex(bucket.index, shift);
  Compact(&buckets_);
}

void LatencyDistribution::AddNative(int32_t schema, double zero_count,
                                    const std::vector<NativeBucket>& buckets, double sign) {
  if (!native_) {
    native_ = true;
    schema_ = schema;
  }
  if (schema < schema_) Widen(schema);
  const int32_t shift = schema - schema_;
  zero_count_ += sign * zero_count;
  std::vector<NativeBucket> merged = buckets_;
  for (const NativeBucket& bucket : buckets) {
    merged.push_back({WideIndex(bucket.index, shift), sign * bucket.count});
  }
  std::stable_sort(merged.begin(), merged.end(),
                   [](const NativeBucket& a, const NativeBucket& b) { return a.index < b.index; });
  Compact(&merged);
  buckets_ = std::move(merged);
}

double LatencyDistribution::count() const {
  double count = zero_count_;
  for (const double c : counts_) count += c;
  for (const NativeBucket& bucket : buckets_) count += bucket.count;
  return count;
}

std::optional<double> LatencyDistribution::Quantile(double q) const {
  const double all = count();
  if (!(all > 0)) return std::nullopt;
  const double quantile = bounds_ != nullptr ? ClassicQuantile(q * all) : NativeQuantile(q * all);
  if (!std::isfinite(quantile)) return std::nullopt;
  return quantile;
}

double LatencyDistribution::ClassicQuantile(double rank) const {
  const std::vector<double>& bounds = *bounds_;
  double below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    if (counts_[i] > 0 && below + counts_[i] >= rank) {
      if (i == 0 && bounds[0] <= 0) return bounds[0];
      const double lower = i == 0 ? 0 : bounds[i - 1];
      return lower + (bounds[i] - lower) * (rank - below) / counts_[i];
    }
    below += counts_[i];
  }
  // In the bucket without an end. Without any other there is nothing to say.
  return bounds.empty() ? NAN : bounds.back();
}

double LatencyDistribution::NativeQuantile(double rank) const {
  double below = zero_count_;
  if (zero_count_ > 0 && below >= rank) return zero_threshold_ * rank / zero_count_;
  for (const NativeBucket& bucket : buckets_) {
    if (below + bucket.count >= rank || &bucket == &buckets_.back()) {
      const double lower = UpperBound(bucket.index - 1, schema_);
      const double upper = UpperBound(bucket.index, schema_);
      const double part = std::clamp((rank - below) / bucket.count, 0.0, 1.0);
      return lower * std::pow(upper / lower, part);
    }
    below += bucket.count;
  }
  return NAN;
}

}  // namespace spanmeter
