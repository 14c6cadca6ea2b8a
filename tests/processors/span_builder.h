// Resources and spans as the decoder would present them, for tests of processors.

#ifndef SPANMETER_TESTS_PROCESSORS_SPAN_BUILDER_H_
#define SPANMETER_TESTS_PROCESSORS_SPAN_BUILDER_H_

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/processor.h"
#include "spanmeter/span_view.h"

namespace spanmeter::testing {

// Attributes in the order in which they are sent. Keeps copies of keys and texts.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string_view, std::string_view>> texts) {
    for (const auto& [key, text] : texts) Add(key, text);
  }

  Attributes& Add(std::string_view key, std::string_view text) {
    return Add(key, AnyValue::String(Keep(text)));
  }
  Attributes& Add(std::string_view key, const char* text) {
    return Add(key, std::string_view(text));
  }
  Attributes& Add(std::string_view key, const AnyValue& value) {
    attributes_.push_back({Keep(key), value});
    return *this;
  }

  // The values of the keys of `index`.
  AttributeValues Wanted(const AttributeIndex& index) const {
    AttributeValues values;
    values.Reset(index);
    for (const Attribute& attribute : attributes_) {
      const int id = index.Find(attribute.key);
      if (id != AttributeIndex::kNotWanted) {
        values.Add(static_cast<AttributeId>(id), attribute.value);
      }
    }
    return values;
  }
  const std::vector<Attribute>& all() const { return attributes_; }

 private:
  std::string_view Keep(std::string_view text) { return texts_->emplace_back(text); }

  std::vector<Attribute> attributes_;
  // Shared by copies, which go on referring to the texts.
  std::shared_ptr<std::deque<std::string>> texts_ = std::make_shared<std::deque<std::string>>();
};

struct TestSpan {
  std::string name = "GET /";
  int32_t kind = kSpanKindServer;
  int32_t status_code = kStatusCodeUnset;
  std::string status_message;
  std::string trace_state;
  uint64_t start_nanos = 1'700'000'000'000'000'000;
  uint64_t end_nanos = 1'700'000'000'010'000'000;
  uint64_t encoded_size = 100;
  std::string trace_id = "0123456789abcdef";
  std::string span_id = "01234567";
  std::string parent_span_id;
  Attributes attributes;

  // The view borrows from this span and from `wanted`.
  SpanView View(const AttributeValues* wanted) const {
    SpanView view;
    view.trace_id = trace_id;
    view.span_id = span_id;
    view.parent_span_id = parent_span_id;
    view.trace_state = trace_state;
    view.name = name;
    view.status_message = status_message;
    view.kind = kind;
    view.status_code = status_code;
    view.start_time_unix_nano = start_nanos;
    view.end_time_unix_nano = end_nanos;
    view.encoded_size = encoded_size;
    view.wanted = wanted;
    return view;
  }
};

struct TestResource {
  Attributes attributes;
  std::vector<TestSpan> spans;
};

// Leads resources with their spans through a session of a processor or a generator, which has
// started a request. What the session notes of them may point into `resources` until its commit.
template <typename Session>
void Visit(const AttributeIndex& index, const std::vector<TestResource>& resources,
           Session* session) {
  for (const TestResource& resource : resources) {
    const AttributeValues resource_values = resource.attributes.Wanted(index);
    session->StartResource({&resource_values, resource.attributes.all()});
    for (const TestSpan& span : resource.spans) {
      // The values are gone when the next span comes, as they are with the decoder.
      const AttributeValues values = span.attributes.Wanted(index);
      session->Span(span.View(&values));
    }
  }
}

// The same from StartRequest() to Commit().
inline ProcessorCounts Process(const AttributeIndex& index,
                               const std::vector<TestResource>& resources,
                               ProcessorSession* session) {
  session->StartRequest();
  Visit(index, resources, session);
  return session->Commit();
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_PROCESSORS_SPAN_BUILDER_H_
