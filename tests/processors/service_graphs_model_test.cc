// Random spans through the processor and through a naive model of the rules: same edges, same
// values, same counts of everything that became no edge.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/service_graphs_fixture.h"

namespace spanmeter::testing {
namespace {

constexpr int64_t kWait = 10 * kNanosPerSecond;

using Texts = std::map<std::string, std::string>;

// A span as it was drawn: everything that matters, in plain terms.
struct DrawnSpan {
  std::string service;  // empty: the resource has none
  Texts resource;
  Texts attributes;
  int trace = 0;
  int request = 0;  // which the span is one side of
  bool root = false;
  int32_t kind = 0;
  bool failed = false;
  bool filtered = false;
  uint64_t start = 0;
  uint64_t end = 0;
  std::optional<double> ratio;

  bool client() const { return kind == kSpanKindClient || kind == kSpanKindProducer; }
  bool takes_part() const {
    return !service.empty() && (client() || kind == kSpanKindServer || kind == kSpanKindConsumer);
  }
  double seconds() const { return static_cast<double>(end - start) / 1e9; }

  std::string Own(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }
  std::string ResourceFirst(const std::string& key) const {
    const auto found = resource.find(key);
    return found == resource.end() || found->second.empty() ? Own(key) : found->second;
  }
};

// The rules, one after the other, with nothing but maps.
class Model {
 public:
  explicit Model(const GeneratorOptions& options)
      : options_(options.service_graphs), otel_(options.naming == Naming::kOtel) {}

  void Span(const DrawnSpan& span, int64_t now) {
    ++order_;
    if (!span.takes_part()) return;
    const Key key = {span.trace, span.request};
    if (span.filtered) {
      ++filtered;
      if (!span.root) Mark(key, span.client(), now);
      return;
    }
    if (span.root) return Record(Side(span), nullptr, "virtual_node", true);

    const auto mark = marks_.find({key, !span.client()});
    if (mark != marks_.end() && now - mark->second.created < kWait) {
      ++stats["dropped_spans_total"];
      return;
    }
    const auto waiting = waiting_.find(key);
    const std::string database = span.client() ? DatabaseName(span) : "";
    if (!database.empty()) {
      Waits other;
      const bool found = waiting != waiting_.end();
      if (found) {
        other = waiting->second;
        waiting_.erase(waiting);
      }
      Waits self = Side(span);
      self.peer = database;
      return Record(self, found ? &other : nullptr, "database", false);
    }
    if (waiting == waiting_.end()) {
      if (waiting_.size() == options_.max_items) {
        waiting_.erase(Oldest(waiting_));
        ++stats["evicted_spans_total"];
      }
      Waits side = Side(span);
      side.created = now;
      side.order = order_;
      waiting_[key] = side;
    } else if (waiting->second.client == span.client()) {
      Waits side = Side(span);
      side.created = waiting->second.created;
      side.order = waiting->second.order;
      Inherit(waiting->second, &side);
      waiting->second = side;
    } else {
      const Waits other = waiting->second;
      waiting_.erase(waiting);
      const Waits self = Side(span);
      Record(self, &other, self.messaging || other.messaging ? "messaging_system" : "", false);
    }
  }

  void Maintain(int64_t now) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (now - it->second.created < kWait) {
        ++it;
        continue;
      }
      if (it->second.client && !it->second.peer.empty()) {
        Record(it->second, nullptr, "virtual_node", false);
      } else {
        constexpr const char* kKinds[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
        ++stats[std::string("expired_spans_total{SPAN_KIND_") + kKinds[it->second.kind] + "}"];
      }
      it = waiting_.erase(it);
    }
    std::erase_if(marks_, [now](const auto& mark) { return now - mark.second.created >= kWait; });
  }

  struct Values {
    double requests = 0;
    double failed = 0;
    double server_seconds = 0;
    double client_seconds = 0;
    double messaging_seconds = 0;
    double messages = 0;
  };
  std::map<std::string, Values> edges;
  std::map<std::string, double> stats;  // without gauges and zeros
  uint64_t filtered = 0;
  size_t waiting() const { return waiting_.size(); }
  size_t marks() const { return marks_.size(); }

