#include "spanmeter/span_filter.h"

#include <utility>

#include "spanmeter/wire_reader.h"
#include "spanmeter/wire_writer.h"

#include "otlp/decoder.h"

namespace spanmeter {

namespace {

constexpr uint32_t kResourceSpans = WireTag(1, WireType::kLengthDelimited);
constexpr uint32_t kScopeSpans = WireTag(2, WireType::kLengthDelimited);
constexpr uint32_t kSpan = WireTag(2, WireType::kLengthDelimited);

// Asks the policies about each span.
class Judge final : public SpanVisitor {
 public:
  explicit Judge(const FilterPolicies& policies) : policies_(policies) {}

  void StartResource(const ResourceView& resource) override {
    verdicts_.StartResource(policies_, resource.wanted);
  }
  void Span(const SpanView& span) override {
    // An id lies within its span, which is all that it takes to find the span again.
    if (policies_.Accepts(span, &verdicts_)) kept_.push_back(span.trace_id.data());
  }

  // In the order of the spans, and of their places in the message.
  const std::vector<const char*>& kept() const { return kept_; }

 private:
  const FilterPolicies& policies_;
  FilterPolicies::ResourceVerdicts verdicts_;
  std::vector<const char*> kept_;
};

// Writes a message again without what is to go. Each method appends a message's fields to *out, and
// returns whether anything is left of it.
class Cutter {
 public:
  Cutter(const std::vector<const char*>& kept, std::string* out)
      : next_(kept.begin()), end_(kept.end()), out_(out) {}

  void CutRequest(std::string_view message) {
    CutFields(message, kResourceSpans,
              [this](std::string_view inner) { return CutResourceSpans(inner); });
  }

 private:
  bool CutResourceSpans(std::string_view bytes) {
    return CutFields(bytes, kScopeSpans,
                     [this](std::string_view inner) { return CutScopeSpans(inner); });
  }

  bool CutScopeSpans(std::string_view bytes) {
    bool any = false;
    bool all = true;
    CopyFields(bytes, [&](uint32_t tag, std::string_view field, std::string_view content) {
      if (tag == kSpan) {
        const bool keep = TakeSpan(content);
        any = any || keep;
        all = all && keep;
        if (!keep) return;
      }
      out_->append(field);
    });
    return any || all;
  }

  // Cuts the parts with `part_tag` by cut(content). What never had any part stays.
  template <typename Cut>
  bool CutFields(std::string_view bytes, uint32_t part_tag, Cut cut) {
    bool any = false;
    bool all = true;
    CopyFields(bytes, [&](uint32_t tag, std::string_view field, std::string_view content) {
      if (tag != part_tag) {
        out_->append(field);
        return;
      }
      const size_t begin = out_->size();
      const bool keep = cut(content);
      any = any || keep;
      all = all && keep;
      if (!keep) {
        out_->resize(begin);
      } else if (out_->size() - begin == content.size()) {
        // Nothing was cut out of it: its length stays as it was written.
        out_->resize(begin);
        out_->append(field);
      } else {
        char head[1 + kMaxVarint];
        head[0] = static_cast<char>(part_tag);
        const char* const head_end = PutVarint(out_->size() - begin, head + 1);
        out_->insert(begin, head, static_cast<size_t>(head_end - head));
      }
    });
    return any || all;
  }

  // Calls take(tag, field, content) for each field: all of its bytes, and what is in it when it is
  // length-delimited.
  template <typename Take>
  static void CopyFields(std::string_view bytes, Take take) {
    WireReader reader(bytes);
    const char* begin = bytes.data();
    while (reader.NextField()) {
      const uint32_t tag = reader.tag();
      std::string_view content;
      if (reader.wire_type() == WireType::kLengthDelimited) {
        content = reader.ReadBytes();
      } else {
        reader.Skip();
      }
      take(tag, std::string_view(begin, static_cast<size_t>(reader.position() - begin)), content);
      begin = reader.position();
    }
  }

  bool TakeSpan(std::string_view span) {
    const bool keep = next_ != end_ && *next_ >= span.data() && *next_ < span.data() + span.size();
    if (keep) ++next_;
    return keep;
  }

  std::vector<const char*>::const_iterator next_;
  const std::vector<const char*>::const_iterator end_;
  std::string* const out_;
};

FilterPolicies Compile(const std::vector<FilterPolicy>& policies, AttributeIndex* index) {
  std::vector<OptionProblem> problems;  // the configuration was found to have none
  return FilterPolicies(policies, "", index, &problems);
}

}  // namespace

SpanFilter::SpanFilter(const std::vector<FilterPolicy>& policies)
    : policies_(Compile(policies, &index_)) {}

SpanFilter::Result SpanFilter::Apply(std::string_view message, std::string* out) const {
  DecodeScratch scratch;
  Judge judge(policies_);
  const DecodeResult decoded = DecodeTraces(message, index_, &scratch, &judge);
  Result result;
  result.kept = judge.kept().size();
  result.cut = decoded.spans - result.kept;
  if (out == nullptr || result.kept == 0 || result.cut == 0) return result;
  out->clear();
  out->reserve(message.size());
  Cutter(judge.kept(), out).CutRequest(message);
  return result;
}

}  // namespace spanmeter
