#include "otlp/http_endpoint.h"

#include <iterator>
#include <strings.h>
#include <utility>
#include <vector>

namespace spanmeter {

namespace {

constexpr std::string_view kPath = "/v1/traces";

// What a client that we have no room for is told to wait; see the gRPC port.
constexpr const char* kRetryAfter = "Retry-After: 1\r\n";

// Requests that are refused are logged this often, with the number of those in between.
constexpr int64_t kRefusalLogInterval = 10 * kNanosPerSecond;

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// By the media type, whatever its parameters are; nullopt for other ones.
std::optional<OtlpEncoding> EncodingOf(std::string_view content_type) {
  const std::string_view type = Trim(content_type.substr(0, content_type.find(';')));
  for (const OtlpEncoding encoding : {OtlpEncoding::kProtobuf, OtlpEncoding::kJson}) {
    if (EqualIgnoringCase(type, MediaType(encoding))) return encoding;
  }
  return std::nullopt;
}

// nullopt for what nothing here undoes.
std::optional<IngestRequest::Compression> CompressionOf(std::string_view content_encoding) {
  const std::string_view coding = Trim(content_encoding);
  if (coding.empty() || EqualIgnoringCase(coding, "identity")) {
    return IngestRequest::Compression::kNone;
  }
  if (EqualIgnoringCase(coding, "gzip") || EqualIgnoringCase(coding, "x-gzip")) {
    return IngestRequest::Compression::kGzip;
  }
  return std::nullopt;
}

// Errors speak the request's encoding; JSON, which people can read, where there is none.
OtlpEncoding EncodingOfErrors(const HttpHead* head) {
  return head == nullptr ? OtlpEncoding::kJson
                         : EncodingOf(head->content_type).value_or(OtlpEncoding::kJson);
}

// OTLP clients repeat requests that are answered 429, 502, 503 or 504, and no others.
int StatusOf(IngestCode code) {
  switch (code) {
    case IngestCode::kOk:
      return 200;
    case IngestCode::kMalformed:
      return 400;
    case IngestCode::kTooLarge:
      return 413;
    case IngestCode::kOverloaded:
    case IngestCode::kTooManyTenants:
      return 429;
    case IngestCode::kCancelled:
      return 503;
    case IngestCode::kUnauthenticated:
      return 401;
  }
  return 503;
}

std::vector<std::string> AllCodes() {
  std::vector<std::string> codes = {"200"};
  for (const int status : kHttpErrors) codes.push_back(std::to_string(status));
  return codes;
}

}  // namespace

HttpEndpoint::HttpEndpoint(const OtlpHttpOptions& options, Tenants* tenants, const Clock* clock,
                           const Logger* logger, SelfMetrics* metrics, RequestTee* tee)
    : max_message_size_(options.max_message_size),
      clock_(clock),
      logger_(logger),
      cors_(options.cors),
      throttle_(clock, kRefusalLogInterval),
      metrics_(metrics, "http", AllCodes(), options.max_in_flight),
      ingest_({options.max_message_size, options.max_in_flight}, tenants,
              metrics_.in_flight_bytes(), tee),
      tokens_("otlp.http", options.tokens, clock, logger, metrics),
      body_budget_(options.max_in_flight) {}

std::optional<HttpReply> HttpEndpoint::AnswerToHead(const HttpHead& head, const std::string& peer) {
  const auto refuse = [&](int status, const std::string& message, std::string_view fields = "") {
    HttpReply reply = Refuse(status, &head, peer, message);
    reply.fields.append(fields);
    return reply;
  };
  if (closing()) {
    return refuse(503, "spanmeter is shutting down; send the request again", kRetryAfter);
  }
  if (head.target.substr(0, head.target.find('?')) != kPath) {
    return refuse(404, "there is nothing here: send spans to " + std::string(kPath));
  }
  // A browser's question has neither token nor body.
  if (cors_.enabled() && head.method == "OPTIONS") {
    HttpReply reply;
    reply.status = 204;
    reply.fields = cors_.PreflightFieldsFor(head.origin, head.asks_for_headers);
    return reply;
  }
  if (head.method != "POST") {
    return refuse(405, "spans are sent by POST",
                  cors_.enabled() ? "Allow: POST, OPTIONS\r\n" : "Allow: POST\r\n");
  }
  if (const std::string refusal = tokens_.Check(head.authorizations, head.tenants);
      !refusal.empty()) {
    return refuse(401, refusal, "WWW-Authenticate: Bearer realm=\"spanmeter\"\r\n");
  }
  if (!EncodingOf(head.content_type)) {
    return refuse(415,
                  "spans are taken as application/x-protobuf or application/json: say which in "
                  "Content-Type");
  }
  if (!CompressionOf(head.content_encoding)) {
    return refuse(415, "bodies are taken plain or compressed with gzip: see Content-Encoding",
                  "Accept-Encoding: gzip\r\n");
  }
  if (head.has_other_coding) {
    return refuse(501, "bodies are taken in chunks or in one piece: see Transfer-Encoding");
  }
  if (head.content_length.value_or(0) > max_message_size_) {
    return AnswerToBroken(HttpParser::Step::kBodyTooLarge, &head, peer);
  }
  if (!head.expect.empty() && !EqualIgnoringCase(head.expect, "100-continue")) {
    return refuse(417, "nothing can be expected but 100-continue: see Expect");
  }
  return std::nullopt;
}

HttpReply HttpEndpoint::AnswerToBroken(HttpParser::Step step, const HttpHead* head,
                                       const std::string& peer) {
  switch (step) {
    case HttpParser::Step::kHeadTooLarge:
      return Refuse(431, head, peer,
                    "the header has more than " + std::to_string(kMaxHeadBytes) + " bytes or " +
                        std::to_string(kMaxHeaderFields) + " fields");
    case HttpParser::Step::kBodyTooLarge:
      return Refuse(413, head, peer,
                    "the request is larger than max_message_size (" +
                        std::to_string(max_message_size_) + " bytes); send smaller batches");
    case HttpParser::Step::kNoRoom: {
      HttpReply reply = Refuse(429, head, peer,
                               "too many bytes are being received (otlp.http.max_in_flight); send "
                               "the request again later");
      reply.fields.append(kRetryAfter);
      return reply;
    }
    default:
      return Refuse(400, head, peer, "this is no HTTP/1 request");
  }
}

HttpReply HttpEndpoint::Handle(const HttpHead& head, std::string_view body, const std::string& peer,
                               const std::function<bool()>& peer_has_left, bool* entered) {
  const int64_t start = clock_->MonotonicNanos();
  const OtlpEncoding encoding = EncodingOf(head.content_type).value_or(OtlpEncoding::kProtobuf);
  *entered = gate_.Enter();
  HttpReply reply;
  std::string reason;
  if (*entered) {
    IngestRequest request;
    request.parts = {&body, 1};
    request.tenants = head.tenants;
    request.generate_metrics = head.generate_metrics;
    request.compression =
        CompressionOf(head.content_encoding).value_or(IngestRequest::Compression::kNone);
    request.encoding = encoding == OtlpEncoding::kJson ? IngestRequest::Encoding::kJson
                                                       : IngestRequest::Encoding::kProtobuf;
    request.given_up = [this, &peer_has_left] { return abandoned_.load() || peer_has_left(); };
    IngestReply ingested = ingest_.Handle(request);
    reply = ToReply(ingested, encoding);
    reason = std::move(ingested.message);
  } else {
    reply = ErrorReply(503, encoding, "spanmeter is shutting down; send the request again");
    reply.fields.append(kRetryAfter);
  }
  reply.fields.append(cors_.FieldsFor(head.origin));
  metrics_.Count(std::to_string(reply.status),
                 static_cast<double>(clock_->MonotonicNanos() - start) / kNanosPerSecond,
                 static_cast<double>(body.size()));
  if (!reason.empty()) Log(reply.status, peer, reason);
  return reply;
}

void HttpEndpoint::Drain(std::chrono::nanoseconds at_most) {
  closing_.store(true);
  gate_.Close();
  gate_.WaitUntilEmpty(at_most);
  abandoned_.store(true);
}

HttpReply HttpEndpoint::ToReply(const IngestReply& reply, OtlpEncoding encoding) const {
  if (reply.code == IngestCode::kOk) {
    return SuccessReply(encoding, reply.rejected_spans, reply.message);
  }
  HttpReply error = ErrorReply(StatusOf(reply.code), encoding, reply.message);
  // Not where no place for the tenant is: it would not help to send it again.
  if (reply.code == IngestCode::kOverloaded || reply.code == IngestCode::kCancelled) {
    error.fields.append(kRetryAfter);
  }
  if (reply.code == IngestCode::kUnauthenticated) {
    error.fields.append("WWW-Authenticate: Bearer realm=\"spanmeter\"\r\n");
  }
  return error;
}

HttpReply HttpEndpoint::Refuse(int status, const HttpHead* head, const std::string& peer,
                               const std::string& message) {
  metrics_.CountRefused(std::to_string(status));
  Log(status, peer, message);
  HttpReply reply = ErrorReply(status, EncodingOfErrors(head), message);
  if (head != nullptr) reply.fields.append(cors_.FieldsFor(head->origin));
  return reply;
}

void HttpEndpoint::Log(int status, const std::string& peer, const std::string& reason) {
  uint64_t suppressed = 0;
  if (!throttle_.Allow(&suppressed)) return;
  logger_->Warn(status == 200 ? "spans of an OTLP request refused" : "OTLP request refused",
                {{"transport", "http"},
                 {"code", std::to_string(status)},
                 {"peer", peer},
                 {"reason", reason},
                 {"more_since_last_line", suppressed}});
}

}  // namespace spanmeter
