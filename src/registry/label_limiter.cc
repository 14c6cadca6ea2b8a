#include "registry/label_limiter.h"

#include <algorithm>
#include <utility>

#include "spanmeter/key_hash.h"
#include "spanmeter/state_stream.h"

namespace spanmeter {

namespace {

bool Counts(std::string_view value) { return !value.empty() && value != kCardinalityOverflow; }

}  // namespace

void LabelLimiter::SetLimit(uint64_t max_values, int64_t stale_nanos) {
  max_values_.store(max_values, std::memory_order_relaxed);
  const MutexLock lock(&mutex_);
  if (stale_nanos_ == stale_nanos) return;
  stale_nanos_ = stale_nanos;
  for (auto& [name, label] : labels_) label.refused.reset();
}

LabelLimiter::Label* LabelLimiter::FindOrAddLocked(std::string_view name) {
  const auto found = labels_.find(name);
  if (found != labels_.end()) return &found->second;
  if (labels_.size() >= kMaxLabels) return nullptr;
  return &labels_[std::string(name)];
}

bool LabelLimiter::Refuses(std::span<const LabelValue> labels, int64_t now_nanos,
                           std::vector<bool>* refused) {
  const uint64_t max_values = max_values_.load(std::memory_order_relaxed);
  refused->assign(labels.size(), false);
  bool any = false;
  const MutexLock lock(&mutex_);
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::string_view value = labels[i].value;
    if (!Counts(value)) continue;
    Label* const label = FindOrAddLocked(labels[i].name);
    if (label != nullptr) {
      const auto known = label->values.find(value);
      if (known != label->values.end()) {
        known->second.last_seen_nanos = std::max(known->second.last_seen_nanos, now_nanos);
        continue;
      }
      if (max_values == 0 || label->values.size() < max_values) {
        label->values.emplace(value, Value{0, now_nanos});
        continue;
      }
      ++label->refusals;
      if (label->refused == nullptr) label->refused = std::make_unique<DemandSketch>(stale_nanos_);
      label->refused->Add(KeyHash(value, kDemandSeed), now_nanos);
    }
    (*refused)[i] = true;
    any = true;
  }
  return any;
}

void LabelLimiter::Hold(std::span<const LabelValue> labels, int64_t last_seen_nanos) {
  const MutexLock lock(&mutex_);
  for (const LabelValue& one : labels) {
    if (!Counts(one.value)) continue;
    Label* const label = FindOrAddLocked(one.name);
    if (label == nullptr) continue;
    Value& value = label->values[one.value];
    ++value.holders;
    value.last_seen_nanos = std::max(value.last_seen_nanos, last_seen_nanos);
  }
}

void LabelLimiter::Release(std::span<const LabelValue> labels, int64_t last_seen_nanos) {
  const MutexLock lock(&mutex_);
  for (const LabelValue& one : labels) {
    const auto label = labels_.find(one.name);
    if (label == labels_.end()) continue;
    const auto value = label->second.values.find(one.value);
    // A label that was not followed when the series was born kept no place for it.
    if (value == label->second.values.end() || value->second.holders == 0) continue;
    --value->second.holders;
    value->second.last_seen_nanos = std::max(value->second.last_seen_nanos, last_seen_nanos);
  }
}

void LabelLimiter::Expire(int64_t now_nanos) {
  const MutexLock lock(&mutex_);
  for (auto label = labels_.begin(); label != labels_.end();) {
    auto& values = label->second.values;
    for (auto value = values.begin(); value != values.end();) {
      const bool stale =
          value->second.holders == 0 && now_nanos - value->second.last_seen_nanos >= stale_nanos_;
      if (stale) {
        values.erase(value++);
      } else {
        ++value;
      }
    }
    if (values.empty()) {
      labels_.erase(label++);
    } else {
      ++label;
    }
  }
}

std::vector<LabelStats> LabelLimiter::GetStats(int64_t now_nanos) const {
  std::vector<LabelStats> stats;
  {
    const MutexLock lock(&mutex_);
    for (const auto& [name, label] : labels_) {
      LabelStats& one = stats.emplace_back();
      one.name = name;
      one.values = label.values.size();
      one.refusals = label.refusals;
      one.demand = one.values;
      if (label.refused != nullptr) one.demand += label.refused->Estimate(now_nanos);
    }
  }
  std::sort(stats.begin(), stats.end(),
            [](const LabelStats& a, const LabelStats& b) { return a.name < b.name; });
  return stats;
}

void LabelLimiter::Save(int64_t now_nanos, StateWriter* writer) const {
  if (!enabled()) return;
  const MutexLock lock(&mutex_);
  for (const auto& [name, label] : labels_) {
    writer->Begin(StateRecord::kLabel);
    writer->Bytes(name);
    writer->Number(label.refusals);
    writer->Number(label.refused == nullptr ? 0 : 1);
    if (label.refused != nullptr) label.refused->Save(now_nanos, writer);
    writer->End();
    for (const auto& [text, value] : label.values) {
      writer->Begin(StateRecord::kLabelValue);
      writer->Bytes(text);
      writer->Time(value.last_seen_nanos);
      writer->End();
      // Only who asks for figures waits for the disk.
      writer->FlushIfLarge();
    }
  }
}

bool LabelLimiter::Restore(int64_t now_nanos, StateReader* reader) {
  const bool keep = enabled();
  const MutexLock lock(&mutex_);
  while (reader->kind() == StateRecord::kLabel) {
    const std::string_view name = reader->Bytes();
    Label* const label = keep ? FindOrAddLocked(name) : nullptr;
    const uint64_t refusals = reader->Number();
    if (reader->Number() != 0) {
      auto refused = std::make_unique<DemandSketch>(stale_nanos_);
      if (!refused->Restore(now_nanos, reader)) return false;
      if (label != nullptr) label->refused = std::move(refused);
    }
    if (label != nullptr) label->refusals = refusals;
    if (!reader->EndRecord()) return false;
    for (reader->Next(); reader->kind() == StateRecord::kLabelValue; reader->Next()) {
      const std::string_view text = reader->Bytes();
      const int64_t last_seen_nanos = reader->Time();
      if (!reader->EndRecord()) return false;
      if (label != nullptr) label->values.emplace(text, Value{0, last_seen_nanos});
    }
  }
  return reader->ok();
}

}  // namespace spanmeter
