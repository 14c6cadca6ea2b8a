#include "processors/label_plan.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "spanmeter/naming.h"
#include "spanmeter/quote.h"

#include "processors/label_name.h"
#include "processors/utf8.h"

namespace spanmeter {

namespace {

std::string At(std::string_view list, size_t position) {
  return std::string(list) + "[" + std::to_string(position) + "]";
}

class Planner {
 public:
  Planner(const GeneratorOptions& options, std::vector<OptionProblem>* problems)
      : options_(options), names_(NamesOf(options.naming)), problems_(problems) {}

  LabelPlan Plan() {
    AddOwnLabels();
    const SpanMetricsOptions& span_metrics = options_.span_metrics;
    for (size_t i = 0; i < span_metrics.dimensions.size(); ++i) AddDimension(i);
    for (size_t i = 0; i < span_metrics.dimension_mappings.size(); ++i) AddMapping(i);
    // Candidates were added in the order in which they are configured, own labels first because
    // they come first in the key: own value, then the last configured one, then the one before.
    for (PlannedLabel& label : plan_) {
      const bool own = label.candidates.front().source < LabelSource::kDimension;
      std::reverse(label.candidates.begin() + (own ? 1 : 0), label.candidates.end());
      AddDefault(&label);
    }
    return std::move(plan_);
  }

 private:
  void AddOwnLabels() {
    const SpanMetricsOptions& span_metrics = options_.span_metrics;
    const IntrinsicDimensions& intrinsic = span_metrics.intrinsic_dimensions;
    const auto add = [this](bool enabled, std::string_view name, LabelSource source) {
      if (enabled && !IsExternal(name)) AddCandidate(name, {source, 0});
    };
    add(intrinsic.service, names_.service, LabelSource::kService);
    add(span_metrics.enable_target_info, kJobLabel, LabelSource::kJob);
    add(span_metrics.enable_target_info && span_metrics.enable_instance_label, kInstanceLabel,
        LabelSource::kInstance);
    add(intrinsic.span_name, names_.span_name, LabelSource::kSpanName);
    add(intrinsic.span_kind, names_.span_kind, LabelSource::kSpanKind);
    add(intrinsic.status_code, names_.status_code, LabelSource::kStatusCode);
    add(intrinsic.status_message, names_.status_message, LabelSource::kStatusMessage);
  }

  void AddDimension(size_t position) {
    const Dimension& dimension = options_.span_metrics.dimensions[position];
    const std::string& key = dimension.name;
    const std::string path = At("span_metrics.dimensions", position);
    if (key.empty()) {
      return Report(path,
                    "a dimension must not be empty; name the attribute whose value becomes a "
                    "label");
    }
    const std::string name = DimensionLabelName(key, names_);
    configured_.emplace(name, "dimensions[" + std::to_string(position) + "] (" + Quoted(key) + ")");
    AddConfigured(path, key, name, {LabelSource::kDimension, position});
    if (!IsValidUtf8(dimension.default_value)) {
      Report(path + ".default", "a default must be valid UTF-8");
    }
  }

  void AddDefault(PlannedLabel* label) const {
    const auto has_default = [this](const LabelCandidate& candidate) {
      return candidate.source == LabelSource::kDimension &&
             !options_.span_metrics.dimensions[candidate.position].default_value.empty();
    };
    const auto found =
        std::find_if(label->candidates.begin(), label->candidates.end(), has_default);
    if (found == label->candidates.end()) return;
    label->candidates.push_back({LabelSource::kDefault, found->position});
  }

  void AddMapping(size_t position) {
    const DimensionMapping& mapping = options_.span_metrics.dimension_mappings[position];
    const std::string path = At("span_metrics.dimension_mappings", position);
    if (mapping.source_labels.empty()) {
      Report(path + ".source_labels",
             "a mapping needs at least one source; list the attributes whose values it joins");
    }
    for (size_t i = 0; i < mapping.source_labels.size(); ++i) {
      if (mapping.source_labels[i].empty()) {
        Report(At(path + ".source_labels", i),
               "a source must not be empty; name an attribute, with its dots");
      }
    }
    if (mapping.name.empty()) {
      return Report(path + ".name",
                    "a mapping must have a name; its values become the label of "
                    "that name");
    }
    const std::string name = DimensionLabelName(mapping.name, names_);
    const auto [other, is_new] = configured_.emplace(
        name, At("dimension_mappings", position) + " (" + Quoted(mapping.name) + ")");
    if (!is_new) {
      return Report(path + ".name", Quoted(mapping.name) + " becomes the label " + Quoted(name) +
                                        ", as does " + other->second +
                                        "; give the mapping another name");
    }
    AddConfigured(path + ".name", mapping.name, name, {LabelSource::kMapping, position});
  }

  // Adds the label `name` that the key or name `configured` at `path` asks for.
  void AddConfigured(const std::string& path, const std::string& configured,
                     const std::string& name, const LabelCandidate& candidate) {
    if (IsReservedLabel(name)) {
      return Report(path, Quoted(configured) + " becomes the label " + Quoted(name) +
                              ", which is reserved; choose another one");
    }
    const std::string_view cut = CutToBytes(name, options_.max_label_name_length);
    if (IsReservedLabel(cut)) {
      return Report(path, Quoted(configured) + " becomes the label " + Quoted(cut) +
                              " when it is cut to max_label_name_length = " +
                              std::to_string(options_.max_label_name_length) +
                              ", which is reserved; raise the length or choose another one");
    }
    // External labels replace what has their name before it is cut; what has it afterwards would
    // still be a second label of that name.
    if (IsExternal(name) || IsExternal(cut)) return;
    AddCandidate(cut, candidate);
  }

  void AddCandidate(std::string_view name, const LabelCandidate& candidate) {
    const auto [found, is_new] = positions_.emplace(name, plan_.size());
    if (is_new) plan_.push_back({std::string(name), {}});
    plan_[found->second].candidates.push_back(candidate);
  }

  bool IsExternal(std::string_view name) const {
    const auto found = options_.external_labels.find(std::string(name));
    return found != options_.external_labels.end() && !found->second.empty();
  }

  void Report(std::string path, std::string problem) {
    problems_->push_back({std::move(path), std::move(problem)});
  }

  const GeneratorOptions& options_;
  const MetricNames& names_;
  std::vector<OptionProblem>* const problems_;
  LabelPlan plan_;
  std::map<std::string, size_t> positions_;        // in plan_, by name
  std::map<std::string, std::string> configured_;  // who asked for a label first, by uncut name
};

}  // namespace

LabelPlan MakeLabelPlan(const GeneratorOptions& options, std::vector<OptionProblem>* problems) {
  return Planner(options, problems).Plan();
}

}  // namespace spanmeter
