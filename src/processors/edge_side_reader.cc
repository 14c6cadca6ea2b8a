#include "processors/edge_side_reader.h"

#include <algorithm>

#include "processors/edge_texts.h"

namespace spanmeter {

namespace {

// Attributes with this prefix name databases, which are called and do not call.
constexpr std::string_view kDatabasePrefix = "db.";

// The client of a root server span that does not say who called it.
constexpr std::string_view kUnknownClient = "user";

}  // namespace

EdgeAttributes::EdgeAttributes(const GeneratorOptions& options,
                               const std::vector<std::string>& label_keys, AttributeIndex* index)
    : service_name(index->Add("service.name")),
      labels(label_keys.size()),
      max_value_length(options.max_label_value_length) {
  for (const std::string& key : options.service_graphs.peer_attributes) {
    peers.push_back(index->Add(key));
    if (!key.starts_with(kDatabasePrefix)) client_peers.push_back(peers.back());
  }
  const auto add = [&](std::string_view key) {
    shared.push_back(index->Add(key));
    return shared.size() - 1;
  };
  for (const std::string& key : label_keys) add(key);
  database_begin = shared.size();
  for (const std::string& key : options.service_graphs.database_name_attributes) add(key);
  database_end = shared.size();
  peer_service = add("peer.service");
  server_address = add("server.address");
  peer_address = add("network.peer.address");
  peer_port = add("network.peer.port");
}

EdgeSideReader::EdgeSideReader(const EdgeAttributes* attributes)
    : attributes_(*attributes),
      resource_texts_(attributes->shared.size()),
      formatted_(attributes->shared.size()) {}

bool EdgeSideReader::StartResource(const AttributeValues& resource) {
  const size_t limit = attributes_.max_value_length;
  const std::string_view service =
      Cut(FirstText(resource, attributes_.service_name, limit, &scratch_));
  if (service.empty()) return false;
  service_.clear();
  AppendEdgeText(service, &service_);
  for (size_t i = 0; i < resource_texts_.size(); ++i) {
    resource_texts_[i] = Cut(FirstText(resource, attributes_.shared[i], limit, &formatted_[i]));
  }
  return true;
}

EdgeSide::Action EdgeSideReader::Read(const SpanView& span, bool client, bool root,
                                      std::string* texts) {
  EdgeSide::Action action = EdgeSide::Action::kPair;
  std::string_view peer;
  if (client) {
    peer = DatabaseName(span);
    if (!peer.empty()) {
      action = EdgeSide::Action::kWhole;
    } else {
      peer = FirstOf(attributes_.peers, span);
    }
  } else if (root) {
    action = EdgeSide::Action::kAlone;
    peer = FirstOf(attributes_.client_peers, span);
    if (peer.empty()) peer = Cut(kUnknownClient);
  }
  texts->append(service_);
  AppendEdgeText(peer, texts);
  for (size_t i = 0; i < attributes_.labels; ++i) AppendEdgeText(Shared(i, span), texts);
  return action;
}

std::string_view EdgeSideReader::FirstOf(const std::vector<AttributeId>& ids,
                                         const SpanView& span) {
  for (const AttributeId id : ids) {
    const std::string_view text = Own(id, span);
    if (!text.empty()) return text;
  }
  return {};
}

std::string_view EdgeSideReader::DatabaseName(const SpanView& span) {
  for (size_t i = attributes_.database_begin; i < attributes_.database_end; ++i) {
    const std::string_view database = Shared(i, span);
    if (database.empty()) continue;
    // It is a request to a database; the address tells more than the database's own name.
    name_ = database;
    for (const size_t named_by : {attributes_.peer_service, attributes_.server_address}) {
      const std::string_view name = Shared(named_by, span);
      if (!name.empty()) return name;
    }
    const std::string_view address = Shared(attributes_.peer_address, span);
    if (address.empty()) return name_;
    name_ = address;
    const std::string_view port = Shared(attributes_.peer_port, span);
    if (!port.empty()) {
      name_ += ':';
      name_ += port;
    }
    return name_;
  }
  return {};
}

}  // namespace spanmeter
