// The seam between the sender's decisions and the network.

#ifndef SPANMETER_HTTP_CLIENT_H_
#define SPANMETER_HTTP_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace spanmeter {

struct HttpRequest {
  uint64_t id = 0;  // chosen by the caller, distinct among those under way
  // In addition to what the client adds by itself: credentials and configured headers.
  std::map<std::string, std::string> headers;
  std::string body;
  // Set: sent instead of `body`, by somebody who may have to send it again.
  std::shared_ptr<const std::string> shared_body;

  const std::string& content() const { return shared_body != nullptr ? *shared_body : body; }
};

struct HttpResponse {
  uint64_t id = 0;
  int status = 0;  // 0 = no complete answer; `error` then says why
  std::string error;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // its first 4 KiB
  double seconds = 0;                          // from the start of the request
};

// POSTs to one URL, several at a time. All methods but Wake() belong to one thread.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  virtual void Start(HttpRequest request) = 0;
  // Waits for answers, at most until `timeout_nanos` have passed or Wake() was called. Every
  // started request is answered once.
  virtual std::vector<HttpResponse> Wait(int64_t timeout_nanos) = 0;
  // Gives up all requests; they are not answered any more.
  virtual void CancelAll() = 0;
  // From any thread: ends a Wait(), or the next one.
  virtual void Wake() = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_HTTP_CLIENT_H_
