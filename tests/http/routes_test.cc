// What each path answers, and in which form.

#include <cstdio>
#include <future>
#include <latch>
#include <optional>
#include <string>
#include <vector>
#include <zlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/exposition.h"

#include "http/server_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kGeneratedText =
    "# HELP generated_total Generated.\n# TYPE generated_total counter\n"
    "generated_total{series=\"0\"} 0\ngenerated_total{series=\"1\"} 1\n"
    "generated_total{series=\"2\"} 2\n";

const std::vector<std::string>& AllPaths() {
  static const std::vector<std::string> paths = {
      "/",          "/style.css", "/metrics", "/metrics/generated", "/metrics/self",
      "/-/healthy", "/-/ready"};
  return paths;
}

std::string Gunzip(const std::string& compressed) {
  z_stream stream = {};
  inflateInit2(&stream, 16 + MAX_WBITS);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text(16 << 20, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST_F(HttpServerTest, MetricsIsBothHalves) {
  Start();
  const HttpResponse generated = Get("/metrics/generated");
  EXPECT_EQ(generated.status, 200);
  EXPECT_TRUE(generated.complete);
  EXPECT_EQ(generated.body, kGeneratedText);

  const HttpResponse self = Get("/metrics/self");
  EXPECT_EQ(self.status, 200);
  EXPECT_THAT(self.body, HasSubstr("# TYPE spanmeter_http_requests_total counter\n"));
  EXPECT_THAT(self.body, Not(HasSubstr("generated_total")));

  const HttpResponse both = Get("/metrics");
  EXPECT_EQ(both.status, 200);
  EXPECT_THAT(both.body, StartsWith(kGeneratedText));
  EXPECT_THAT(both.body, HasSubstr("# TYPE spanmeter_http_requests_total counter\n"));
}

TEST_F(HttpServerTest, AcceptChoosesTheFormat) {
  Start();
  const HttpResponse text = Get("/metrics/generated");
  EXPECT_EQ(text.headers.at("content-type"), ContentType(ExpositionFormat::kText));

  const HttpResponse open_metrics =
      Get("/metrics/generated",
          "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
          "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n");
  EXPECT_EQ(open_metrics.headers.at("content-type"), ContentType(ExpositionFormat::kOpenMetrics));
  EXPECT_THAT(open_metrics.body, HasSubstr("# TYPE generated counter\n"));
  EXPECT_TRUE(open_metrics.body.ends_with("\n# EOF\n"));
  EXPECT_THAT(open_metrics.body, Not(HasSubstr("_created")));

  const HttpResponse protobuf =
      Get("/metrics/generated",
          "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited\r\n");
  EXPECT_EQ(protobuf.headers.at("content-type"), ContentType(ExpositionFormat::kProtobuf));
  EXPECT_THAT(protobuf.body, HasSubstr(std::string("\x0a\x0fgenerated_total\x12\x0aGenerated.")));

  // Several fields of one name are one list.
  const HttpResponse split = Get(
      "/metrics/generated", "Accept: text/plain;q=0.1\r\naccept: application/openmetrics-text\r\n");
  EXPECT_EQ(split.headers.at("content-type"), ContentType(ExpositionFormat::kOpenMetrics));
}

TEST_F(HttpServerTest, CreatedSamplesAreConfigurable) {
  options_.openmetrics_created = true;
  Start();
  EXPECT_THAT(Get("/metrics/generated", "Accept: application/openmetrics-text\r\n").body,
              HasSubstr("generated_created{series=\"0\"} 1700000000.000\n"));
}

TEST_F(HttpServerTest, GzipWhereItIsAccepted) {
  visit_ = [](SampleSink* sink) { return VisitSeries(100'000, sink); };
  Start();
  const HttpResponse plain = Get("/metrics/generated");
  EXPECT_FALSE(plain.headers.contains("content-encoding"));
  EXPECT_EQ(plain.headers.at("vary"), "Accept, Accept-Encoding");
  const HttpResponse compressed = Get("/metrics/generated", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(compressed.headers.at("content-encoding"), "gzip");
  EXPECT_TRUE(compressed.complete);
  EXPECT_LT(compressed.body.size(), plain.body.size() / 4);
  EXPECT_TRUE(Gunzip(compressed.body) == plain.body);
}

TEST_F(HttpServerTest, LargeBodiesArriveWhole) {
  visit_ = [](SampleSink* sink) { return VisitSeries(300'000, sink); };
  Start();
  const HttpResponse response = Get("/metrics/generated");
  EXPECT_EQ(response.headers.at("transfer-encoding"), "chunked");
  EXPECT_TRUE(response.complete);
  std::string expected;
  const auto encoder = NewEncoder({}, [&expected](std::string_view chunk) {
    expected += chunk;
    return true;
  });
  VisitSeries(300'000, encoder.get());
  encoder->Finish();
  EXPECT_TRUE(response.body == expected);
}

TEST_F(HttpServerTest, HealthAndReadiness) {
  Start();
  EXPECT_EQ(Get("/-/healthy").status, 200);
  EXPECT_EQ(Get("/-/ready").status, 200);
  EXPECT_EQ(Get("/-/ready").body, "ready\n");
  ready_ = false;
  EXPECT_EQ(Get("/-/healthy").status, 200);
  EXPECT_EQ(Get("/-/ready").status, 503);
  EXPECT_EQ(Get("/-/ready").body, "not ready\n");
}

TEST_F(HttpServerTest, PageLinksEverythingAndLoadsNothingForeign) {
  Start();
  const HttpResponse page = Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  for (const std::string& path : AllPaths()) {
    if (path == "/") continue;
    EXPECT_THAT(page.body, HasSubstr("href=\"" + path.substr(1) + "\""));
  }
  EXPECT_THAT(page.body, Not(HasSubstr("//")));
  EXPECT_THAT(page.body, Not(HasSubstr("<script>")));  // the only one names its file
  EXPECT_THAT(page.body, Not(HasSubstr("style=")));
  const HttpResponse style = Get("/style.css");
  EXPECT_EQ(style.headers.at("content-type"), "text/css; charset=utf-8");
  EXPECT_THAT(style.body, HasSubstr("prefers-color-scheme: dark"));
}

TEST_F(HttpServerTest, EveryAnswerCarriesTheSecurityHeaders) {
  Start();
  std::vector<std::string> paths = AllPaths();
  paths.insert(paths.end(), {"/missing", "/-/reload", "/api/v1/overview"});
  for (const std::string& path : paths) {
    const HttpResponse response = Get(path);
    EXPECT_EQ(response.headers.at("content-security-policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    EXPECT_EQ(response.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(response.headers.at("x-frame-options"), "DENY");
    EXPECT_EQ(response.headers.at("referrer-policy"), "no-referrer");
    EXPECT_EQ(response.headers.at("cross-origin-resource-policy"), "same-origin");
    EXPECT_EQ(response.headers.at("cross-origin-opener-policy"), "same-origin");
    EXPECT_FALSE(response.headers.contains("strict-transport-security"));
    const bool is_file = path == "/" || path == "/style.css";
    EXPECT_EQ(response.headers.at("cache-control"), is_file ? "no-cache" : "no-store") << path;
    EXPECT_EQ(response.headers.at("date"), "Sat, 31 Jan 2026 12:00:00 GMT");
  }
}

TEST_F(HttpServerTest, FilesOfThePageAreSentAgainOnlyWhenTheyChanged) {
  Start();
  const std::string etag = Get("/style.css").headers.at("etag");
  EXPECT_EQ(etag.size(), 34u);
  EXPECT_NE(Get("/").headers.at("etag"), etag);
  HttpConnection connection(address());
  ASSERT_TRUE(connection.Send(
      MakeRequest("GET", "/style.css", "If-None-Match: \"x\", W/" + etag + "\r\n")));
  const std::optional<HttpResponse> response = connection.Receive(/*head=*/true);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 304);
  EXPECT_EQ(response->headers.at("etag"), etag);
  EXPECT_FALSE(response->headers.contains("content-length"));
  // No body followed: the connection is in step.
  ASSERT_TRUE(connection.Send(MakeRequest("GET", "/style.css", "If-None-Match: \"x\"\r\n")));
  EXPECT_EQ(connection.Receive()->status, 200);
}

TEST_F(HttpServerTest, TheApiGetsPathAndQueryAsTheyWereSent) {
  Start();
  const HttpResponse response = Get("/api/v1/tenants/a%2Fb/top?by=x%20y&limit=1");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_EQ(response.body, "{\"path\": \"tenants/a%2Fb/top\", \"query\": \"by=x%20y&limit=1\"}");
}

TEST_F(HttpServerTest, QuestionsBeyondTheLimitAreToldToComeBack) {
  limits_.api_requests = 2;
  std::latch asked(2);
  std::latch go_on(1);
  api_ = [&](const std::string&, const std::string&) {
    asked.count_down();
    go_on.wait();
    return ApiReply{200, "{}"};
  };
  Start();
  auto ask = [this] { return Get("/api/v1/overview"); };
  std::future<HttpResponse> first = std::async(std::launch::async, ask);
  std::future<HttpResponse> second = std::async(std::launch::async, ask);
  asked.wait();
  const HttpResponse refused = Get("/api/v1/overview");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(refused.body,
            "{\"error\": {\"status\": 503, \"message\": \"too many questions at the same time: "
            "ask again\"}}\n");
  EXPECT_EQ(Get("/").status, 200);
  go_on.count_down();
  EXPECT_EQ(first.get().status, 200);
  EXPECT_EQ(second.get().status, 200);
}

TEST_F(HttpServerTest, TheApiTakesNothingButQuestions) {
  Start();
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const HttpResponse response =
        Fetch(address(), method, "/api/v1/overview", "Content-Length: 0\r\n");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.headers.at("content-type"), "application/json");
    EXPECT_THAT(response.body, HasSubstr("\"status\": 405"));
  }
}

TEST_F(HttpServerTest, RemembersTheLastScrapeOfEachPathAndPeer) {
  Start();
  EXPECT_TRUE(server_->last_scrapes().empty());
  Get("/metrics/generated");
  clock_.Advance(kNanosPerSecond);
  const HttpResponse last = Get("/metrics/generated", "Accept: application/openmetrics-text\r\n");
  Fetch(address(), "HEAD", "/metrics");
  std::vector<ScrapeRecord> records;
  // A scrape is recorded after its last byte has left.
  do {
    records = server_->last_scrapes();
  } while (records.empty() || records[0].format != "openmetrics");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].path, "/metrics/generated");
  EXPECT_EQ(records[0].peer, "127.0.0.1");
  EXPECT_EQ(records[0].bytes, last.body.size());
  EXPECT_EQ(records[0].time_ms, clock_.WallNanos() / kNanosPerMilli);
  EXPECT_EQ(records[0].duration_seconds, 0);
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  Start();
  HttpConnection connection(address());
  for (const std::string& path : AllPaths()) {
    HttpResponse get = Get(path);
    ASSERT_TRUE(connection.Send(MakeRequest("HEAD", path)));
    std::optional<HttpResponse> head = connection.Receive(true);
    ASSERT_TRUE(head.has_value()) << path;
    EXPECT_EQ(head->status, get.status) << path;
    EXPECT_EQ(head->headers, get.headers) << path;
  }
  // Nothing followed any of the headers: the connection is in step.
  ASSERT_TRUE(connection.Send(MakeRequest("GET", "/-/healthy")));
  EXPECT_EQ(connection.Receive()->body, "healthy\n");
}

TEST_F(HttpServerTest, UnknownPathsAreNotFoundAndNotEchoed) {
  Start();
  for (const char* path : {"/<script>alert(1)</script>", "/metrics/", "/metrics/x", "/Metrics",
                           "/%6detrics", "/metrics%00", "/style.css/..%2f..%2fetc/passwd"}) {
    const HttpResponse response = Get(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(response.body, "not found\n");
    EXPECT_EQ(response.headers.at("content-type"), "text/plain; charset=utf-8");
    for (const auto& [name, value] : response.headers) {
      EXPECT_THAT(value, Not(HasSubstr("script>"))) << name;
    }
  }
  EXPECT_EQ(Fetch(address(), "POST", "/missing").status, 404);
}

TEST_F(HttpServerTest, UnknownQueryParametersMakeNoDifference) {
  Start();
  EXPECT_EQ(Get("/metrics/generated?name[]=x").body, kGeneratedText);
}

TEST_F(HttpServerTest, OneTenantsSeriesComeAloneAndWithoutThoseOfSpanmeter) {
  Start();
  for (const char* path : {"/metrics?tenant=team%20a", "/metrics/generated?x=1&tenant=team+a"}) {
    const HttpResponse response = Get(path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_THAT(response.body, HasSubstr("generated_total{series=\"0\"} 0\n")) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("series=\"1\""))) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("spanmeter_"))) << path;
  }
}

TEST_F(HttpServerTest, AnUnknownTenantIsNotFoundAndNotEchoed) {
  Start();
  for (const char* path :
       {"/metrics?tenant=<b>", "/metrics?tenant=", "/metrics/self?tenant=team%20a"}) {
    const HttpResponse response = Get(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(response.body, "no such tenant\n") << path;
  }
}

TEST_F(HttpServerTest, ReloadIsOffUnlessItIsConfigured) {
  Start();
  const HttpResponse response =
      Fetch(address(), "POST", "/-/reload", "X-Requested-With: curl\r\nContent-Length: 0\r\n");
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(response.body, HasSubstr("http.enable_lifecycle"));
  EXPECT_EQ(reloads_, 0);
}

TEST_F(HttpServerTest, ReloadTakesAPostThatNoForeignPageCanSend) {
  options_.enable_lifecycle = true;
  Start();
  EXPECT_EQ(Get("/-/reload", "X-Requested-With: curl\r\n").status, 405);
  EXPECT_EQ(Get("/-/reload").headers.at("allow"), "POST");
  const HttpResponse bare = Fetch(address(), "POST", "/-/reload", "Content-Length: 0\r\n");
  EXPECT_EQ(bare.status, 403);
  EXPECT_THAT(bare.body, HasSubstr("X-Requested-With"));
  EXPECT_EQ(reloads_, 0);

  const HttpResponse response =
      Fetch(address(), "POST", "/-/reload", "X-Requested-With: curl\r\nContent-Length: 0\r\n");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "reloaded\n");
  EXPECT_EQ(reloads_, 1);
}

TEST_F(HttpServerTest, AFailedReloadSaysWhy) {
  options_.enable_lifecycle = true;
  reload_ = [] { return std::string("f.toml:1: wrong\n"); };
  Start();
  const HttpResponse response =
      Fetch(address(), "POST", "/-/reload", "X-Requested-With: curl\r\nContent-Length: 0\r\n");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "f.toml:1: wrong\n");
}

TEST_F(HttpServerTest, OtherMethodsAreNotAllowed) {
  Start();
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const HttpResponse response = Fetch(address(), method, "/metrics", "Content-Length: 0\r\n");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.headers.at("allow"), "GET, HEAD");
    EXPECT_EQ(response.body, "method not allowed\n");
  }
}

