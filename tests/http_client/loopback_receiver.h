// A receiver of remote write within the test's process, over real sockets.

#ifndef SPANMETER_TESTS_HTTP_CLIENT_LOOPBACK_RECEIVER_H_
#define SPANMETER_TESTS_HTTP_CLIENT_LOOPBACK_RECEIVER_H_

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "remote_write/decoded_requests.h"

namespace spanmeter {

// Takes every request, in version 2.0, unless told otherwise. Thread-safe.
class LoopbackReceiver {
 public:
  enum class Manner {
    kTakes,
    kFails,    // 503
    kIsSilent  // reads, and never answers
  };

  explicit LoopbackReceiver(Manner manner = Manner::kTakes) : manner_(manner) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, generic, size), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~LoopbackReceiver() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const int connection : connections_) shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int connection : connections_) close(connection);
    close(listener_);
  }
  LoopbackReceiver(const LoopbackReceiver&) = delete;
  LoopbackReceiver& operator=(const LoopbackReceiver&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/write"; }
  void Set(Manner manner) {
    const std::lock_guard<std::mutex> lock(mutex_);
    manner_ = manner;
  }

  // The points of a series, of all requests that were taken. By tenant when requests name one.
  std::vector<DecodedPoint> Points(const std::string& series,
                                   const std::string& tenant = "") const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return PointsLocked(series, tenant);
  }
  // The value of a series' last point; -1 when there is none.
  double LastValue(const std::string& series, const std::string& tenant = "") const {
    const std::vector<DecodedPoint> points = Points(series, tenant);
    return points.empty() ? -1 : points.back().value;
  }
  // Waits until the series has had this value; false after half a minute.
  bool AwaitValue(const std::string& series, double value, const std::string& tenant = "") {
    return Await([&] {
      const std::vector<DecodedPoint> points = PointsLocked(series, tenant);
      return std::any_of(points.begin(), points.end(),
                         [value](const DecodedPoint& point) { return point.value == value; });
    });
  }
  // Waits until so many requests came, taken or not.
  bool AwaitRequests(size_t count) {
    return Await([&] { return requests_ >= count; });
  }
  std::vector<std::string> Tenants() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> tenants;
    for (const auto& [tenant, requests] : taken_) tenants.push_back(tenant);
    return tenants;
  }
  size_t requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  size_t connections() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return connections_.size();
  }

 private:
  std::vector<DecodedPoint> PointsLocked(const std::string& series,
                                         const std::string& tenant) const {
    const auto of_tenant = taken_.find(tenant);
    if (of_tenant == taken_.end()) return {};
    const auto found = of_tenant->second.find(series);
    return found == of_tenant->second.end() ? std::vector<DecodedPoint>() : found->second.points;
  }
  bool Await(const std::function<bool()>& condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), condition);
  }

  void Accept() {
    for (;;) {
      const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      const std::lock_guard<std::mutex> lock(mutex_);
      connections_.push_back(connection);
      threads_.emplace_back([this, connection] { Serve(connection); });
    }
  }

  void Serve(int connection) {
    std::string bytes;
    const auto read_more = [&] {
      char buffer[65536];
      const ssize_t size = recv(connection, buffer, sizeof buffer, 0);
      if (size > 0) bytes.append(buffer, static_cast<size_t>(size));
      return size > 0;
    };
    for (;;) {
      size_t head_size = 0;
      while ((head_size = bytes.find("\r\n\r\n")) == std::string::npos) {
        if (!read_more()) return;
      }
      const std::map<std::string, std::string> headers = Headers(bytes.substr(0, head_size));
      bytes.erase(0, head_size + 4);
      const size_t body_size = std::stoul(headers.at("content-length"));
      while (bytes.size() < body_size) {
        if (!read_more()) return;
      }
      const std::string answer = Answer(headers, bytes.substr(0, body_size));
      bytes.erase(0, body_size);
      if (!answer.empty()) send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  static std::map<std::string, std::string> Headers(const std::string& head) {
    std::map<std::string, std::string> headers;
    for (size_t at = head.find("\r\n"); at != std::string::npos;) {
      const size_t begin = at + 2;
      at = head.find("\r\n", begin);
      const std::string line = head.substr(begin, at == std::string::npos ? at : at - begin);
      const size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      headers[name] = line.substr(colon + 2);
    }
    return headers;
  }

  std::string Answer(const std::map<std::string, std::string>& headers, const std::string& body) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++requests_;
    changed_.notify_all();
    if (manner_ == Manner::kIsSilent) return "";
    if (manner_ == Manner::kFails) {
      return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    }
    const auto tenant = headers.find("x-scope-orgid");
    std::string plain;
    io::prometheus::write::v2::Request request;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    EXPECT_TRUE(request.ParseFromString(plain));
    Block block;
    block.body = body;
    for (const auto& series : request.timeseries()) {
      block.counts.samples += static_cast<uint64_t>(series.samples_size());
      block.counts.histograms += static_cast<uint64_t>(series.histograms_size());
      block.counts.exemplars += static_cast<uint64_t>(series.exemplars_size());
    }
    DecodeRequest(block, &taken_[tenant == headers.end() ? "" : tenant->second]);
    const std::string prefix = "X-Prometheus-Remote-Write-";
    return "HTTP/1.1 204 No Content\r\n" + prefix +
           "Samples-Written: " + std::to_string(block.counts.samples) + "\r\n" + prefix +
           "Histograms-Written: " + std::to_string(block.counts.histograms) + "\r\n" + prefix +
           "Exemplars-Written: " + std::to_string(block.counts.exemplars) + "\r\n\r\n";
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> threads_;  // the acceptor's

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Manner manner_;
  std::vector<int> connections_;
  size_t requests_ = 0;
  std::map<std::string, DecodedRequests> taken_;  // by tenant
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_HTTP_CLIENT_LOOPBACK_RECEIVER_H_