 private:
  using Key = std::pair<int, int>;
  struct Waits {
    std::string service;
    std::string peer;
    Texts dimensions;
    bool client = false;
    bool messaging = false;
    int32_t kind = 0;
    bool failed = false;
    double seconds = 0;
    uint64_t start = 0;
    uint64_t end = 0;
    std::optional<double> multiplier;
    int64_t created = 0;
    uint64_t order = 0;
  };
  struct Marked {
    int64_t created = 0;
    uint64_t order = 0;
  };

  template <typename Map>
  static typename Map::iterator Oldest(Map& map) {
    return std::min_element(map.begin(), map.end(), [](const auto& a, const auto& b) {
      return a.second.order < b.second.order;
    });
  }

  void Mark(const Key& key, bool client, int64_t now) {
    const auto waiting = waiting_.find(key);
    if (waiting != waiting_.end() && waiting->second.client != client) {
      waiting_.erase(waiting);
      ++stats["dropped_spans_total"];
    }
    if (!marks_.contains({key, client}) && marks_.size() == options_.max_items) {
      const auto oldest = Oldest(marks_);
      if (now - oldest->second.created < kWait) ++stats["filtered_spans_evicted_total"];
      marks_.erase(oldest);
    }
    marks_[{key, client}] = {now, order_};
  }

  Waits Side(const DrawnSpan& span) const {
    Waits side;
    side.service = span.service;
    side.client = span.client();
    side.messaging = span.kind == kSpanKindProducer || span.kind == kSpanKindConsumer;
    side.kind = span.kind;
    side.failed = span.failed;
    side.seconds = span.seconds();
    side.start = span.start;
    side.end = span.end;
    if (span.ratio) side.multiplier = 1 / *span.ratio;
    for (const std::string& key : options_.peer_attributes) {
      if (span.root && key.starts_with("db.")) continue;
      if (side.peer.empty()) side.peer = span.Own(key);
    }
    if (span.root && side.peer.empty()) side.peer = "user";
    for (const std::string& key : options_.dimensions) {
      side.dimensions[key] = span.ResourceFirst(key);
    }
    if (options_.enable_virtual_node_label) {
      side.dimensions["virtual_node"] = span.ResourceFirst("virtual_node");
    }
    return side;
  }

  std::string DatabaseName(const DrawnSpan& span) const {
    std::string database;
    for (const std::string& key : options_.database_name_attributes) {
      if (database.empty()) database = span.ResourceFirst(key);
    }
    if (database.empty()) return "";
    if (!span.ResourceFirst("peer.service").empty()) return span.ResourceFirst("peer.service");
    if (!span.ResourceFirst("server.address").empty()) return span.ResourceFirst("server.address");
    const std::string address = span.ResourceFirst("network.peer.address");
    const std::string port = span.ResourceFirst("network.peer.port");
    if (address.empty()) return database;
    return port.empty() ? address : address + ":" + port;
  }

  // What a later side of the same kind leaves as it was.
  static void Inherit(const Waits& earlier, Waits* later) {
    later->failed = later->failed || earlier.failed;
    if (!later->multiplier) later->multiplier = earlier.multiplier;
    if (later->peer.empty()) later->peer = earlier.peer;
    for (auto& [key, value] : later->dimensions) {
      if (value.empty()) value = earlier.dimensions.at(key);
    }
  }

