#include "processors/span_name_sanitizer.h"

#include <string_view>

#include "spanmeter/key_hash.h"
#include "spanmeter/state_stream.h"

namespace spanmeter {

namespace {

// A request with more names than this gives the memory for them back.
constexpr size_t kMaxKeptNames = 32768;

}  // namespace

SpanNameSanitizer::SpanNameSanitizer(const GeneratorOptions& options, const Clock* clock,
                                     const SpanNameSanitizer* previous)
    : mode_(options.span_name_sanitization),
      clock_(clock),
      clusters_(previous == nullptr ? std::make_shared<SpanNameClusters>() : previous->clusters_),
      demand_(options.stale_duration) {}

std::vector<ProcessorStat> SpanNameSanitizer::Stats() const {
  const SpanNameClusters::Stats counts = clusters_->GetStats();
  std::vector<ProcessorStat> stats;
  const auto add = [&stats](std::string_view name, std::string_view help, bool is_counter,
                            uint64_t value) -> ProcessorStat& {
    return stats.emplace_back(
        ProcessorStat{name, help, is_counter, "", "", static_cast<double>(value)});
  };
  add("spanmeter_span_names_sanitized_total",
      "Spans whose name was replaced by a template, or would have been in a dry run.", true,
      counts.names_sanitized);
  add("spanmeter_span_name_templates",
      "Patterns of span names that have a placeholder and are remembered.", false,
      counts.templates);
  add("spanmeter_span_name_patterns_detected_total",
      "Patterns found in span names, those included that only one name has.", true,
      counts.patterns_detected);
  for (size_t i = 0; i < kNameSkips; ++i) {
    ProcessorStat& stat =
        add("spanmeter_span_names_skipped_total",
            "Spans whose name was left alone because of its length.", true, counts.skipped[i]);
    stat.label_name = "reason";
    stat.label_value = NameSkipName(static_cast<NameSkip>(i));
  }
  if (dry_run()) {
    const MutexLock lock(&demand_mutex_);
    add("spanmeter_span_name_sanitization_label_sets_estimate",
        "Estimate of the label sets of span metrics that there would be with span name "
        "sanitization.",
        false, demand_.Estimate(clock_->MonotonicNanos()));
  }
  return stats;
}

std::vector<SpanNameTemplate> SpanNameSanitizer::Templates(size_t limit) const {
  return clusters_->Templates(limit, clock_->MonotonicNanos());
}

void SpanNameSanitizer::Save(StateWriter* writer) const {
  writer->Begin(StateRecord::kSpanNames);
  {
    const MutexLock lock(&demand_mutex_);
    demand_.Save(clock_->MonotonicNanos(), writer);
  }
  writer->End();
  clusters_->Save(writer);
}

void SpanNameSanitizer::Restore(StateReader* reader) {
  {
    const MutexLock lock(&demand_mutex_);
    if (!demand_.Restore(clock_->MonotonicNanos(), reader) || !reader->EndRecord()) return;
  }
  reader->Next();
  clusters_->Restore(reader);
}

void SpanNameRewriter::Apply(UpdateBatch* batch) {
  if (noted_.empty()) return;
  const int64_t now_nanos = sanitizer_->clock_->MonotonicNanos();
  names_.Clear();
  for (const auto& [update, position] : noted_) {
    const std::string_view key = batch->KeyOf(batch->updates()[update]);
    names_.Add(key.substr(position.end - position.text_size, position.text_size));
  }
  sanitizer_->clusters_->Sanitize(&names_, now_nanos);
  if (sanitizer_->dry_run()) {
    EstimateDemand(*batch, now_nanos);
  } else {
    for (size_t i = 0; i < noted_.size(); ++i) {
      if (!names_.WasReplaced(i)) continue;
      batch->BeginKey();
      AppendWithTemplate(*batch, noted_[i], names_.Result(i), batch);
      batch->SetKey(noted_[i].update);
    }
  }
  noted_.clear();
  if (noted_.capacity() > kMaxKeptNames) noted_.shrink_to_fit();
}

// Appends to the key that was begun in `to` what `noted` has as its key in `from`, with `text` for
// the name.
void SpanNameRewriter::AppendWithTemplate(const UpdateBatch& from, const Noted& noted,
                                          std::string_view text, UpdateBatch* to) {
  const auto& [update, position] = noted;
  to->AppendEncoded(from.KeyOf(from.updates()[update]).substr(0, position.begin));
  to->AppendText(text);
  // Asked for anew: where both are one batch, the key may have moved.
  to->AppendEncoded(from.KeyOf(from.updates()[update]).substr(position.end));
}

void SpanNameRewriter::EstimateDemand(const UpdateBatch& batch, int64_t now_nanos) {
  hashes_.clear();
  for (size_t i = 0; i < noted_.size(); ++i) {
    std::string_view key = batch.KeyOf(batch.updates()[noted_[i].update]);
    if (names_.WasReplaced(i)) {
      scratch_.Clear();
      scratch_.BeginKey();
      AppendWithTemplate(batch, noted_[i], names_.Result(i), &scratch_);
      key = scratch_.EncodedKey();
    }
    hashes_.push_back(KeyHash(key, kDemandSeed));
  }
  const MutexLock lock(&sanitizer_->demand_mutex_);
  for (const uint64_t hash : hashes_) sanitizer_->demand_.Add(hash, now_nanos);
  if (hashes_.capacity() > kMaxKeptNames) hashes_.shrink_to_fit();
}

}  // namespace spanmeter
