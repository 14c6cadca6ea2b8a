// From spans to the sides of edges: what a span says about its half of a request.

#ifndef SPANMETER_PROCESSORS_EDGE_SIDE_READER_H_
#define SPANMETER_PROCESSORS_EDGE_SIDE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/options.h"
#include "spanmeter/span_view.h"

#include "processors/attribute_text.h"
#include "processors/edge_store.h"
#include "processors/utf8.h"

namespace spanmeter {

// The attributes that matter, by their ids. Immutable and thread-safe.
struct EdgeAttributes {
  // `labels` are the keys of the attributes that become labels.
  EdgeAttributes(const GeneratorOptions& options, const std::vector<std::string>& labels,
                 AttributeIndex* index);

  AttributeId service_name;
  // Name the other side of a request.
  std::vector<AttributeId> peers;
  // Those of them that may name a client.
  std::vector<AttributeId> client_peers;

  // Positions in `shared`, the attributes that a span has from its resource if the resource has
  // them: those that become labels, those that make a request one to a database, and those that
  // name the database.
  std::vector<AttributeId> shared;
  size_t labels = 0;  // so many, first
  size_t database_begin = 0;
  size_t database_end = 0;
  size_t peer_service = 0;
  size_t server_address = 0;
  size_t peer_address = 0;
  size_t peer_port = 0;

  size_t max_value_length;
};

// Belongs to one session. Not thread-safe.
class EdgeSideReader {
 public:
  // `attributes` must outlive the reader.
  explicit EdgeSideReader(const EdgeAttributes* attributes);

  // Every following span is of `resource`, whose values must stay valid meanwhile. Returns whether
  // the resource has a service name; without one, its spans have no sides.
  bool StartResource(const AttributeValues& resource);

  // Appends the texts of the span's side to `texts` and returns what is to be done with it.
  // `root`: it is a server span without a parent.
  EdgeSide::Action Read(const SpanView& span, bool client, bool root, std::string* texts);

 private:
  // The text under attributes_.shared[position], cut; empty when neither resource nor span has one.
  // Valid until the next call.
  std::string_view Shared(size_t position, const SpanView& span) {
    if (!resource_texts_[position].empty()) return resource_texts_[position];
    return Own(attributes_.shared[position], span);
  }
  // The text under `id` that is the span's own.
  std::string_view Own(AttributeId id, const SpanView& span) {
    // Most spans have few of the attributes that are looked for.
    if (span.wanted->First(id) == nullptr) return {};
    return Cut(FirstText(*span.wanted, id, attributes_.max_value_length, &scratch_));
  }
  // The first text among the span's own attributes.
  std::string_view FirstOf(const std::vector<AttributeId>& ids, const SpanView& span);
  // The name of the database that the span is a request to; empty when it is none.
  std::string_view DatabaseName(const SpanView& span);
  std::string_view Cut(std::string_view text) const {
    return CutToBytes(text, attributes_.max_value_length);
  }

  const EdgeAttributes& attributes_;

  // Of the current resource: its service, encoded, and its texts by position in shared.
  std::string service_;
  std::vector<std::string_view> resource_texts_;
  std::vector<std::string> formatted_;
  std::string scratch_;
  std::string name_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_SIDE_READER_H_
