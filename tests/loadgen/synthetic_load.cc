#include "loadgen/synthetic_load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "loadgen/byte_buffers.h"

namespace spanmeter::loadgen {
namespace {

// Even few label sets are sent as several different requests, so that caches do not see one
// request again and again.
constexpr uint64_t kMinPoolRequests = 32;
// Well within any ingestion time range that somebody would configure.
constexpr int64_t kStampIntervalNanos = 20'000'000'000;

// How many values an ordinary attribute takes.
constexpr int kVocabulary = 16;

// The first attributes of each span; further ones are numbered.
constexpr std::string_view kAttributeKeys[] = {
    "http.request.method", "http.route",         "url.path",
    "url.scheme",          "server.address",     "client.address",
    "user_agent.original", "network.protocol",   "thread.name",
    "code.function",       "deployment.version", "enduser.id"};

constexpr Kind kKinds[] = {kServer, kClient, kInternal, kProducer, kConsumer};

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

SyntheticLoad::SyntheticLoad(const LoadOptions& options) : options_(options), random_(20'240'101) {
  const uint64_t label_sets =
      options.label_sets != 0 ? options.label_sets : options.services * options.span_names;
  const uint64_t requests =
      std::max(kMinPoolRequests, (label_sets + options.batch - 1) / options.batch);

  for (int i = 0; i < kVocabulary; ++i) vocabulary_.push_back(RandomText());
  // The label sets are dealt out in random order; a request holds spans of several services, each
  // with its resource, as a collector sends them.
  std::vector<uint64_t> order(label_sets);
  std::iota(order.begin(), order.end(), options.first_label_set);
  std::shuffle(order.begin(), order.end(), random_);
  const int64_t now = NowNanos();
  size_t next_set = 0;
  const MutexLock lock(&mutex_);
  pool_.resize(requests);
  for (Template& t : pool_) {
    std::map<uint64_t, std::vector<SpanFields>> by_service;
    for (uint64_t i = 0; i < options.batch; ++i) {
      const uint64_t label_set = order[next_set];
      next_set = (next_set + 1) % order.size();
      by_service[label_set % options.services].push_back(MakeSpan(label_set));
    }
    RequestEncoder encoder;
    for (const auto& [service, spans] : by_service) {
      const std::string number = std::to_string(service);
      encoder.AddResource({{"service.name", "service-" + number},
                           {"service.namespace", "loadgen"},
                           {"service.instance.id", "service-" + number + "-0"},
                           {"host.name", "host-" + std::to_string(service % 10)},
                           {"telemetry.sdk.language", "cpp"}},
                          spans);
      for (const SpanFields& span : spans) {
        t.durations_nanos.push_back(span.end_unix_nanos - span.start_unix_nanos);
      }
    }
    t.bytes = std::make_shared<const std::string>(encoder.bytes());
    t.times = encoder.times();
    Stamp(now, &t);
  }
}

std::string SyntheticLoad::RandomId(size_t bytes) {
  std::string id(bytes, '\0');
  for (char& c : id) c = static_cast<char>(random_());
  id[0] = 1;  // an id of zeros only is not valid
  return id;
}

std::string SyntheticLoad::RandomText() {
  std::string text(options_.attribute_bytes, 'a');
  for (char& c : text) c = static_cast<char>('a' + random_() % 26);
  return text;
}

SpanFields SyntheticLoad::MakeSpan(uint64_t label_set) {
  const uint64_t name = label_set / options_.services;
  SpanFields span;
  span.trace_id = RandomId(16);
  span.span_id = RandomId(8);
  span.parent_id = RandomId(8);
  span.name = "GET /api/resource/" + std::to_string(name);
  // Kind and status follow from the label set, so that there are exactly as many as asked for.
  span.kind = kKinds[name % std::size(kKinds)];
  span.status = name % 20 == 19 ? kError : kUnset;
  // 0.1 ms to 10 s, every order of magnitude equally often.
  const double exponent = std::uniform_real_distribution<double>(5, 10)(random_);
  span.start_unix_nanos = 0;
  span.end_unix_nanos = static_cast<uint64_t>(std::pow(10, exponent));
  for (uint64_t i = 0; i < options_.attributes; ++i) {
    const std::string key = i < std::size(kAttributeKeys) ? std::string(kAttributeKeys[i])
                                                          : "attribute." + std::to_string(i);
    // Most attributes take few values, which matters to compression; a path or an id does not.
    span.attributes.emplace_back(
        key, i % 4 == 2 ? RandomText() : vocabulary_[random_() % vocabulary_.size()]);
  }
  return span;
}

void SyntheticLoad::Stamp(int64_t now_nanos, Template* t) const {
  // Requests on their way share the old bytes, so they must not change.
  std::string bytes = *t->bytes;
  for (size_t i = 0; i < t->times.size(); ++i) {
    const size_t start = t->times[i].start;
    const auto end_nanos = static_cast<uint64_t>(now_nanos);
    PatchFixed64(start, end_nanos - t->durations_nanos[i], &bytes);
    PatchFixed64(start + RequestEncoder::TimePosition::kEndAfterStart, end_nanos, &bytes);
  }
  t->bytes = std::make_shared<const std::string>(std::move(bytes));
  t->message = options_.gzip ? GzipBuffer(*t->bytes) : PlainBuffer(t->bytes);
  t->stamped_nanos = now_nanos;
}

Batch SyntheticLoad::Next() {
  const int64_t now = NowNanos();
  const MutexLock lock(&mutex_);
  Template& t = pool_[next_];
  next_ = (next_ + 1) % pool_.size();
  if (now - t.stamped_nanos > kStampIntervalNanos) Stamp(now, &t);
  return {t.message, t.times.size()};
}

}  // namespace spanmeter::loadgen
