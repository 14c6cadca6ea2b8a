// Which labels the edges of a configuration have, and the keys of edges.

#ifndef SPANMETER_PROCESSORS_EDGE_LABELS_H_
#define SPANMETER_PROCESSORS_EDGE_LABELS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/options.h"
#include "spanmeter/registry.h"

#include "processors/edge_type.h"

namespace spanmeter {

// An edge as its labels see it. All views are borrowed.
struct EdgeNames {
  EdgeType type = EdgeType::kCall;
  std::string_view client;
  std::string_view server;
  // Which of the two sent no span and is known by name only, `client` or `server`; empty: none.
  std::string_view virtual_node;
  bool failed = false;
  // What the spans of the sides say under each of EdgeLabels::attributes().
  std::span<const std::string_view> client_attributes;
  std::span<const std::string_view> server_attributes;
};

// The labels, their names settled once. Immutable and thread-safe.
class EdgeLabels {
 public:
  // Appends what is wrong with the configuration to `problems`; the labels are then unusable.
  EdgeLabels(const GeneratorOptions& options, std::vector<OptionProblem>* problems);

  // The keys of the attributes that the labels are made of, each once.
  const std::vector<std::string>& attributes() const { return attributes_; }

  // In the order of the key.
  std::vector<FamilyLabel> FamilyLabels() const;

  // Appends the values of all labels to the key that was begun in `batch`. Returns false when one
  // is not valid UTF-8; the key is then incomplete.
  bool AppendKey(const EdgeNames& edge, UpdateBatch* batch) const;

 private:
  enum class Source : uint8_t {
    kClient,
    kServer,
    kConnectionType,
    kVirtualNode,
    kFailed,
    kClientAttribute,
    kServerAttribute,
  };
  struct Candidate {
    Source source = Source::kClient;
    size_t attribute = 0;  // in attributes_
  };
  struct Label {
    std::string name;
    // The first one with a value gives it. Not empty.
    std::vector<Candidate> candidates;
  };
  class Planner;

  std::string_view ValueOf(const Candidate& candidate, const EdgeNames& edge) const;

  std::vector<Label> labels_;
  std::vector<std::string> attributes_;
  size_t max_value_length_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_LABELS_H_
