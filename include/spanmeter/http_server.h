// The HTTP port: scrapes, health, and the page at /.

#ifndef SPANMETER_HTTP_SERVER_H_
#define SPANMETER_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spanmeter/api_reply.h"
#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/sample_sink.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// What the server serves. Called from the server's threads, several at a time.
struct HttpContent {
  // Presents the generated series of a tenant, or of all; false when the sink ended the visit.
  std::function<bool(const std::optional<std::string>& tenant, SampleSink*)> visit_generated;
  // Whether there is such a tenant.
  std::function<bool(const std::string& tenant)> has_tenant;
  // Reads the configuration anew; returns what was wrong with it, or an empty text.
  std::function<std::string()> reload;
  // Answers GET /api/v1/PATH?QUERY; neither is decoded.
  std::function<ApiReply(const std::string& path, const std::string& query)> api;
  // Whether requests for spans are being taken, for /-/ready.
  std::function<bool()> ready;
};

// A scrape that was answered to its end.
struct ScrapeRecord {
  std::string path;     // "/metrics"
  std::string format;   // "text", "openmetrics" or "protobuf"
  int64_t time_ms = 0;  // when it began, in ms since the Unix epoch
  double duration_seconds = 0;
  uint64_t bytes = 0;  // of the body as sent
  std::string peer;    // the address without the port
};

// Serves from its construction until Stop() or its destruction. Thread-safe.
class HttpServer {
 public:
  // Returns null and says why in *error when a file of the options cannot be used or the port
  // cannot be opened. All arguments but `options` must outlive the server.
  static std::unique_ptr<HttpServer> Start(const HttpOptions& options, HttpContent content,
                                           const Clock* clock, const Logger* logger,
                                           SelfMetrics* metrics, std::string* error);
  virtual ~HttpServer() = default;

  // "host:port" as bound, with the port that the system chose.
  virtual std::string address() const = 0;
  // The last scrape of each path and peer, newest first, at most 20.
  virtual std::vector<ScrapeRecord> last_scrapes() const = 0;
  // Ends running answers within a few seconds and closes the port. May be called more than once.
  virtual void Stop() = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_HTTP_SERVER_H_
