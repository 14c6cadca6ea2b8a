// A deliberately low-level HTTP client: tests send bytes and look at bytes.

#ifndef SPANMETER_TESTS_HTTP_HTTP_CLIENT_H_
#define SPANMETER_TESTS_HTTP_HTTP_CLIENT_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

struct HttpResponse {
  int status = 0;
  std::string reason;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without chunk framing
  // Whether the body had the length that was announced, or its last chunk.
  bool complete = false;
};

// One connection. Every wait is bounded; what takes longer fails the test by an empty answer.
class HttpConnection {
 public:
  // `address` is "host:port". With `receive_buffer` > 0, the kernel keeps at most about so many
  // bytes that were not read.
  explicit HttpConnection(const std::string& address, int receive_buffer = 0);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False when the peer has closed the connection.
  bool Send(std::string_view bytes);
  // Ends the sending side.
  void ShutdownWrites();
  // Reads one response; nullopt when the connection ends before its header does.
  std::optional<HttpResponse> Receive(bool head = false);
  // Reads at least `size` bytes; false when the connection ends before.
  bool ReceiveBytes(size_t size);
  // Whether the peer has closed the connection; waits for it.
  bool PeerCloses();

 private:
  bool ReadMore();

  int fd_ = -1;
  std::string buffer_;  // received, not yet consumed
};

// "METHOD PATH HTTP/1.1" with a Host field and `headers`, each ended by CR LF.
std::string MakeRequest(std::string_view method, std::string_view path,
                        std::string_view headers = "");

// One request on a connection of its own.
HttpResponse Fetch(const std::string& address, std::string_view method, std::string_view path,
                   std::string_view headers = "");

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_HTTP_HTTP_CLIENT_H_