TEST_F(HttpServerTest, CountsRequestsAndScrapes) {
  Start();
  Get("/missing");
  Get("/missing");
  Get("/-/healthy");
  const size_t size =
      Get("/metrics/generated", "Accept: application/openmetrics-text\r\n").body.size();
  EXPECT_TRUE(SelfShows("spanmeter_http_requests_total{code=\"404\"} 2"));
  EXPECT_TRUE(
      SelfShows("spanmeter_scrapes_total{format=\"openmetrics\",path=\"/metrics/"
                "generated\",result=\"success\"} 1"));
  EXPECT_TRUE(SelfShows("spanmeter_scrape_size_bytes_sum{path=\"/metrics/generated\"} " +
                        std::to_string(size)));
  EXPECT_TRUE(SelfShows("spanmeter_scrape_duration_seconds_count{path=\"/metrics/generated\"} 1"));
}

TEST_F(HttpServerTest, PromtoolAcceptsMetrics) {
  Start();
  Get("/missing");
  const HttpResponse response = Get("/metrics");
  FILE* promtool = popen("PATH=" SPANMETER_TOOLS_BIN ":$PATH promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  std::fwrite(response.body.data(), 1, response.body.size(), promtool);
  EXPECT_EQ(pclose(promtool), 0);
}

}  // namespace
}  // namespace spanmeter
