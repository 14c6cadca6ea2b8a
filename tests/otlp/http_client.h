// An HTTP client for tests that says exactly what it is told, byte by byte, over a real socket.

#ifndef SPANMETER_TESTS_OTLP_HTTP_CLIENT_H_
#define SPANMETER_TESTS_OTLP_HTTP_CLIENT_H_

#include <map>
#include <string>
#include <string_view>

namespace spanmeter::testing {

struct HttpAnswer {
  int status = 0;                             // 0: the connection ended before there was an answer
  std::map<std::string, std::string> fields;  // by names in lower case
  std::string body;
};

// One connection. Whatever takes longer than 30 s is a failure of the test.
class HttpClient {
 public:
  // `address` is "127.0.0.1:PORT".
  explicit HttpClient(const std::string& address);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return connected_; }
  // Sends bytes as they are; what the peer does not take any more is no failure.
  void Send(std::string_view bytes);
  // Says that nothing more will be sent.
  void EndSending();
  // Reads one answer. Interim ones (100 Continue) count as answers.
  HttpAnswer Receive();
  // Whether the peer closes the connection without another byte.
  bool IsClosed();
  // The same without waiting for it.
  bool HasBeenClosed();

  // Sends spans in one piece, with `fields` being whole lines, and reads the answer.
  HttpAnswer Post(std::string_view body, const std::string& content_type,
                  const std::string& fields = "");

 private:
  bool ReadMore();

  int fd_;
  bool connected_ = false;
  std::string in_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_HTTP_CLIENT_H_
