// What the OTLP/HTTP port answers to a request, without the connection that it came by.

#ifndef SPANMETER_SRC_OTLP_HTTP_ENDPOINT_H_
#define SPANMETER_SRC_OTLP_HTTP_ENDPOINT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/tenants.h"

#include "otlp/body_buffer.h"
#include "otlp/http_cors.h"
#include "otlp/http_parser.h"
#include "otlp/http_reply.h"
#include "otlp/ingest.h"
#include "otlp/request_gate.h"
#include "otlp/request_metrics.h"
#include "otlp/tenant_tokens.h"

namespace spanmeter {

// Thread-safe.
class HttpEndpoint {
 public:
  // The pointers must outlive this; `tee` may be null.
  HttpEndpoint(const OtlpHttpOptions& options, Tenants* tenants, const Clock* clock,
               const Logger* logger, SelfMetrics* metrics, RequestTee* tee);

  // To be called once, before anything else.
  bool LoadTokens(std::string* error) { return tokens_.Load(error); }

  uint64_t max_message_size() const { return max_message_size_; }
  // That of all requests which are not complete.
  BodyBudget* body_budget() { return &body_budget_; }

  // The answer to a request that is decided by its head alone, so that its body need not be read;
  // nullopt for one with spans. `peer` is for the log.
  std::optional<HttpReply> AnswerToHead(const HttpHead& head, const std::string& peer);

  // The answer to a request that ended before its body did, for the reason that `step` is.
  // REQUIRES: kHeadTooLarge, kMalformed, kBodyTooLarge or kNoRoom.
  HttpReply AnswerToBroken(HttpParser::Step step, const HttpHead* head, const std::string& peer);

  // Works on spans in the calling thread, and answers. With *entered the request is inside until
  // Leave() is called, which is when the answer is on its way. `peer_has_left` is as
  // IngestRequest::given_up.
  HttpReply Handle(const HttpHead& head, std::string_view body, const std::string& peer,
                   const std::function<bool()>& peer_has_left, bool* entered);
  void Leave() { gate_.Leave(); }

  // Whether new requests are refused.
  bool closing() const { return closing_.load(std::memory_order_relaxed); }

  // Refuses requests from now on. Returns when the others have been answered, or after that time;
  // nothing is counted any more then.
  void Drain(std::chrono::nanoseconds at_most);

 private:
  HttpReply ToReply(const IngestReply& reply, OtlpEncoding encoding) const;
  // An error, counted and logged.
  HttpReply Refuse(int status, const HttpHead* head, const std::string& peer,
                   const std::string& message);
  void Log(int status, const std::string& peer, const std::string& reason);

  const uint64_t max_message_size_;
  const Clock* const clock_;
  const Logger* const logger_;
  const CorsPolicy cors_;
  LogThrottle throttle_;
  OtlpRequestMetrics metrics_;
  Ingest ingest_;
  TenantTokens tokens_;
  BodyBudget body_budget_;
  RequestGate gate_;
  std::atomic<bool> closing_{false};
  // What is not answered yet will be cut off.
  std::atomic<bool> abandoned_{false};
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_ENDPOINT_H_
