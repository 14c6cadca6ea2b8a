// Fuzzes span name sanitization: the input's lines are names. Whatever they are, it ends, stays
// within its memory, and says what the plain algorithm says.

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "processors/naive_drain.h"
#include "processors/span_name_clusters.h"
#include "processors/utf8.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::CheckEqual;

SpanNameClusterLimits ChooseLimits(testing::FuzzInput* input) {
  SpanNameClusterLimits limits;
  if (input->Flip()) {
    limits.tree.max_depth = 2 + input->Choose(30);
    limits.tree.min_similarity = static_cast<double>(input->Choose(11)) / 10;
    limits.tree.max_children = 2 + input->Choose(5);
    limits.tree.max_leaf_patterns = 1 + input->Choose(5);
    limits.tree.max_steps = 1 + input->Choose(100);
    limits.tree.max_patterns = 1 + input->Choose(10);
  }
  limits.max_cached_names = input->Choose(4) * 20;
  return limits;
}

std::string SanitizeOne(std::string_view name, int64_t now_nanos, SpanNameClusters* clusters) {
  SpanNameBatch batch;
  batch.Add(name);
  clusters->Sanitize(&batch, now_nanos);
  return std::string(batch.Result(0));
}

// Whether `name` reads like `text`, with anything for each placeholder.
bool ReadsLike(std::string_view name, std::string_view text) {
  size_t placeholder = text.find(kPlaceholder);
  if (placeholder == std::string_view::npos) return name == text;
  if (!name.starts_with(text.substr(0, placeholder))) return false;
  name.remove_prefix(placeholder);
  for (;;) {
    text.remove_prefix(placeholder + kPlaceholder.size());
    placeholder = text.find(kPlaceholder);
    if (placeholder == std::string_view::npos) return name.ends_with(text);
    const size_t found = name.find(text.substr(0, placeholder));
    if (found == std::string_view::npos) return false;
    name.remove_prefix(found + placeholder);
  }
}

void Run(const uint8_t* data, size_t size) {
  testing::FuzzInput input(data, size);
  const SpanNameClusterLimits limits = ChooseLimits(&input);
  // The model takes time with each node that it has.
  const bool compare = size <= 1024 && IsValidUtf8(input.rest());
  SpanNameClusters clusters(limits);
  testing::NaiveDrain model(limits.tree);
  int64_t now = 0;
  for (std::string_view rest = input.rest(); !rest.empty();) {
    const size_t end = rest.find('\n');
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const std::string result = SanitizeOne(name, ++now, &clusters);
    Check(ReadsLike(name, result), "a name does not read like its template " + result);
    if (compare) CheckEqual(model.Learn(name).value_or(std::string(name)), result, "template");
  }
  for (const SpanNameTemplate& each : clusters.Templates(1000, now)) {
    Check(each.spans > 0 && !each.examples.empty(), "a template that stands for nothing");
    Check(each.examples.size() <= PatternTree::kMaxExamples, "too many examples");
  }
  const SpanNameClusters::Stats stats = clusters.GetStats();
  Check(stats.templates <= stats.patterns_detected, "more templates than patterns");
  Check(stats.templates <= limits.tree.max_patterns, "too many templates");
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(data, size);
  return 0;
}