  // An edge of `self`, which completed it, and of what waited.
  void Record(Waits self, const Waits* other, const std::string& type, bool root) {
    if (other != nullptr && other->client == self.client) {
      Inherit(*other, &self);
      other = nullptr;
    }
    const Waits none;
    const Waits& second = other == nullptr ? none : *other;
    const Waits& client = self.client ? self : second;
    const Waits& server = self.client ? second : self;

    Texts labels;
    labels["client"] = root ? self.peer : client.service;
    labels["server"] =
        root || (type != "database" && other != nullptr) ? server.service : client.peer;
    labels["connection_type"] = type;
    if (otel_) labels["failed"] = self.failed || second.failed ? "true" : "false";
    const auto dimension = [](const Waits& side, const std::string& key) {
      const auto found = side.dimensions.find(key);
      return found == side.dimensions.end() ? "" : found->second;
    };
    for (const std::string& key : options_.dimensions) {
      if (options_.enable_client_server_prefix) {
        labels["client_" + key] = dimension(client, key);
        labels["server_" + key] = dimension(server, key);
      } else {
        const std::string value = dimension(server, key);
        labels[key] = value.empty() ? dimension(client, key) : value;
      }
    }
    if (options_.enable_virtual_node_label) {
      if (!options_.enable_client_server_prefix) {
        const std::string value = dimension(server, "virtual_node");
        labels["virtual_node"] = value.empty() ? dimension(client, "virtual_node") : value;
      }
      if (type == "virtual_node") labels["virtual_node"] = root ? "client" : "server";
    }
    std::string text;
    for (const auto& [name, value] : labels) {
      if (value.empty()) continue;
      if (!text.empty()) text += ",";
      text += name + "=\"" + value + "\"";
    }

    double weight = 1;
    if (second.multiplier) weight = *second.multiplier;
    if (self.multiplier) weight = *self.multiplier;
    const bool pair = other != nullptr && type != "database";
    Values& values = edges[text];
    values.requests += weight;
    if (self.failed || second.failed) values.failed += weight;
    values.client_seconds += weight * (pair ? client.seconds : self.seconds);
    values.server_seconds += weight * (pair ? server.seconds : self.seconds);
    if (type == "messaging_system" && server.start > client.end) {
      values.messaging_seconds += weight * static_cast<double>(server.start - client.end) / 1e9;
      values.messages += weight;
    }
    ++stats["edges_total{" + (type.empty() ? "call" : type) + "}"];
  }

  const ServiceGraphsOptions options_;
  const bool otel_;
  std::map<Key, Waits> waiting_;
  std::map<std::pair<Key, bool>, Marked> marks_;
  uint64_t order_ = 0;
};

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  bool OneIn(unsigned n) { return random_() % n == 0; }
  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  GeneratorOptions Options(GeneratorOptions options) {
    if (OneIn(3)) options.naming = Naming::kOtel;
    ServiceGraphsOptions& service_graphs = options.service_graphs;
    constexpr uint64_t kItems[] = {1, 4, 15, 1000};
    service_graphs.max_items = kItems[Below(4)];
    if (OneIn(2)) service_graphs.dimensions = {"env", "zone"};
    service_graphs.enable_client_server_prefix = OneIn(2);
    service_graphs.enable_virtual_node_label = OneIn(2);
    service_graphs.enable_messaging_system_latency_histogram = true;
    service_graphs.span_multiplier_key = "ratio";
    FilterPolicy policy;
    policy.exclude = {FilterMatch::Type::kStrict, {{"name", std::string("noise")}}};
    service_graphs.filter_policies = {policy};
    return options;
  }

  Texts Attributes(std::initializer_list<const char*> keys, unsigned one_in) {
    Texts texts;
    for (const char* key : keys) {
      if (OneIn(one_in)) texts[key] = OneIn(4) ? "" : std::string(1, 'a' + Below(2)) + key;
    }
    return texts;
  }

  DrawnSpan Span(const std::string& service, const Texts& resource) {
    DrawnSpan span;
    span.service = service;
    span.resource = resource;
    span.attributes = Attributes({"env", "zone", "peer.service", "virtual_node"}, 4);
    const Texts rare = Attributes(
        {"db.name", "db.system", "server.address", "network.peer.address", "network.peer.port"},
        12);
    span.attributes.insert(rare.begin(), rare.end());
    span.trace = Below(6);
    span.request = Below(4);
    span.kind = OneIn(8) ? Below(7) : 2 + Below(4);
    span.root = !span.client() && OneIn(8);
    span.failed = OneIn(4);
    span.filtered = OneIn(8);
    // Eighths of seconds add up exactly.
    span.start = 1'700'000'000'000'000'000 + static_cast<uint64_t>(Below(8)) * 125'000'000;
    span.end = span.start + static_cast<uint64_t>(Below(8)) * 125'000'000;
    if (OneIn(4)) span.ratio = 1.0 / (1 << Below(3));
    return span;
  }

