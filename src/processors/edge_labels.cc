#include "processors/edge_labels.h"

#include <algorithm>
#include <map>

#include "spanmeter/naming.h"
#include "spanmeter/quote.h"

#include "processors/label_name.h"
#include "processors/utf8.h"

namespace spanmeter {

namespace {

bool IsEdgeLabel(std::string_view name, const MetricNames& names) {
  return name == names.client || name == names.server || name == names.connection_type ||
         name == names.virtual_node || name == names.failed;
}

}  // namespace

class EdgeLabels::Planner {
 public:
  Planner(const GeneratorOptions& options, EdgeLabels* result, std::vector<OptionProblem>* problems)
      : options_(options), names_(NamesOf(options.naming)), result_(*result), problems_(problems) {}

  void Plan() {
    const ServiceGraphsOptions& service_graphs = options_.service_graphs;
    AddOwn(names_.client, {Source::kClient});
    AddOwn(names_.server, {Source::kServer});
    AddOwn(names_.connection_type, {Source::kConnectionType});
    if (!names_.failed.empty()) AddOwn(names_.failed, {Source::kFailed});
    if (service_graphs.enable_virtual_node_label) {
      AddOwn(names_.virtual_node, {Source::kVirtualNode});
    }
    // The last configured dimension with a value counts, so the last one is the first candidate.
    for (size_t i = service_graphs.dimensions.size(); i > 0; --i) AddDimension(i - 1);
    if (service_graphs.enable_virtual_node_label && !service_graphs.enable_client_server_prefix) {
      // Edges without a virtual node show what their spans say under the label's name.
      const size_t attribute = AttributeOf(std::string(names_.virtual_node));
      AddOwn(names_.virtual_node, {Source::kServerAttribute, attribute});
      AddOwn(names_.virtual_node, {Source::kClientAttribute, attribute});
    }
  }

 private:
  void AddDimension(size_t position) {
    const std::string& key = options_.service_graphs.dimensions[position];
    path_ = "service_graphs.dimensions[" + std::to_string(position) + "]";
    if (key.empty()) {
      return Report(
          "a dimension must not be empty; name the attribute whose value becomes a label");
    }
    const size_t attribute = AttributeOf(key);
    std::string name;
    AppendSanitized(key, &name);
    if (IsReservedLabel(name)) {
      return Report(Quoted(key) + " becomes the label " + Quoted(name) +
                    ", which is reserved; choose another one");
    }
    if (options_.service_graphs.enable_client_server_prefix) {
      AddConfigured(key, std::string(names_.server_prefix) + name,
                    {Source::kServerAttribute, attribute});
      AddConfigured(key, std::string(names_.client_prefix) + name,
                    {Source::kClientAttribute, attribute});
      return;
    }
    if (IsEdgeLabel(name, names_)) name.insert(0, kCollisionPrefix);
    AddNamePrefix(names_, 0, &name);
    AddConfigured(key, name, {Source::kServerAttribute, attribute});
    AddConfigured(key, name, {Source::kClientAttribute, attribute});
  }

  void AddConfigured(const std::string& key, const std::string& name, const Candidate& candidate) {
    const std::string_view cut = CutToBytes(name, options_.max_label_name_length);
    if (IsReservedLabel(cut)) {
      return Report(Quoted(key) + " becomes the label " + Quoted(cut) +
                    " when it is cut to max_label_name_length = " +
                    std::to_string(options_.max_label_name_length) +
                    ", which is reserved; raise the length or choose another one");
    }
    // External labels replace what has their name, before it is cut as well as afterwards.
    if (!IsExternal(name)) AddOwn(cut, candidate);
  }

  void AddOwn(std::string_view name, const Candidate& candidate) {
    if (IsExternal(name)) return;
    const auto [found, is_new] = positions_.emplace(name, result_.labels_.size());
    if (is_new) result_.labels_.push_back({std::string(name), {}});
    result_.labels_[found->second].candidates.push_back(candidate);
  }

  size_t AttributeOf(const std::string& key) {
    std::vector<std::string>& attributes = result_.attributes_;
    const auto found = std::find(attributes.begin(), attributes.end(), key);
    const auto position = static_cast<size_t>(found - attributes.begin());
    if (found == attributes.end()) attributes.push_back(key);
    return position;
  }

  bool IsExternal(std::string_view name) const {
    const auto found = options_.external_labels.find(std::string(name));
    return found != options_.external_labels.end() && !found->second.empty();
  }

  // Says each thing once, though a dimension may become two labels.
  void Report(std::string problem) {
    if (!problems_->empty() && problems_->back().path == path_) return;
    problems_->push_back({path_, std::move(problem)});
  }

  const GeneratorOptions& options_;
  const MetricNames& names_;
  EdgeLabels& result_;
  std::vector<OptionProblem>* const problems_;
  std::map<std::string, size_t, std::less<>> positions_;  // in labels_, by name
  std::string path_;                                      // of the current dimension
};

EdgeLabels::EdgeLabels(const GeneratorOptions& options, std::vector<OptionProblem>* problems)
    : max_value_length_(options.max_label_value_length) {
  Planner(options, this, problems).Plan();
}

std::vector<FamilyLabel> EdgeLabels::FamilyLabels() const {
  std::vector<FamilyLabel> labels;
  for (const Label& label : labels_) labels.push_back({label.name, {}});
  return labels;
}

std::string_view EdgeLabels::ValueOf(const Candidate& candidate, const EdgeNames& edge) const {
  switch (candidate.source) {
    case Source::kConnectionType:
      return kConnectionTypes[static_cast<size_t>(edge.type)];
    case Source::kVirtualNode:
      return edge.virtual_node;
    case Source::kFailed:
      return edge.failed ? "true" : "false";
    case Source::kClient:
      return CutToBytes(edge.client, max_value_length_);
    case Source::kServer:
      return CutToBytes(edge.server, max_value_length_);
    case Source::kClientAttribute:
      return CutToBytes(edge.client_attributes[candidate.attribute], max_value_length_);
    case Source::kServerAttribute:
      return CutToBytes(edge.server_attributes[candidate.attribute], max_value_length_);
  }
  return {};
}

bool EdgeLabels::AppendKey(const EdgeNames& edge, UpdateBatch* batch) const {
  for (const Label& label : labels_) {
    std::string_view value;
    for (const Candidate& candidate : label.candidates) {
      value = ValueOf(candidate, edge);
      if (!value.empty()) break;
    }
    if (!IsValidUtf8(value)) return false;
    batch->AppendText(value);
  }
  return true;
}

}  // namespace spanmeter
