// HttpServer over CivetWeb (https://github.com/civetweb/civetweb).

#ifndef SPANMETER_SRC_HTTP_CIVETWEB_SERVER_H_
#define SPANMETER_SRC_HTTP_CIVETWEB_SERVER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/http_server.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/tls_context.h"

#include "http/access.h"
#include "http/http_metrics.h"
#include "http/reply.h"
#include "http/scrape_log.h"
#include "http/ui_files.h"

struct mg_connection;
struct mg_context;

namespace spanmeter {

// What protects the server from its peers. CivetWeb serves a connection by one thread from its
// first byte to its last, so peers that are idle or slow must not be able to keep all threads.
struct HttpLimits {
  int threads = 64;
  // Connections beyond the threads' wait here, and then in the kernel's backlog.
  int waiting_connections = 128;
  int request_bytes = 16 * 1024;  // request line and header fields
  // For a request to arrive, and for a stalled reader to take something.
  int request_timeout_ms = 10'000;
  // For the next request on a connection. Ten seconds would keep Prometheus's connections open only
  // at the shortest intervals; a minute would, at the usual ones.
  int keep_alive_timeout_ms = 65'000;
  // With more connections than this open, each is closed after its answer.
  int keep_alive_connections = 32;
  // Each takes about 1 MiB while it runs, plus what the registry needs to be visited.
  int scrapes = 8;
  // Answers of the API being made. Each may walk over many series.
  int api_requests = 4;
  // For the whole answer, however steadily it is taken.
  int64_t answer_nanos = 120 * kNanosPerSecond;
  // For running answers, when the server stops.
  int64_t drain_nanos = 3 * kNanosPerSecond;
};

class CivetWebServer final : public HttpServer {
 public:
  // As HttpServer::Start().
  static std::unique_ptr<CivetWebServer> Start(const HttpOptions& options, const HttpLimits& limits,
                                               HttpContent content, const Clock* clock,
                                               const Logger* logger, SelfMetrics* metrics,
                                               std::string* error);
  ~CivetWebServer() override;

  std::string address() const override { return address_; }
  std::vector<ScrapeRecord> last_scrapes() const override { return scrape_log_.Last(); }
  void Stop() override;

 private:
  struct Callbacks;

  CivetWebServer(const HttpOptions& options, const HttpLimits& limits, HttpContent content,
                 const Clock* clock, const Logger* logger, SelfMetrics* metrics);

  bool Listen(std::string* error);
  int Handle(mg_connection* conn);
  void HandleProtocolError(mg_connection* conn, int status);
  bool ShouldClose(const mg_connection* conn) const;
  int64_t Deadline() const { return clock_->MonotonicNanos() + limits_.answer_nanos; }
  void Answer(const mg_connection* conn, std::string_view path, Reply* reply);
  // Whether the request may go on; else it has been refused.
  bool Allows(const mg_connection* conn, std::string_view path, AccessNeed need, Reply* reply);
  void SendFile(const mg_connection* conn, const UiFile& file, Reply* reply);
  void Api(const mg_connection* conn, std::string_view path, Reply* reply);
  void Scrape(const mg_connection* conn, ScrapePath path, Reply* reply);
  void SendApiError(int status, std::string_view message, const std::string& headers, Reply* reply);
  bool SendScrape(ScrapePath path, const std::optional<std::string>& tenant,
                  const Negotiated& negotiated, Reply* reply);
  void Reload(const mg_connection* conn, Reply* reply);
  void Log(std::string_view message);

  const HttpOptions options_;
  const HttpLimits limits_;
  const HttpContent content_;
  const Clock* const clock_;
  const Logger* const logger_;
  SelfMetrics* const metrics_;
  HttpMetrics http_metrics_;
  ScrapeLog scrape_log_;
  // Both are there as soon as something is served; without TLS the first is not.
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<HttpAccess> access_;
  // ETags of the page's files, by path.
  std::map<std::string_view, std::string> etags_;
  LogThrottle access_throttle_;
  LogThrottle refused_throttle_;
  LogThrottle aborted_throttle_;

  std::string address_;
  std::atomic<int> connections_{0};
  std::atomic<int> requests_{0};      // being answered
  std::atomic<int> scrapes_{0};       // of these
  std::atomic<int> api_requests_{0};  // likewise
  std::atomic<bool> stopping_{false};
  std::counting_semaphore<> drained_{0};  // released when the last request ends while stopping

  Mutex start_mutex_;
  std::string start_problem_ GUARDED_BY(start_mutex_);  // what CivetWeb said last while it started

  Mutex stop_mutex_;
  mg_context* context_ GUARDED_BY(stop_mutex_) = nullptr;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_CIVETWEB_SERVER_H_
