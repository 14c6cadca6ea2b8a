// The values of the planned labels: from a resource and its spans to keys of the span-metrics
// family.

#ifndef SPANMETER_PROCESSORS_SPAN_LABELS_H_
#define SPANMETER_PROCESSORS_SPAN_LABELS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/options.h"
#include "spanmeter/registry.h"
#include "spanmeter/span_view.h"

#include "processors/label_plan.h"
#include "processors/utf8.h"

namespace spanmeter {

// A label plan, compiled against the keys of an AttributeIndex. Immutable and thread-safe.
class SpanLabels {
 public:
  // Adds the attributes that the plan looks at to `index`. `plan` must have been made from
  // `options`.
  SpanLabels(const GeneratorOptions& options, const LabelPlan& plan, AttributeIndex* index);

  // The labels of the family, in the order of the key.
  std::vector<FamilyLabel> FamilyLabels() const;

 private:
  friend class SpanKeyBuilder;

  // An attribute that a label is made of: its place in `attributes_`.
  using Slot = uint16_t;

  struct Candidate {
    LabelSource source = LabelSource::kService;
    // A dimension's attribute; the attributes of a mapping, in order.
    std::vector<Slot> attributes;
    // Stands between the values of a mapping.
    std::string join;
    // A default.
    std::string text;
  };
  struct Label {
    std::string name;
    std::vector<Candidate> candidates;  // best first
  };

  Slot SlotOf(const std::string& key, AttributeIndex* index);

  std::vector<Label> labels_;
  // Each attribute that some label is made of, once.
  std::vector<AttributeId> attributes_;
  AttributeId service_name_ = 0;
  AttributeId service_namespace_ = 0;
  AttributeId service_instance_id_ = 0;
  bool instance_label_ = true;
  size_t max_value_length_ = 0;
};

// Where in a key the value of the span name's label is.
struct SpanNamePosition {
  uint32_t begin = 0;      // of the encoded value
  uint32_t end = 0;        // of it and of the text
  uint32_t text_size = 0;  // in bytes
};

// Builds the keys of one session. What a resource says is looked up, cut, checked and encoded once
// per resource. Not thread-safe.
class SpanKeyBuilder {
 public:
  // `labels` must outlive the builder.
  explicit SpanKeyBuilder(const SpanLabels* labels);

  // Every following key is of a span of `resource`, whose values must stay valid meanwhile.
  void StartResource(const AttributeValues& resource);

  // Appends the values of all labels to the key that was begun in `batch`. Returns false when one
  // is not valid UTF-8; the key is then incomplete.
  bool AppendKey(const SpanView& span, UpdateBatch* batch);

  // Whether there is a label for the span name; if so, where the last key has its value.
  bool has_span_name() const { return has_span_name_; }
  const SpanNamePosition& span_name_position() const { return span_name_position_; }

  // The identity of the resource's service instance, not cut; empty when it is unknown.
  std::string_view job() const { return job_; }
  std::string_view instance() const { return instance_; }

 private:
  using Slot = SpanLabels::Slot;
  using Candidate = SpanLabels::Candidate;

  // What to do for a label of each span of the current resource.
  struct Step {
    enum class Action : uint8_t {
      kConstant,  // append encoded values of this and neighbouring labels
      kSpanName,
      kSpanKind,
      kStatusCode,
      kStatusMessage,
      kSpanAttribute,  // of the span alone
      kSpanNameCandidates,
      kCandidates,  // ask one candidate after the other
    };
    Action action = Action::kConstant;
    uint16_t label = 0;
    uint32_t begin = 0;  // in constants_
    uint32_t size = 0;
  };

  void ReadIdentity(const AttributeValues& resource);
  void PlanLabel(size_t label);
  void AddConstant(std::string_view text);
  void AddStep(Step::Action action, size_t label);

  // Whether the spans of the resource may differ in the candidate's text.
  bool Varies(const Candidate& candidate) const;
  std::string_view CandidateText(const Candidate& candidate, const SpanView* span);
  std::string_view JoinedText(const Candidate& mapping, const SpanView* span);
  std::string_view SpanAttributeText(Slot slot, const SpanView& span);
  std::string_view Cut(std::string_view text) const {
    return CutToBytes(text, labels_.max_value_length_);
  }
  // Cuts, checks and appends a value.
  bool AppendText(std::string_view text, UpdateBatch* batch) const;
  // The same for the value of the span name's label.
  bool AppendSpanName(std::string_view text, UpdateBatch* batch);
  std::string_view FirstOf(const std::vector<Candidate>& candidates, const SpanView& span);

  const SpanLabels& labels_;

  // Of the current resource. Texts are borrowed from the request or from the strings below.
  std::vector<std::string_view> resource_texts_;  // by slot; empty: ask the span
  std::vector<std::string> formatted_;            // by slot, for what is no string
  std::string_view service_;
  std::string_view instance_;
  std::string job_;
  std::string formatted_service_;
  std::string formatted_instance_;
  std::vector<Step> steps_;
  std::string constants_;
  bool constants_are_valid_ = true;

  const bool has_span_name_;
  SpanNamePosition span_name_position_;

  UpdateBatch encoder_;  // working memory for encoding constants
  std::string joined_;
  std::string formatted_value_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_LABELS_H_
