// What peers that are slow, broken or many can do to the server, and how it stops.

#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(HttpServerTest, ConnectionsAreKeptAlive) {
  Start();
  HttpConnection connection(address());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(connection.Send(MakeRequest("GET", i % 2 == 0 ? "/metrics" : "/-/healthy")));
    const std::optional<HttpResponse> response = connection.Receive();
    ASSERT_TRUE(response.has_value() && response->complete) << i;
    EXPECT_EQ(response->headers.at("connection"), "keep-alive");
  }
  // Requests may follow each other without waiting for the answers.
  std::string pipelined;
  for (int i = 0; i < 10; ++i) pipelined += MakeRequest("GET", "/-/healthy");
  ASSERT_TRUE(connection.Send(pipelined));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(connection.Receive()->body, "healthy\n");
  ASSERT_TRUE(connection.Send(MakeRequest("GET", "/-/healthy", "Connection: close\r\n")));
  EXPECT_EQ(connection.Receive()->headers.at("connection"), "close");
  EXPECT_TRUE(connection.PeerCloses());
}

TEST_F(HttpServerTest, Http10GetsABodyThatEndsWithTheConnection) {
  Start();
  HttpConnection connection(address());
  ASSERT_TRUE(connection.Send("GET /metrics/generated HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  const std::optional<HttpResponse> response = connection.Receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200);
  EXPECT_FALSE(response->headers.contains("transfer-encoding"));
  EXPECT_EQ(response->headers.at("connection"), "close");
  EXPECT_TRUE(response->body.starts_with("# HELP generated_total"));
  EXPECT_TRUE(response->body.ends_with("{series=\"2\"} 2\n"));
}

// What follows a body must not be taken for a request: a proxy in front may see it differently.
TEST_F(HttpServerTest, RequestsWithABodyEndTheConnection) {
  Start();
  const std::string smuggled = MakeRequest("GET", "/-/healthy");
  for (const std::string& request :
       {MakeRequest("GET", "/-/ready", "Content-Length: 3\r\n") + "abc" + smuggled,
        MakeRequest("GET", "/-/ready", "Content-Length: 0\r\nContent-Length: 3\r\n") + "abc" +
            smuggled,
        MakeRequest("GET", "/-/ready", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + smuggled,
        MakeRequest("POST", "/metrics", "Content-Length: 1000000000\r\n") + "abc"}) {
    HttpConnection connection(address());
    ASSERT_TRUE(connection.Send(request));
    const std::optional<HttpResponse> response = connection.Receive();
    ASSERT_TRUE(response.has_value());
    EXPECT_THAT(response->body, Not(HasSubstr("healthy")));
    EXPECT_EQ(response->headers.at("connection"), "close");
    EXPECT_FALSE(connection.Receive().has_value());
  }
}

TEST_F(HttpServerTest, GarbageIsRefusedWithoutEcho) {
  Start();
  const std::vector<std::string> garbage = {
      "EVIL\r\n\r\n",
      "GET\r\n\r\n",
      "GET /evil\r\n\r\n",
      "GET /evil HTTP/1.1 EVIL\r\nno colon\r\n\r\n",
      "EVIL /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET evil HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /metrics EVIL/1.1\r\nHost: x\r\n\r\n",
      "GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
      "\x16\x03\x01\x02EVIL\r\n\r\n",
      std::string("\0\0\0EVIL\0\r\n\r\n", 12),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nTransfer-Encoding: evil\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nContent-Length: evil\r\n\r\n",
  };
  for (const std::string& bytes : garbage) {
    HttpConnection connection(address());
    ASSERT_TRUE(connection.Send(bytes));
    connection.ShutdownWrites();
    const std::optional<HttpResponse> response = connection.Receive();
    if (response.has_value()) {
      EXPECT_GE(response->status, 400) << bytes;
      EXPECT_LT(response->status, 506) << bytes;
      EXPECT_THAT(response->body, Not(HasSubstr("vil"))) << bytes;
      EXPECT_THAT(response->body, Not(HasSubstr("EVIL"))) << bytes;
      EXPECT_EQ(response->headers.at("x-content-type-options"), "nosniff");
      EXPECT_TRUE(connection.PeerCloses());
    }
  }
  EXPECT_EQ(Get("/-/healthy").status, 200);
}

TEST_F(HttpServerTest, OversizeRequestsAreRefused) {
  limits_.request_bytes = 4096;
  Start();
  EXPECT_EQ(Get("/metrics", "X: " + std::string(5000, 'x') + "\r\n").status, 400);
  EXPECT_EQ(Get("/" + std::string(5000, 'x')).status, 400);
  // Fields that are not looked at might hide a body.
  std::string many;
  for (int i = 0; i < 100; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  const HttpResponse response = Get("/metrics", many);
  EXPECT_EQ(response.status, 431);
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(SelfShows("spanmeter_http_requests_total{code=\"400\"} 2"));
  EXPECT_TRUE(SelfShows("spanmeter_http_requests_total{code=\"431\"} 1"));
}

TEST_F(HttpServerTest, UnfinishedRequestsAreGivenUpAndHarmNobody) {
  Start();
  std::vector<std::unique_ptr<HttpConnection>> idle;
  for (int i = 0; i < limits_.threads - 2; ++i) {
    idle.push_back(std::make_unique<HttpConnection>(address()));
    const std::string_view begun = i % 2 == 0 ? "" : "GET /metrics HTTP/1.1\r\nX: ";
    ASSERT_TRUE(idle.back()->Send(begun));
  }
  EXPECT_EQ(Get("/-/healthy").status, 200);
  for (auto& connection : idle) EXPECT_TRUE(connection->PeerCloses());
  EXPECT_EQ(Get("/-/healthy").status, 200);
}

TEST_F(HttpServerTest, MoreConnectionsThanThreadsAreServedInTurn) {
  Start();
  std::vector<std::unique_ptr<HttpConnection>> connections;
  for (int i = 0; i < 4 * limits_.threads; ++i) {
    connections.push_back(std::make_unique<HttpConnection>(address()));
    ASSERT_TRUE(connections.back()->connected());
    ASSERT_TRUE(connections.back()->Send(MakeRequest("GET", "/-/healthy")));
  }
  int closed = 0;
  for (auto& connection : connections) {
    const std::optional<HttpResponse> response = connection->Receive();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 200);
    if (response->headers.at("connection") == "close") ++closed;
  }
  // With every thread taken, connections are not kept open for a next request.
  EXPECT_GT(closed, 0);
}

TEST_F(HttpServerTest, ScrapesBeyondTheLimitAreToldToComeBack) {
  limits_.scrapes = 2;
  std::latch visiting(2);
  std::latch go_on(1);
  visit_ = [&](SampleSink* sink) {
    visiting.count_down();
    go_on.wait();
    return VisitSeries(1, sink);
  };
  Start();
  auto scrape = [this] { return Get("/metrics/generated"); };
  std::future<HttpResponse> first = std::async(std::launch::async, scrape);
  std::future<HttpResponse> second = std::async(std::launch::async, scrape);
  visiting.wait();
  const HttpResponse refused = Get("/metrics/generated");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(Get("/metrics/self").status, 503);
  EXPECT_EQ(Get("/-/healthy").status, 200);
  go_on.count_down();
  EXPECT_EQ(first.get().status, 200);
  EXPECT_EQ(second.get().status, 200);
  EXPECT_TRUE(SelfShows(
      "spanmeter_scrapes_total{format=\"text\",path=\"/metrics/generated\",result=\"refused\"} 1"));
}

TEST_F(HttpServerTest, StalledScraperIsGivenUpAndHarmsNobody) {
  std::promise<bool> visit_result;
  std::atomic<int> visits{0};
  visit_ = [&](SampleSink* sink) {
    if (visits.fetch_add(1) > 0) return VisitSeries(3, sink);
    visit_result.set_value(VisitForever(sink));
    return false;
  };
  Start();
  HttpConnection stalled(address(), 4096);
  ASSERT_TRUE(stalled.Send(MakeRequest("GET", "/metrics")));
  ASSERT_TRUE(stalled.ReceiveBytes(1000));
  // It takes nothing more. Meanwhile:
  EXPECT_EQ(Get("/-/healthy").status, 200);
  EXPECT_TRUE(Get("/metrics").complete);
  // The visit ends because nothing was taken for the length of the timeout.
  EXPECT_FALSE(visit_result.get_future().get());
  EXPECT_FALSE(stalled.Receive()->complete);
  EXPECT_TRUE(
      SelfShows("spanmeter_scrapes_total{format=\"text\",path=\"/metrics\",result=\"aborted\"} 1"));
}

TEST_F(HttpServerTest, ScraperThatLeavesEndsTheVisit) {
  std::promise<bool> visit_result;
  visit_ = [&](SampleSink* sink) {
    visit_result.set_value(VisitForever(sink));
    return false;
  };
  Start();
  {
    HttpConnection leaving(address());
    ASSERT_TRUE(leaving.Send(MakeRequest("GET", "/metrics")));
    ASSERT_TRUE(leaving.ReceiveBytes(1000));
  }
  EXPECT_FALSE(visit_result.get_future().get());
}

TEST_F(HttpServerTest, AnswerThatTakesTooLongIsCutOff) {
  visit_ = [this](SampleSink* sink) {
    if (!VisitSeries(100'000, sink)) return false;
    clock_.Advance(limits_.answer_nanos + 1);
    return VisitForever(sink);
  };
  Start();
  HttpConnection connection(address());
  ASSERT_TRUE(connection.Send(MakeRequest("GET", "/metrics")));
  const std::optional<HttpResponse> response = connection.Receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200);
  EXPECT_GT(response->body.size(), 100'000U);
  EXPECT_FALSE(response->complete);
}

TEST_F(HttpServerTest, StopLetsRunningScrapesFinish) {
  std::latch visiting(1);
  std::latch go_on(1);
  visit_ = [&](SampleSink* sink) {
    visiting.count_down();
    go_on.wait();
    return VisitSeries(100'000, sink);
  };
  Start();
  std::future<HttpResponse> scrape =
      std::async(std::launch::async, [this] { return Get("/metrics/generated"); });
  visiting.wait();
  // A connection that is open but idle gets no more answers than one.
  HttpConnection idle(address());
  ASSERT_TRUE(idle.Send(MakeRequest("GET", "/-/healthy")));
  EXPECT_EQ(idle.Receive()->status, 200);
  std::thread stopper([this] { server_->Stop(); });
  // Once it is stopping, requests are refused.
  std::optional<HttpResponse> response;
  do {
    if (!idle.Send(MakeRequest("GET", "/-/healthy"))) break;
    response = idle.Receive();
  } while (response.has_value() && response->status == 200);
  if (response.has_value()) {
    EXPECT_EQ(response->status, 503);
    EXPECT_EQ(response->body, "shutting down\n");
  }
  go_on.count_down();
  EXPECT_TRUE(scrape.get().complete);
  stopper.join();
}

TEST_F(HttpServerTest, StopDoesNotWaitForStalledScrapers) {
  limits_.request_timeout_ms = 600'000;
  limits_.drain_nanos = kNanosPerSecond / 100;
  std::promise<bool> visit_result;
  visit_ = [&](SampleSink* sink) {
    visit_result.set_value(VisitForever(sink));
    return false;
  };
  Start();
  HttpConnection stalled(address(), 4096);
  ASSERT_TRUE(stalled.Send(MakeRequest("GET", "/metrics")));
  ASSERT_TRUE(stalled.ReceiveBytes(1000));
  server_->Stop();
  EXPECT_FALSE(visit_result.get_future().get());
}

TEST_F(HttpServerTest, StopClosesThePortAndMayBeRepeated) {
  Start();
  const std::string was = address();
  EXPECT_EQ(Get("/-/healthy").status, 200);
  server_->Stop();
  server_->Stop();
  EXPECT_FALSE(HttpConnection(was).connected());
}

TEST_F(HttpServerTest, ListensOnIpv6) {
  options_.listen = "[::1]:0";
  Start();
  EXPECT_TRUE(address().starts_with("[::1]:")) << address();
  EXPECT_EQ(Get("/-/healthy").status, 200);
}

TEST_F(HttpServerTest, UnspecifiedIpv6AddressMeansBothFamilies) {
  options_.listen = "[::]:0";
  Start();
  const std::string port = address().substr(address().rfind(':'));
  EXPECT_EQ(Fetch("[::1]" + port, "GET", "/-/healthy").status, 200);
  EXPECT_EQ(Fetch("127.0.0.1" + port, "GET", "/-/healthy").status, 200);
}

TEST_F(HttpServerTest, PortInUseIsAnErrorWithTheReason) {
  Start();
  HttpOptions options;
  options.listen = address();
  std::string error;
  SelfMetrics metrics;
  EXPECT_EQ(HttpServer::Start(options, {}, &clock_, &logger_, &metrics, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("cannot listen on " + address()));
  EXPECT_THAT(error, HasSubstr("Address already in use"));
  EXPECT_THAT(error, HasSubstr("http.listen"));
}

TEST_F(HttpServerTest, AddressesThatAreNoneAreErrors) {
  for (const char* listen :
       {"", "9797", ":9797", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:80s",
        "127.0.0.1:x", "127.0.0.1:9797,127.0.0.1:9798", "+80:1", "300.1.1.1:0", "::1:9797",
        "[::1:9797", "[zz]:9797", "a b:9797"}) {
    HttpOptions options;
    options.listen = listen;
    std::string error;
    SelfMetrics metrics;
    EXPECT_EQ(HttpServer::Start(options, {}, &clock_, &logger_, &metrics, &error), nullptr)
        << listen;
    EXPECT_THAT(error, HasSubstr("cannot listen on")) << listen;
  }
}

}  // namespace
}  // namespace spanmeter
