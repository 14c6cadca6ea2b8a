#include "http/civetweb_server.h"

#include <array>
#include <chrono>
#include <civetweb.h>
#include <strings.h>
#include <utility>

#include "spanmeter/digest.h"
#include "spanmeter/exposition.h"
#include "spanmeter/quote.h"

#include "http/listen_address.h"
#include "http/place.h"

namespace spanmeter {
namespace {

constexpr std::string_view kApi = "/api/v1/";
constexpr int64_t kLogIntervalNanos = 10 * kNanosPerSecond;

// Requests come with few header fields of one name; these are the values in order, as one list.
std::string JoinedHeader(const mg_request_info& info, const char* name) {
  std::string joined;
  for (int i = 0; i < info.num_headers; ++i) {
    if (strcasecmp(info.http_headers[i].name, name) != 0) continue;
    if (!joined.empty()) joined += ',';
    joined += info.http_headers[i].value;
  }
  return joined;
}

// The decoded value of the first query parameter with this name.
std::optional<std::string> QueryParameter(const mg_request_info& info, const char* name) {
  if (info.query_string == nullptr) return std::nullopt;
  const std::string_view query = info.query_string;
  std::string value(query.size() + 1, '\0');  // decoding never makes it longer
  const int size = mg_get_var(query.data(), query.size(), name, value.data(), value.size());
  if (size < 0) return std::nullopt;
  value.resize(static_cast<size_t>(size));
  return value;
}

const UiFile* FindUiFile(std::string_view path) {
  for (const UiFile& file : UiFiles()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

// A strong validator: another content has another one.
std::string ETag(std::string_view content) {
  constexpr const char* kHex = "0123456789abcdef";
  const Digest digest = Sha256(content);
  std::string etag = "\"";
  for (size_t i = 0; i < 16; ++i) {
    etag.push_back(kHex[digest[i] >> 4]);
    etag.push_back(kHex[digest[i] & 15]);
  }
  return etag + "\"";
}

bool OnlyReads(std::string_view method) { return method == "GET" || method == "HEAD"; }

// CivetWeb reads so many header fields and passes over the others, which may say that there is a
// body.
bool HasTooManyFields(const mg_request_info& info) { return info.num_headers >= MG_MAX_HEADERS; }

}  // namespace

// CivetWeb calls these with the server as its user data.
struct CivetWebServer::Callbacks {
  static CivetWebServer* Self(const mg_connection* conn) {
    return static_cast<CivetWebServer*>(mg_get_user_data(mg_get_context(conn)));
  }
  static int BeginRequest(mg_connection* conn) { return Self(conn)->Handle(conn); }
  static int HttpError(mg_connection* conn, int status, const char*) {
    Self(conn)->HandleProtocolError(conn, status);
    return 0;
  }
  static int InitConnection(const mg_connection* conn, void** is_counted) {
    Self(conn)->connections_.fetch_add(1);
    *is_counted = Self(conn);
    return 0;
  }
  // Also called for connections that failed to shake hands, which were never counted.
  static void ConnectionClose(const mg_connection* conn) {
    if (mg_get_user_connection_data(conn) != nullptr) Self(conn)->connections_.fetch_sub(1);
  }
  // The context stays ours.
  static int ExternalSslContext(void** context, void* self) {
    *context = static_cast<CivetWebServer*>(self)->tls_->get();
    return 1;
  }
  static int LogMessage(const mg_connection* conn, const char* message) {
    Self(conn)->Log(message);
    return 1;
  }
};

std::unique_ptr<HttpServer> HttpServer::Start(const HttpOptions& options, HttpContent content,
                                              const Clock* clock, const Logger* logger,
                                              SelfMetrics* metrics, std::string* error) {
  return CivetWebServer::Start(options, HttpLimits(), std::move(content), clock, logger, metrics,
                               error);
}

std::unique_ptr<CivetWebServer> CivetWebServer::Start(const HttpOptions& options,
                                                      const HttpLimits& limits, HttpContent content,
                                                      const Clock* clock, const Logger* logger,
                                                      SelfMetrics* metrics, std::string* error) {
  std::unique_ptr<CivetWebServer> server(
      new CivetWebServer(options, limits, std::move(content), clock, logger, metrics));
  if (!server->Listen(error)) return nullptr;
  return server;
}

CivetWebServer::CivetWebServer(const HttpOptions& options, const HttpLimits& limits,
                               HttpContent content, const Clock* clock, const Logger* logger,
                               SelfMetrics* metrics)
    : options_(options),
      limits_(limits),
      content_(std::move(content)),
      clock_(clock),
      logger_(logger),
      metrics_(metrics),
      http_metrics_(metrics),
      access_throttle_(clock, kLogIntervalNanos),
      refused_throttle_(clock, kLogIntervalNanos),
      aborted_throttle_(clock, kLogIntervalNanos) {
  mg_init_library(MG_FEATURES_TLS);
  for (const UiFile& file : UiFiles()) etags_[file.path] = ETag(file.content);
}

CivetWebServer::~CivetWebServer() {
  Stop();
  mg_exit_library();
}

bool CivetWebServer::Listen(std::string* error) {
  const std::optional<ListenAddress> listen = ParseListenAddress(options_.listen);
  if (!listen.has_value()) {
    *error = "cannot listen on \"" + options_.listen +
             "\": http.listen must be host:port, an IPv6 address in brackets";
    return false;
  }
  access_ = HttpAccess::Create(options_, clock_, logger_, error);
  if (access_ == nullptr) return false;
  if (options_.tls.has_value()) {
    tls_ =
        TlsContext::Create(*options_.tls, options_.tls_min_version, "http", clock_, logger_, error);
    if (tls_ == nullptr) return false;
  }
  const std::vector<std::pair<const char*, std::string>> settings = {
      {"listening_ports", listen->ForCivetWeb(tls_ != nullptr)},
      {"num_threads", std::to_string(limits_.threads)},
      {"connection_queue", std::to_string(limits_.waiting_connections)},
      {"max_request_size", std::to_string(limits_.request_bytes)},
      {"request_timeout_ms", std::to_string(limits_.request_timeout_ms)},
      {"enable_keep_alive", "yes"},
      {"keep_alive_timeout_ms", std::to_string(limits_.keep_alive_timeout_ms)},
      {"tcp_nodelay", "1"},
      // Paths are compared as they were sent: a decoded NUL would end them early.
      {"decode_url", "no"},
      // The host that a client believes to talk to makes no difference here.
      {"enable_auth_domain_check", "no"},
  };
  std::vector<const char*> civetweb_options;
  for (const auto& [name, value] : settings) {
    civetweb_options.push_back(name);
    civetweb_options.push_back(value.c_str());
  }
  civetweb_options.push_back(nullptr);

  mg_callbacks callbacks = {};
  callbacks.begin_request = &Callbacks::BeginRequest;
  callbacks.http_error = &Callbacks::HttpError;
  callbacks.init_connection = &Callbacks::InitConnection;
  callbacks.connection_close = &Callbacks::ConnectionClose;
  if (tls_ != nullptr) callbacks.external_ssl_ctx = &Callbacks::ExternalSslContext;
  callbacks.log_message = &Callbacks::LogMessage;

  mg_init_data init = {};
  init.callbacks = &callbacks;
  init.user_data = this;
  init.configuration_options = civetweb_options.data();
  MutexLock lock(&stop_mutex_);
  context_ = mg_start2(&init, nullptr);
  mg_server_port bound = {};
  if (context_ == nullptr || mg_get_server_ports(context_, 1, &bound) != 1) {
    MutexLock start_lock(&start_mutex_);
    *error = "cannot listen on " + options_.listen + ": " +
             (start_problem_.empty() ? "the HTTP server does not start" : start_problem_) +
             ": stop what uses the port, or change http.listen";
    return false;
  }
  address_ = listen->host + ":" + std::to_string(bound.port);
  return true;
}

void CivetWebServer::Stop() {
  MutexLock lock(&stop_mutex_);
  if (context_ == nullptr) return;
  stopping_ = true;
  if (requests_ > 0) {
    // Whether they end in time or not, mg_stop() ends them.
    static_cast<void>(drained_.try_acquire_for(std::chrono::nanoseconds(limits_.drain_nanos)));
  }
  mg_stop(context_);
  context_ = nullptr;
}

// CivetWeb's messages may hold what a client sent; the logger escapes them.
void CivetWebServer::Log(std::string_view message) {
  logger_->Debug("http server", {{"message", message}});
  MutexLock lock(&start_mutex_);
  // The first one, while nothing is served yet, is the reason why nothing will be.
  if (start_problem_.empty()) start_problem_ = message;
}

// Answers what CivetWeb itself refuses: malformed, too large or unfinished requests. The connection
// is closed afterwards.
void CivetWebServer::HandleProtocolError(mg_connection* conn, int status) {
  Reply reply(conn, clock_, Reply::Framing::kUntilClosed, false, true, Deadline());
  ReplyHead head;
  head.status = status;
  reply.Send(head, std::string(ReasonPhrase(status)) + "\n");
  http_metrics_.CountRequest(status);
}

bool CivetWebServer::ShouldClose(const mg_connection* conn) const {
  const mg_request_info& info = *mg_get_request_info(conn);
  // A body is not read, so what follows it cannot be found.
  const std::string length = JoinedHeader(info, "Content-Length");
  const bool has_body =
      (!length.empty() && length != "0") || mg_get_header(conn, "Transfer-Encoding") != nullptr;
  const char* connection = mg_get_header(conn, "Connection");
  const bool asked = connection != nullptr && strcasecmp(connection, "keep-alive") != 0;
  return has_body || asked || !OnlyReads(info.request_method) || HasTooManyFields(info) ||
         stopping_ || connections_ > limits_.keep_alive_connections;
}

int CivetWebServer::Handle(mg_connection* conn) {
  requests_.fetch_add(1);
  const mg_request_info& info = *mg_get_request_info(conn);
  const bool http_1_0 = std::string_view(info.http_version) == "1.0";
  Reply reply(conn, clock_, http_1_0 ? Reply::Framing::kUntilClosed : Reply::Framing::kChunked,
              std::string_view(info.request_method) == "HEAD", ShouldClose(conn), Deadline());
  if (stopping_) {
    ReplyHead head;
    head.status = 503;
    reply.Send(head, "shutting down\n");
  } else if (HasTooManyFields(info)) {
    ReplyHead head;
    head.status = 431;
    reply.Send(head, "too many header fields\n");
  } else {
    Answer(conn, info.local_uri, &reply);
  }
  http_metrics_.CountRequest(reply.status());
  if (requests_.fetch_sub(1) == 1 && stopping_) drained_.release();
  return reply.status();
}

void CivetWebServer::Answer(const mg_connection* conn, std::string_view path, Reply* reply) {
  enum class Target : uint8_t { kScrape, kHealthy, kReady, kReload };
  struct Route {
    std::string_view path;
    AccessNeed need;
    Target target;
    ScrapePath scrape_path = ScrapePath::kMetrics;
  };
  static constexpr std::array<Route, 6> kRoutes = {{
      {"/metrics", AccessNeed::kScrape, Target::kScrape, ScrapePath::kMetrics},
      {"/metrics/generated", AccessNeed::kScrape, Target::kScrape, ScrapePath::kGenerated},
      {"/metrics/self", AccessNeed::kScrape, Target::kScrape, ScrapePath::kSelf},
      {"/-/healthy", AccessNeed::kNone, Target::kHealthy},
      {"/-/ready", AccessNeed::kNone, Target::kReady},
      {"/-/reload", AccessNeed::kAdmin, Target::kReload},
  }};

  ReplyHead head;
  const Route* found = nullptr;
  for (const Route& route : kRoutes) {
    if (route.path == path) found = &route;
  }
  const bool is_api = path.starts_with(kApi);
  const UiFile* const file = FindUiFile(path);
  if (found == nullptr && file == nullptr && !is_api) {
    head.status = 404;
    reply->Send(head, "not found\n");
    return;
  }
  // The page's files and the API are for admins.
  const AccessNeed need = found == nullptr ? AccessNeed::kAdmin : found->need;
  if (!Allows(conn, path, need, reply)) return;
  const std::string_view method = mg_get_request_info(conn)->request_method;
  const bool changes = found != nullptr && found->target == Target::kReload;
  if (changes ? method != "POST" : !OnlyReads(method)) {
    head.status = 405;
    head.headers = changes ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";
    if (is_api) return SendApiError(head.status, "method not allowed", head.headers, reply);
    reply->Send(head, "method not allowed\n");
    return;
  }
  if (is_api) return Api(conn, path, reply);
  if (file != nullptr) return SendFile(conn, *file, reply);
  switch (found->target) {
    case Target::kScrape:
      Scrape(conn, found->scrape_path, reply);
      break;
    case Target::kHealthy:
      reply->Send(head, "healthy\n");
      break;
    case Target::kReady: {
      const bool ready = content_.ready();
      if (!ready) head.status = 503;
      reply->Send(head, ready ? "ready\n" : "not ready\n");
      break;
    }
    case Target::kReload:
      Reload(conn, reply);
      break;
  }
}

bool CivetWebServer::Allows(const mg_connection* conn, std::string_view path, AccessNeed need,
                            Reply* reply) {
  if (need == AccessNeed::kNone) return true;
  const mg_request_info& info = *mg_get_request_info(conn);
  AccessRequest request = {need, info.remote_addr, JoinedHeader(info, "Host"),
                           JoinedHeader(info, "Authorization")};
  const AccessVerdict verdict = access_->Check(request);
  Wipe(&request.authorization);
  if (verdict.refusal == AccessRefusal::kNone) return true;
  http_metrics_.CountAuthFailure(verdict.refusal);
  uint64_t suppressed = 0;
  if (access_throttle_.Allow(&suppressed)) {
    logger_->Warn("refused an HTTP request because of who asked",
                  {{"reason", RefusalName(verdict.refusal)},
                   {"peer", info.remote_addr},
                   {"path", path},
                   {"suppressed", suppressed}});
  }
  if (path.starts_with(kApi)) {
    SendApiError(verdict.status, verdict.message, verdict.headers, reply);
  } else {
    ReplyHead head;
    head.status = verdict.status;
    head.headers = verdict.headers;
    reply->Send(head, verdict.message + "\n");
  }
  return false;
}

void CivetWebServer::SendFile(const mg_connection* conn, const UiFile& file, Reply* reply) {
  const std::string& etag = etags_.at(file.path);
  ReplyHead head;
  head.content_type = file.content_type;
  head.cache_control = "no-cache";  // may be kept, but must be asked about
  head.headers = "ETag: " + etag + "\r\n";
  const std::string known = JoinedHeader(*mg_get_request_info(conn), "If-None-Match");
  if (known.find(etag) != std::string::npos) head.status = 304;
  reply->Send(head, file.content);
}

void CivetWebServer::SendApiError(int status, std::string_view message, const std::string& headers,
                                  Reply* reply) {
  ReplyHead head;
  head.status = status;
  head.content_type = "application/json";
  head.headers = headers;
  reply->Send(head, "{\"error\": {\"status\": " + std::to_string(status) +
                        ", \"message\": " + Quoted(message) + "}}\n");
}

void CivetWebServer::Api(const mg_connection* conn, std::string_view path, Reply* reply) {
  const Place place(&api_requests_, limits_.api_requests);
  if (!place.ok()) {
    return SendApiError(503, "too many questions at the same time: ask again", "Retry-After: 1\r\n",
                        reply);
  }
  const char* const query = mg_get_request_info(conn)->query_string;
  const ApiReply answer =
      content_.api(std::string(path.substr(kApi.size())), query == nullptr ? "" : query);
  ReplyHead head;
  head.status = answer.status;
  head.content_type = answer.content_type;
  reply->Send(head, answer.body);
}

void CivetWebServer::Scrape(const mg_connection* conn, ScrapePath path, Reply* reply) {
  const mg_request_info& info = *mg_get_request_info(conn);
  const Negotiated negotiated =
      Negotiate(JoinedHeader(info, "Accept"), JoinedHeader(info, "Accept-Encoding"));
  const std::optional<std::string> tenant = QueryParameter(info, "tenant");
  if (tenant.has_value() && (path == ScrapePath::kSelf || !content_.has_tenant(*tenant))) {
    ReplyHead head;
    head.status = 404;
    reply->Send(head, "no such tenant\n");
    return;
  }
  const Place place(&scrapes_, limits_.scrapes);
  uint64_t suppressed = 0;
  if (!place.ok()) {
    ReplyHead head;
    head.status = 503;
    head.headers = "Retry-After: 1\r\n";
    reply->Send(head, "too many scrapes at the same time\n");
    http_metrics_.CountScrape(path, negotiated.format, ScrapeResult::kRefused);
    if (refused_throttle_.Allow(&suppressed)) {
      logger_->Warn("refused a scrape: too many at the same time",
                    {{"limit", limits_.scrapes}, {"suppressed", suppressed}});
    }
    return;
  }

  const int64_t begin_wall = clock_->WallNanos();
  const int64_t begin = clock_->MonotonicNanos();
  const bool success = SendScrape(path, tenant, negotiated, reply);
  const int64_t nanos = clock_->MonotonicNanos() - begin;
  http_metrics_.CountScrape(path, negotiated.format,
                            success ? ScrapeResult::kSuccess : ScrapeResult::kAborted);
  http_metrics_.ObserveScrape(path, static_cast<double>(nanos) / kNanosPerSecond,
                              reply->body_bytes());
  if (success && !reply->head_only()) {
    scrape_log_.Add({kScrapePaths[static_cast<size_t>(path)], FormatName(negotiated.format),
                     begin_wall / kNanosPerMilli, static_cast<double>(nanos) / kNanosPerSecond,
                     reply->body_bytes(), info.remote_addr});
  }
  if (!success && aborted_throttle_.Allow(&suppressed)) {
    logger_->Warn("a scrape ended early: the scraper went away or was too slow",
                  {{"path", kScrapePaths[static_cast<size_t>(path)]},
                   {"peer", info.remote_addr},
                   {"bytes", reply->body_bytes()},
                   {"duration_ms", nanos / kNanosPerMilli},
                   {"suppressed", suppressed}});
  }
}

void CivetWebServer::Reload(const mg_connection* conn, Reply* reply) {
  ReplyHead head;
  if (!options_.enable_lifecycle) {
    head.status = 403;
    reply->Send(head, "reloading by HTTP is off: set http.enable_lifecycle, or send SIGHUP\n");
    return;
  }
  // A page of another site can make a browser send a POST, but not with a header field of its own.
  if (mg_get_header(conn, "X-Requested-With") == nullptr) {
    head.status = 403;
    reply->Send(head, "the header field X-Requested-With is missing: send it with any value\n");
    return;
  }
  const std::string problem = content_.reload();
  if (!problem.empty()) head.status = 500;
  reply->Send(head, problem.empty() ? "reloaded\n" : problem);
}

bool CivetWebServer::SendScrape(ScrapePath path, const std::optional<std::string>& tenant,
                                const Negotiated& negotiated, Reply* reply) {
  ReplyHead head;
  head.content_type = ContentType(negotiated.format);
  head.headers = "Vary: Accept, Accept-Encoding\r\n";
  if (negotiated.gzip) head.headers += "Content-Encoding: gzip\r\n";
  if (!reply->StartStream(head)) return false;
  if (reply->head_only()) return true;

  EncoderOptions options;
  options.format = negotiated.format;
  options.gzip = negotiated.gzip;
  options.created = options_.openmetrics_created;
  const std::unique_ptr<Encoder> encoder =
      NewEncoder(options, [reply](std::string_view chunk) { return reply->WriteChunk(chunk); });
  if (path != ScrapePath::kSelf && !content_.visit_generated(tenant, encoder.get())) return false;
  // Collected last, so that they tell what presenting the others has changed. They are not one
  // tenant's.
  if (path != ScrapePath::kGenerated && !tenant.has_value() &&
      !VisitFamilies(metrics_->Collect(), encoder.get())) {
    return false;
  }
  return encoder->Finish() && reply->FinishStream();
}

}  // namespace spanmeter
