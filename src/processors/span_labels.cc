#include "processors/span_labels.h"

#include <algorithm>

#include "processors/attribute_text.h"
#include "processors/enum_names.h"

namespace spanmeter {

SpanLabels::SpanLabels(const GeneratorOptions& options, const LabelPlan& plan,
                       AttributeIndex* index)
    : service_name_(index->Add("service.name")),
      service_namespace_(index->Add("service.namespace")),
      service_instance_id_(index->Add("service.instance.id")),
      instance_label_(options.span_metrics.enable_instance_label),
      max_value_length_(options.max_label_value_length) {
  for (const PlannedLabel& planned : plan) {
    Label& label = labels_.emplace_back();
    label.name = planned.name;
    for (const LabelCandidate& from : planned.candidates) {
      Candidate& candidate = label.candidates.emplace_back();
      candidate.source = from.source;
      if (from.source == LabelSource::kDimension) {
        const std::string& key = options.span_metrics.dimensions[from.position].name;
        candidate.attributes.push_back(SlotOf(key, index));
      } else if (from.source == LabelSource::kMapping) {
        const DimensionMapping& mapping = options.span_metrics.dimension_mappings[from.position];
        for (const std::string& key : mapping.source_labels) {
          candidate.attributes.push_back(SlotOf(key, index));
        }
        candidate.join = mapping.join;
      } else if (from.source == LabelSource::kDefault) {
        candidate.text = options.span_metrics.dimensions[from.position].default_value;
      }
    }
  }
}

SpanLabels::Slot SpanLabels::SlotOf(const std::string& key, AttributeIndex* index) {
  const AttributeId id = index->Add(key);
  const auto found = std::find(attributes_.begin(), attributes_.end(), id);
  const auto slot = static_cast<Slot>(found - attributes_.begin());
  if (found == attributes_.end()) attributes_.push_back(id);
  return slot;
}

std::vector<FamilyLabel> SpanLabels::FamilyLabels() const {
  std::vector<FamilyLabel> labels;
  for (const Label& label : labels_) {
    FamilyLabel& added = labels.emplace_back();
    added.name = label.name;
    const LabelSource source = label.candidates.front().source;
    if (source == LabelSource::kSpanKind) added.enum_names = kSpanKindNames;
    if (source == LabelSource::kStatusCode) added.enum_names = kStatusCodeNames;
  }
  return labels;
}

SpanKeyBuilder::SpanKeyBuilder(const SpanLabels* labels)
    : labels_(*labels),
      resource_texts_(labels->attributes_.size()),
      formatted_(labels->attributes_.size()),
      has_span_name_(std::any_of(labels->labels_.begin(), labels->labels_.end(),
                                 [](const SpanLabels::Label& label) {
                                   return label.candidates.front().source == LabelSource::kSpanName;
                                 })) {}

void SpanKeyBuilder::StartResource(const AttributeValues& resource) {
  ReadIdentity(resource);
  for (size_t slot = 0; slot < resource_texts_.size(); ++slot) {
    resource_texts_[slot] = FirstText(resource, labels_.attributes_[slot],
                                      labels_.max_value_length_, &formatted_[slot]);
  }
  steps_.clear();
  constants_are_valid_ = true;
  encoder_.Clear();
  encoder_.BeginKey();
  for (size_t label = 0; label < labels_.labels_.size(); ++label) PlanLabel(label);
  constants_.assign(encoder_.EncodedKey());
}

void SpanKeyBuilder::ReadIdentity(const AttributeValues& resource) {
  const size_t limit = labels_.max_value_length_;
  service_ = FirstText(resource, labels_.service_name_, limit, &formatted_service_);
  job_.clear();
  if (!service_.empty()) {
    job_ = FirstText(resource, labels_.service_namespace_, limit, &formatted_value_);
    if (!job_.empty()) job_ += '/';
    job_ += service_;
  }
  instance_ = {};
  if (labels_.instance_label_) {
    instance_ = FirstText(resource, labels_.service_instance_id_, limit, &formatted_instance_);
  }
}

void SpanKeyBuilder::PlanLabel(size_t label) {
  const std::vector<Candidate>& candidates = labels_.labels_[label].candidates;
  for (const Candidate& candidate : candidates) {
    if (!Varies(candidate)) {
      const std::string_view text = Cut(CandidateText(candidate, nullptr));
      if (text.empty()) continue;
      return AddConstant(text);
    }
    switch (candidate.source) {
      case LabelSource::kSpanKind:
        return AddStep(Step::Action::kSpanKind, label);
      case LabelSource::kStatusCode:
        return AddStep(Step::Action::kStatusCode, label);
      case LabelSource::kSpanName:
        return AddStep(
            candidates.size() > 1 ? Step::Action::kSpanNameCandidates : Step::Action::kSpanName,
            label);
      case LabelSource::kStatusMessage:
        if (candidates.size() > 1) break;
        return AddStep(Step::Action::kStatusMessage, label);
      case LabelSource::kDimension:
        if (candidates.size() > 1) break;
        return AddStep(Step::Action::kSpanAttribute, label);
      default:
        break;
    }
    return AddStep(Step::Action::kCandidates, label);
  }
  AddConstant("");
}

void SpanKeyBuilder::AddConstant(std::string_view text) {
  const auto begin = static_cast<uint32_t>(encoder_.EncodedKey().size());
  if (!AppendText(text, &encoder_)) constants_are_valid_ = false;
  const auto end = static_cast<uint32_t>(encoder_.EncodedKey().size());
  if (!steps_.empty() && steps_.back().action == Step::Action::kConstant) {
    steps_.back().size = end - steps_.back().begin;
  } else {
    steps_.push_back({Step::Action::kConstant, 0, begin, end - begin});
  }
}

void SpanKeyBuilder::AddStep(Step::Action action, size_t label) {
  steps_.push_back({action, static_cast<uint16_t>(label), 0, 0});
}

bool SpanKeyBuilder::AppendKey(const SpanView& span, UpdateBatch* batch) {
  if (!constants_are_valid_) return false;
  for (const Step& step : steps_) {
    switch (step.action) {
      case Step::Action::kConstant:
        batch->AppendEncoded(std::string_view(constants_).substr(step.begin, step.size));
        break;
      case Step::Action::kSpanName:
        if (!AppendSpanName(span.name, batch)) return false;
        break;
      case Step::Action::kSpanKind:
        batch->AppendEnum(span.kind);
        break;
      case Step::Action::kStatusCode:
        batch->AppendEnum(span.status_code);
        break;
      case Step::Action::kStatusMessage:
        if (!AppendText(span.status_message, batch)) return false;
        break;
      case Step::Action::kSpanAttribute: {
        const Slot slot = labels_.labels_[step.label].candidates.front().attributes.front();
        if (!AppendText(SpanAttributeText(slot, span), batch)) return false;
        break;
      }
      case Step::Action::kSpanNameCandidates:
        if (!AppendSpanName(FirstOf(labels_.labels_[step.label].candidates, span), batch)) {
          return false;
        }
        break;
      case Step::Action::kCandidates:
        if (!AppendText(FirstOf(labels_.labels_[step.label].candidates, span), batch)) return false;
        break;
    }
  }
  return true;
}

bool SpanKeyBuilder::Varies(const Candidate& candidate) const {
  switch (candidate.source) {
    case LabelSource::kService:
    case LabelSource::kJob:
    case LabelSource::kInstance:
    case LabelSource::kDefault:
      return false;
    case LabelSource::kSpanName:
    case LabelSource::kSpanKind:
    case LabelSource::kStatusCode:
    case LabelSource::kStatusMessage:
      return true;
    case LabelSource::kDimension:
    case LabelSource::kMapping:
      return std::any_of(candidate.attributes.begin(), candidate.attributes.end(),
                         [this](Slot slot) { return resource_texts_[slot].empty(); });
  }
  return true;
}

// REQUIRES: `span` is not null where the text varies. The text is valid until the next call.
std::string_view SpanKeyBuilder::CandidateText(const Candidate& candidate, const SpanView* span) {
  switch (candidate.source) {
    case LabelSource::kService:
      return service_;
    case LabelSource::kJob:
      return job_;
    case LabelSource::kInstance:
      return instance_;
    case LabelSource::kSpanName:
      return span->name;
    case LabelSource::kStatusMessage:
      return span->status_message;
    case LabelSource::kDimension: {
      const Slot slot = candidate.attributes.front();
      const std::string_view text = resource_texts_[slot];
      return text.empty() ? SpanAttributeText(slot, *span) : text;
    }
    case LabelSource::kMapping:
      return JoinedText(candidate, span);
    case LabelSource::kDefault:
      return candidate.text;
    case LabelSource::kSpanKind:
    case LabelSource::kStatusCode:
      break;  // always present and no texts: AppendKey() never gets here with them
  }
  return {};
}

std::string_view SpanKeyBuilder::JoinedText(const Candidate& mapping, const SpanView* span) {
  // What lies beyond the longest value is cut off anyway, 3 bytes of it may decide where.
  const size_t limit =
      labels_.max_value_length_ == 0 ? std::string::npos : labels_.max_value_length_ + 3;
  joined_.clear();
  for (const Slot slot : mapping.attributes) {
    std::string_view text = resource_texts_[slot];
    if (text.empty()) text = SpanAttributeText(slot, *span);
    if (text.empty()) continue;
    if (!joined_.empty()) joined_ += mapping.join;
    joined_ += text.substr(0, limit);
    if (joined_.size() >= limit) break;
  }
  return joined_;
}

// The text is valid until the next call.
std::string_view SpanKeyBuilder::SpanAttributeText(Slot slot, const SpanView& span) {
  return FirstText(*span.wanted, labels_.attributes_[slot], labels_.max_value_length_,
                   &formatted_value_);
}

// The first text that is not empty; valid until the next call.
std::string_view SpanKeyBuilder::FirstOf(const std::vector<Candidate>& candidates,
                                         const SpanView& span) {
  std::string_view text;
  for (const Candidate& candidate : candidates) {
    text = Cut(CandidateText(candidate, &span));
    if (!text.empty()) break;
  }
  return text;
}

bool SpanKeyBuilder::AppendSpanName(std::string_view text, UpdateBatch* batch) {
  text = Cut(text);
  span_name_position_.begin = static_cast<uint32_t>(batch->EncodedKey().size());
  if (!AppendText(text, batch)) return false;
  span_name_position_.end = static_cast<uint32_t>(batch->EncodedKey().size());
  span_name_position_.text_size = static_cast<uint32_t>(text.size());
  return true;
}

bool SpanKeyBuilder::AppendText(std::string_view text, UpdateBatch* batch) const {
  text = Cut(text);
  if (!IsValidUtf8(text)) return false;
  batch->AppendText(text);
  return true;
}

}  // namespace spanmeter
