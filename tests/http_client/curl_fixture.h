// What the tests of the HTTP client share: a server that misbehaves (misbehaving_receiver.py), and
// a client with options of the test's choice.

#ifndef SPANMETER_TESTS_HTTP_CLIENT_CURL_FIXTURE_H_
#define SPANMETER_TESTS_HTTP_CLIENT_CURL_FIXTURE_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <signal.h>
#include <spawn.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "spanmeter/curl_client.h"
#include "spanmeter/log.h"

#include "support/log_file.h"

namespace spanmeter {

// The system's clock, which a test may put forward.
class ForwardClock final : public Clock {
 public:
  int64_t WallNanos() const override { return system_.WallNanos() + ahead_nanos_; }
  int64_t MonotonicNanos() const override { return system_.MonotonicNanos() + ahead_nanos_; }
  void Advance(int64_t nanos) { ahead_nanos_ += nanos; }

 private:
  SystemClock system_;
  std::atomic<int64_t> ahead_nanos_{0};
};

// The server's process, which lives as long as this.
class MisbehavingReceiver {
 public:
  // With a directory there is TLS as well, with certificates there.
  explicit MisbehavingReceiver(const std::string& directory) {
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> words = {SPANMETER_PYTHON, SPANMETER_MISBEHAVING_RECEIVER};
    if (!directory.empty()) words.push_back(directory);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    std::string line;
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line.push_back(c);
    close(out[0]);
    ports_ = nlohmann::json::parse(line, nullptr, false);
  }
  ~MisbehavingReceiver() {
    close(in_);
    waitpid(pid_, nullptr, 0);
  }
  MisbehavingReceiver(const MisbehavingReceiver&) = delete;
  MisbehavingReceiver& operator=(const MisbehavingReceiver&) = delete;

  bool runs() const { return ports_.is_object(); }
  // "127.0.0.1:PORT"
  std::string Address(const std::string& listener) const {
    return "127.0.0.1:" + std::to_string(ports_.at(listener).get<int>());
  }

 private:
  pid_t pid_ = 0;
  int in_ = -1;
  nlohmann::json ports_;
};

class CurlClientTest : public testing::Test {
 protected:
  explicit CurlClientTest(bool tls = false) {
    std::string name = testing::TempDir() + "spanmeter_curl_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    server_ = std::make_unique<MisbehavingReceiver>(tls ? directory_.string() : "");
    options_.name = "receiver";
    // Only what nothing else ends runs into it.
    options_.remote_timeout = 20 * kNanosPerSecond;
  }
  ~CurlClientTest() override {
    client_.reset();
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  void SetUp() override { ASSERT_TRUE(server_->runs()); }

  std::string Url(const std::string& path, const std::string& listener = "http") const {
    return "http://" + server_->Address(listener) + path;
  }
  std::string WriteFile(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path) << content;
    return path.string();
  }

  // A client for that URL, with the options as they are now.
  void Open(const std::string& url) {
    options_.url = url;
    client_ = NewCurlClient(options_, "spanmeter/test", &clock_, &logger_);
  }
  void Start(uint64_t id, const std::string& body = "body") {
    HttpRequest request;
    request.id = id;
    request.headers = {{"Content-Encoding", "snappy"}, {"X-Scope-OrgID", "tenant"}};
    request.body = body;
    client_->Start(std::move(request));
  }
  // Waits until so many requests are answered; fewer after half a minute.
  std::vector<HttpResponse> Await(size_t count) {
    std::vector<HttpResponse> all;
    const SystemClock clock;
    const int64_t deadline = clock.MonotonicNanos() + 30 * kNanosPerSecond;
    while (all.size() < count && clock.MonotonicNanos() < deadline) {
      for (HttpResponse& response : client_->Wait(kNanosPerSecond)) {
        all.push_back(std::move(response));
      }
    }
    EXPECT_EQ(all.size(), count);
    all.resize(count);
    return all;
  }
  HttpResponse Post(const std::string& body = "body") {
    Start(++last_id_, body);
    HttpResponse response = Await(1).front();
    EXPECT_EQ(response.id, last_id_);
    return response;
  }
  // The same from a client of its own.
  HttpResponse PostTo(const std::string& url) {
    Open(url);
    return Post();
  }
  // What /echo says about the request, or null.
  static nlohmann::json Echo(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.error;
    return nlohmann::json::parse(response.body, nullptr, false);
  }
  // A header that /echo has seen, or "none".
  static std::string Header(const HttpResponse& response, const std::string& name) {
    const nlohmann::json echo = Echo(response);
    if (!echo.is_object()) return "no echo";
    for (const auto& [key, value] : echo.at("headers").items()) {
      if (key == name) return value.get<std::string>();
    }
    return "none";
  }

  std::filesystem::path directory_;
  std::unique_ptr<MisbehavingReceiver> server_;
  RemoteWriteOptions options_;
  ForwardClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  std::unique_ptr<HttpClient> client_;
  uint64_t last_id_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_HTTP_CLIENT_CURL_FIXTURE_H_
