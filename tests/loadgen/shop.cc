#include "loadgen/shop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "loadgen/byte_buffers.h"

namespace spanmeter::loadgen {
namespace {

// Traces that are made at a time: small enough for a steady flow at a moderate rate.
constexpr int kVisitsAtATime = 3;
constexpr double kNanosPerMilli = 1e6;

// A client's network hop to the server that it calls.
constexpr double kHopMs = 0.4;

Step Database(const std::string& service, const std::string& operation, const std::string& table,
              double median_ms) {
  Step step;
  step.service = service;
  step.kind = kClient;
  step.name = operation + " " + table;
  step.attributes = {{"db.system", "postgresql"},
                     {"db.name", "shop"},
                     {"db.operation", operation},
                     {"db.sql.table", table},
                     {"server.address", "db.shop.internal"},
                     {"server.port", int64_t{5432}}};
  step.median_ms = median_ms;
  step.spread = 0.8;
  step.error_rate = 0.002;
  step.error = "canceling statement due to statement timeout";
  return step;
}

Step Cache(const std::string& service, const std::string& command) {
  Step step;
  step.service = service;
  step.kind = kClient;
  step.name = command;
  step.attributes = {{"db.system", "redis"},
                     {"db.operation", command},
                     {"server.address", "cache.shop.internal"},
                     {"server.port", int64_t{6379}}};
  step.median_ms = 0.7;
  return step;
}

Step Internal(const std::string& service, const std::string& name, double median_ms) {
  Step step;
  step.service = service;
  step.name = name;
  step.attributes = {{"code.function", name}};
  step.median_ms = median_ms;
  return step;
}

Step HttpServer(const std::string& service, const std::string& method, const std::string& route,
                double median_ms, std::vector<Step> children) {
  Step step;
  step.service = service;
  step.kind = kServer;
  step.name = method + " " + route;
  step.attributes = {{"http.request.method", method},
                     {"http.route", route},
                     {"url.scheme", "http"},
                     {"http.response.status_code", int64_t{200}}};
  step.median_ms = median_ms;
  step.spread = 0.5;
  step.children = std::move(children);
  return step;
}

Step RpcServer(const std::string& service, const std::string& method, double median_ms,
               std::vector<Step> children) {
  Step step;
  step.service = service;
  step.kind = kServer;
  step.name = method;
  step.attributes = {{"rpc.system", "grpc"},
                     {"rpc.service", method.substr(0, method.find('/'))},
                     {"rpc.method", method.substr(method.find('/') + 1)}};
  step.median_ms = median_ms;
  step.spread = 0.5;
  step.children = std::move(children);
  return step;
}

// The client's side of a call to `server`.
Step Call(const std::string& client, Step server) {
  Step step;
  step.service = client;
  step.kind = kClient;
  step.name = server.name;
  for (const auto& attribute : server.attributes) {
    if (attribute.first != "http.route") step.attributes.push_back(attribute);
  }
  step.attributes.emplace_back("server.address", server.service + ".shop.internal");
  step.median_ms = kHopMs;
  step.children.push_back(std::move(server));
  return step;
}

// A call to somebody who sends no spans.
Step ExternalCall(const std::string& client, const std::string& peer, const std::string& method,
                  double median_ms, double error_rate, const std::string& error) {
  Step step;
  step.service = client;
  step.kind = kClient;
  step.name = method;
  step.attributes = {{"http.request.method", method},
                     {"peer.service", peer},
                     {"server.address", "api." + peer + ".example"}};
  step.median_ms = median_ms;
  step.spread = 0.7;
  step.error_rate = error_rate;
  step.error = error;
  return step;
}

Step Queue(const std::string& producer, const std::string& topic, Step consumer) {
  Step step;
  step.service = producer;
  step.kind = kProducer;
  step.name = topic + " publish";
  step.attributes = {{"messaging.system", "kafka"},
                     {"messaging.destination.name", topic},
                     {"messaging.operation", "publish"}};
  step.median_ms = 1.5;
  consumer.kind = kConsumer;
  consumer.name = topic + " process";
  consumer.attributes = {{"messaging.system", "kafka"},
                         {"messaging.destination.name", topic},
                         {"messaging.operation", "process"}};
  step.children.push_back(std::move(consumer));
  return step;
}

std::vector<std::pair<double, Step>> Visits() {
  const auto catalogue = [] {
    Step search = HttpServer("catalogue", "GET", "/products", 3,
                             {Database("catalogue", "SELECT", "products", 6)});
    search.error_rate = 0.003;
    search.error = "search index is not available";
    return search;
  };
  const auto stock = [] {
    return RpcServer("inventory", "shop.Inventory/GetStock", 1,
                     {Cache("inventory", "GET"), Database("inventory", "SELECT", "stock", 3)});
  };
  const auto cart = [](const std::string& method, const std::string& command) {
    return RpcServer("cart", "shop.Cart/" + method, 1, {Cache("cart", command)});
  };

  Step home = HttpServer("frontend", "GET", "/", 4,
                         {Call("frontend", catalogue()), Internal("frontend", "render", 3)});
  Step product =
      HttpServer("frontend", "GET", "/products/{id}", 4,
                 {Call("frontend", HttpServer("catalogue", "GET", "/products/{id}", 2,
                                              {Database("catalogue", "SELECT", "products", 2)})),
                  Call("frontend", stock()), Internal("frontend", "render", 3)});
  product.error_rate = 0.004;
  product.error = "template not found";
  Step view_cart =
      HttpServer("frontend", "GET", "/cart", 3, {Call("frontend", cart("GetCart", "HGETALL"))});
  Step add_to_cart =
      HttpServer("frontend", "POST", "/cart", 3,
                 {Call("frontend", stock()), Call("frontend", cart("AddItem", "HSET"))});

  Step charge = RpcServer("payment", "shop.Payment/Charge", 5,
                          {ExternalCall("payment", "bank", "POST", 180, 0.03, "card declined"),
                           Database("payment", "INSERT", "payments", 5)});
  Step shipping;
  shipping.service = "shipping";
  shipping.median_ms = 8;
  shipping.error_rate = 0.01;
  shipping.error = "no carrier for this address";
  shipping.children = {Database("shipping", "INSERT", "shipments", 4)};
  Step checkout = HttpServer(
      "frontend", "POST", "/checkout", 5,
      {Call("frontend",
            RpcServer(
                "checkout", "shop.Checkout/PlaceOrder", 6,
                {Internal("checkout", "validate order", 2),
                 Call("checkout", cart("GetCart", "HGETALL")), Call("checkout", charge),
                 Call("checkout", RpcServer("inventory", "shop.Inventory/Reserve", 2,
                                            {Database("inventory", "UPDATE", "stock", 7)})),
                 Database("checkout", "INSERT", "orders", 6), Queue("checkout", "orders", shipping),
                 Call("checkout", cart("Empty", "DEL"))}))});
  return {{30, home}, {45, product}, {10, view_cart}, {10, add_to_cart}, {5, checkout}};
}

Attributes ResourceOf(const std::string& service) {
  return {{"service.name", service},
          {"service.namespace", "shop"},
          {"service.version", "1.4.2"},
          {"service.instance.id", service + "-7d9f6-0"},
          {"deployment.environment", "demo"},
          {"host.name", "node-" + std::to_string(service.size() % 3)},
          {"telemetry.sdk.language", "go"}};
}

}  // namespace

Shop::Shop(bool gzip) : gzip_(gzip), visits_(Visits()), random_(std::random_device()()) {}

std::string Shop::RandomId(size_t bytes) {
  std::string id(bytes, '\0');
  for (char& c : id) c = static_cast<char>(random_());
  if (id.find_first_not_of('\0') == std::string::npos) id[0] = 1;
  return id;
}

bool Shop::Happens(double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

Shop::Outcome Shop::Simulate(const Step& step, double start_ms, const std::string& trace_id,
                             const std::string& parent_id) {
  SpanFields span;
  span.trace_id = trace_id;
  span.span_id = RandomId(8);
  span.parent_id = parent_id;
  span.name = step.name;
  span.kind = step.kind;
  span.attributes = step.attributes;

  const double own_ms =
      step.median_ms * std::lognormal_distribution<double>(0, step.spread)(random_);
  // Half of the operation's own time passes before what it calls, half of it afterwards.
  double now_ms = start_ms + own_ms / 2;
  bool failed = Happens(step.error_rate);
  std::string error = failed ? step.error : "";
  for (const Step& child : step.children) {
    if (failed) break;
    const Outcome outcome = Simulate(child, now_ms, trace_id, span.span_id);
    // Nobody waits for a message to be consumed, and its failure does not reach the producer.
    if (child.kind == kConsumer) continue;
    now_ms = outcome.end_ms;
    if (outcome.failed) {
      failed = true;
      error = child.name + " failed";
    }
  }
  now_ms += own_ms / 2;

  if (failed) {
    span.status = kError;
    span.status_message = error;
    for (auto& [key, value] : span.attributes) {
      if (key == "http.response.status_code") value = int64_t{500};
    }
  }
  span.start_unix_nanos = static_cast<uint64_t>(start_ms * kNanosPerMilli);
  span.end_unix_nanos = static_cast<uint64_t>(now_ms * kNanosPerMilli);
  spans_[step.service].push_back(std::move(span));
  return {now_ms, failed};
}

void Shop::AddVisits() {
  double total_weight = 0;
  for (const auto& visit : visits_) total_weight += visit.first;
  for (int i = 0; i < kVisitsAtATime; ++i) {
    double choice = std::uniform_real_distribution<double>(0, total_weight)(random_);
    const Step* step = &visits_.back().second;
    for (const auto& [weight, candidate] : visits_) {
      if (choice < weight) {
        step = &candidate;
        break;
      }
      choice -= weight;
    }
    Simulate(*step, 0, RandomId(16), "");
  }

  // The traces end now; what they last is in the past.
  uint64_t last = 0;
  for (const auto& [service, spans] : spans_) {
    for (const SpanFields& span : spans) last = std::max(last, span.end_unix_nanos);
  }
  const auto now = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                             std::chrono::system_clock::now().time_since_epoch())
                                             .count());
  for (auto& [service, spans] : spans_) {
    for (SpanFields& span : spans) {
      span.start_unix_nanos += now - last;
      span.end_unix_nanos += now - last;
    }
    RequestEncoder encoder;
    encoder.AddResource(ResourceOf(service), spans);
    ready_.push_back({gzip_ ? GzipBuffer(encoder.bytes())
                            : PlainBuffer(std::make_shared<const std::string>(encoder.bytes())),
                      spans.size()});
  }
  spans_.clear();
}

Batch Shop::Next() {
  const MutexLock lock(&mutex_);
  if (ready_.empty()) AddVisits();
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  return batch;
}

}  // namespace spanmeter::loadgen