  std::vector<DrawnSpan> Request() {
    std::vector<DrawnSpan> spans;
    const int resources = 1 + Below(4);
    for (int r = 0; r < resources; ++r) {
      const std::string service =
          OneIn(10) ? "" : std::string("service-") + std::to_string(Below(3));
      Texts resource = Attributes({"env", "zone"}, 3);
      const Texts rare = Attributes({"db.system", "server.address", "virtual_node"}, 20);
      resource.insert(rare.begin(), rare.end());
      const int count = Below(6);
      for (int i = 0; i < count; ++i) spans.push_back(Span(service, resource));
    }
    return spans;
  }

 private:
  std::mt19937 random_;
};

TestResource Built(const DrawnSpan& drawn) {
  TestResource resource;
  if (!drawn.service.empty()) resource.attributes.Add("service.name", drawn.service);
  for (const auto& [key, text] : drawn.resource) resource.attributes.Add(key, text);
  TestSpan span = drawn.client() ? ClientSpan(drawn.trace, drawn.request)
                                 : ServerSpan(drawn.trace, drawn.request);
  if (drawn.root) span.parent_span_id.clear();
  span.kind = drawn.kind;
  span.name = drawn.filtered ? "noise" : "signal";
  span.status_code = drawn.failed ? kStatusCodeError : kStatusCodeUnset;
  span.start_nanos = drawn.start;
  span.end_nanos = drawn.end;
  for (const auto& [key, text] : drawn.attributes) span.attributes.Add(key, text);
  if (drawn.ratio) span.attributes.Add("ratio", AnyValue::Double(*drawn.ratio));
  resource.spans.push_back(span);
  return resource;
}

class ServiceGraphsModelTest : public ServiceGraphsTest {
 protected:
  void ExpectEqual(const Model& model) {
    Values requests;
    Values failed;
    Values server;
    Values client;
    Values messaging;
    for (const auto& [labels, values] : model.edges) {
      requests[labels] = values.requests;
      if (values.failed != 0) failed[labels] = values.failed;
      server[labels] = values.server_seconds;
      client[labels] = values.client_seconds;
      if (values.messages != 0) messaging[labels] = values.messaging_seconds;
    }
    EXPECT_EQ(Edges(), requests);
    EXPECT_EQ(ValuesOf(kFailedEdges), failed);
    EXPECT_EQ(ValuesOf(kServerSeconds), server);
    EXPECT_EQ(ValuesOf(kClientSeconds), client);
    EXPECT_EQ(ValuesOf(kMessagingSeconds), messaging);
    for (const auto& [labels, values] : model.edges) {
      EXPECT_EQ(sink_.Find(kServerSeconds, labels)->count(), values.requests);
      EXPECT_EQ(sink_.Find(kClientSeconds, labels)->count(), values.requests);
      const CollectedSeries* messages = sink_.Find(kMessagingSeconds, labels);
      EXPECT_EQ(messages == nullptr ? 0 : messages->count(), values.messages);
    }
  }
};

TEST_F(ServiceGraphsModelTest, RandomSpansGiveTheEdgesOfTheModel) {
  const GeneratorOptions defaults = options_;
  for (unsigned seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Draw draw(seed);
    options_ = draw.Options(defaults);
    Start(nullptr);
    Model model(options_);
    for (int r = 0; r < 60 && !HasFailure(); ++r) {
      const std::vector<DrawnSpan> spans = draw.Request();
      std::vector<TestResource> resources;
      const uint64_t filtered = model.filtered;
      for (const DrawnSpan& span : spans) {
        resources.push_back(Built(span));
        model.Span(span, clock_.MonotonicNanos());
      }
      const ProcessorCounts counts = Send(resources);
      EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), model.filtered - filtered);
      if (draw.OneIn(2)) clock_.Advance(draw.Below(5) * kWait / 4);
      if (draw.OneIn(3)) {
        processor_->Maintain();
        model.Maintain(clock_.MonotonicNanos());
      }
      Values expected = model.stats;
      if (model.waiting() != 0) expected["waiting_spans"] = static_cast<double>(model.waiting());
      if (model.marks() != 0) expected["filtered_spans"] = static_cast<double>(model.marks());
      EXPECT_EQ(Stats(), expected) << "request " << r;
    }
    ExpectEqual(model);
  }
}

}  // namespace
}  // namespace spanmeter::testing
