// Who may ask for what, over the wire: every route with everybody who may come.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ifaddrs.h>
#include <map>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;

// Made by Python's crypt module for "correct horse".
constexpr const char* kHash = "$2b$10$XMO329CrO3ouBrQlbDfj0epnAwxL4n/owP7jc6i9e4BQuJw0VXhdu";
constexpr const char* kScrapeToken = "scrape-0123456789";
constexpr const char* kAdminToken = "admin-0123456789";

// "scraper:correct horse" and so on, as base64 makes them.
constexpr const char* kScraper = "Authorization: Basic c2NyYXBlcjpjb3JyZWN0IGhvcnNl\r\n";
constexpr const char* kAdmin = "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZQ==\r\n";
constexpr const char* kWrongPassword = "Authorization: Basic YWRtaW46d3JvbmcgaG9yc2U=\r\n";
constexpr const char* kUnknownUser = "Authorization: Basic bm9ib2R5OmNvcnJlY3QgaG9yc2U=\r\n";

struct Route {
  const char* method;
  const char* path;
  AccessNeed need;
};

// Every route that there is.
std::vector<Route> Routes() {
  std::vector<Route> routes = {{"GET", "/metrics", AccessNeed::kScrape},
                               {"GET", "/metrics?tenant=team%20a", AccessNeed::kScrape},
                               {"GET", "/metrics/generated", AccessNeed::kScrape},
                               {"GET", "/metrics/self", AccessNeed::kScrape},
                               {"GET", "/-/healthy", AccessNeed::kNone},
                               {"GET", "/-/ready", AccessNeed::kNone},
                               {"POST", "/-/reload", AccessNeed::kAdmin},
                               {"GET", "/api/v1/overview", AccessNeed::kAdmin},
                               {"GET", "/api/v1/", AccessNeed::kAdmin}};
  for (const UiFile& file : UiFiles()) {
    routes.push_back({"GET", file.path.data(), AccessNeed::kAdmin});
  }
  return routes;
}

class HttpRolesTest : public HttpServerTest {
 protected:
  HttpRolesTest() { options_.enable_lifecycle = true; }
  ~HttpRolesTest() override {
    for (const std::string& file : files_) std::filesystem::remove(file);
  }

  std::string File(const std::string& content) {
    files_.push_back(testing::TempDir() + std::to_string(getpid()) + "-role-" +
                     std::to_string(files_.size()));
    Write(files_.back(), content);
    return files_.back();
  }
  static void Write(const std::string& file, const std::string& content) {
    std::ofstream(file + ".new", std::ios::binary) << content;
    std::filesystem::rename(file + ".new", file);
  }
  void AddUsers() {
    options_.users = {{"scraper", {kHash, ""}, HttpRole::kScrape},
                      {"admin", {kHash, ""}, HttpRole::kAdmin}};
  }
  void AddTokens() {
    options_.tokens = {{"s", File(kScrapeToken), HttpRole::kScrape},
                       {"a", File(kAdminToken), HttpRole::kAdmin}};
  }
  static std::string Bearer(const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n";
  }

  // The answer to the route for whoever sends these fields.
  HttpResponse Ask(const Route& route, const std::string& headers) {
    std::string all = headers;
    if (std::string(route.method) == "POST") {
      all += "X-Requested-With: test\r\nContent-Length: 0\r\n";
    }
    return Fetch(address(), route.method, route.path, all);
  }
  // Whether the route is answered so with a need of scrape, and of admin; health always is.
  void Expect(const std::string& headers, int scrape_status, int admin_status) {
    for (const Route& route : Routes()) {
      const HttpResponse response = Ask(route, headers);
      const int expected = route.need == AccessNeed::kNone     ? 200
                           : route.need == AccessNeed::kScrape ? scrape_status
                                                               : admin_status;
      EXPECT_EQ(response.status, expected) << route.path << " " << headers << response.body;
    }
  }
  int Failures(const std::string& reason) {
    const std::string line = "spanmeter_http_auth_failures_total{reason=\"" + reason + "\"} ";
    const std::string self = Get("/metrics/self", Bearer(kScrapeToken)).body;
    const size_t found = self.find(line);
    return found == std::string::npos ? -1 : std::atoi(self.c_str() + found + line.size());
  }

  std::vector<std::string> files_;
};

TEST_F(HttpRolesTest, WithoutCredentialsThisMachineMayDoEverything) {
  Start();
  Expect("", 200, 200);
  // Nobody asks who it is.
  Expect(kWrongPassword, 200, 200);
  EXPECT_EQ(reloads_, 2);
}

TEST_F(HttpRolesTest, UsersMayDoWhatTheirRoleSays) {
  AddUsers();
  Start();
  Expect("", 401, 401);
  Expect(kScraper, 200, 403);
  EXPECT_EQ(reloads_, 0);
  Expect(kAdmin, 200, 200);
  EXPECT_EQ(reloads_, 1);
  Expect(Bearer(kAdminToken), 401, 401);
  Expect("Authorization: Digest x\r\n", 401, 401);
}

TEST_F(HttpRolesTest, TokensMayDoWhatTheirRoleSays) {
  AddTokens();
  Start();
  Expect("", 401, 401);
  Expect(Bearer(kScrapeToken), 200, 403);
  EXPECT_EQ(reloads_, 0);
  Expect(Bearer(kAdminToken), 200, 200);
  EXPECT_EQ(reloads_, 1);
  Expect(Bearer("other-0123456789"), 401, 401);
  Expect(kAdmin, 401, 401);
  // Several are none.
  Expect(Bearer(kAdminToken) + Bearer(kScrapeToken), 401, 401);
  Expect(Bearer(kAdminToken) + Bearer(kAdminToken), 401, 401);
}

TEST_F(HttpRolesTest, WrongNamesAndPasswordsAreRefusedAlike) {
  AddUsers();
  Start();
  const HttpResponse wrong = Get("/metrics", kWrongPassword);
  const HttpResponse unknown = Get("/metrics", kUnknownUser);
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(wrong.body, unknown.body);
  EXPECT_EQ(wrong.headers, unknown.headers);
}

TEST_F(HttpRolesTest, RefusalsSayHowToLogIn) {
  AddUsers();
  Start();
  EXPECT_EQ(Get("/metrics").reason, "Unauthorized");
  EXPECT_EQ(Get("/metrics").headers.at("www-authenticate"),
            "Basic realm=\"spanmeter\", charset=\"UTF-8\"");
  EXPECT_THAT(Get("/").body, HasSubstr("http.users"));
  server_.reset();
  options_.users.clear();
  AddTokens();
  Start();
  EXPECT_EQ(Get("/metrics").headers.at("www-authenticate"), "Bearer realm=\"spanmeter\"");
}

TEST_F(HttpRolesTest, RefusalsOfTheApiAreJson) {
  AddTokens();
  Start();
  const HttpResponse response = Get("/api/v1/<script>");
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_THAT(response.body, testing::StartsWith("{\"error\": {\"status\": 401, \"message\": \""));
  EXPECT_THAT(response.body, Not(HasSubstr("script")));
}

TEST_F(HttpRolesTest, RefusalsAreCountedAndLoggedWithoutSecrets) {
  AddUsers();
  AddTokens();
  Start();
  Get("/metrics", Bearer("secret-0123456789"));
  EXPECT_THAT(Log(), HasSubstr("refused an HTTP request because of who asked"));
  EXPECT_THAT(Log(), HasSubstr("reason=wrong peer=127.0.0.1 path=/metrics"));
  // Others within ten seconds are only counted.
  Get("/metrics", kWrongPassword);
  Get("/metrics");
  Get("/-/reload", "Authorization: secret\r\n");
  Get("/", Bearer(kScrapeToken));
  clock_.Advance(10 * kNanosPerSecond);
  Get("/", kWrongPassword);
  EXPECT_THAT(Log(), HasSubstr("suppressed=4"));
  for (const char* secret : {"secret", "wrong horse", "d3Jvbm", kScrapeToken}) {
    EXPECT_THAT(Log(), Not(HasSubstr(secret)));
  }
  EXPECT_EQ(Failures("wrong"), 3);
  EXPECT_EQ(Failures("missing"), 1);
  EXPECT_EQ(Failures("malformed"), 1);
  EXPECT_EQ(Failures("forbidden"), 1);
  EXPECT_EQ(Failures("limited"), 0);
  EXPECT_EQ(Failures("peer"), 0);
  EXPECT_EQ(Failures("host"), 0);
}

TEST_F(HttpRolesTest, BrokenCredentialsAreRefused) {
  AddUsers();
  Start();
  for (const char* value :
       {"Basic", "Basic ", "Basic !!!!", "Basic YQ", "Basic A",
        "Basic YWRtaW4=", "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==x", "basic",
        "YWRtaW46Y29ycmVjdA==", "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==,Basic YQ=="}) {
    EXPECT_EQ(Get("/metrics", "Authorization: " + std::string(value) + "\r\n").status, 401)
        << value;
  }
  // The scheme's name may be written otherwise.
  EXPECT_EQ(Get("/", "Authorization: bAsIc   YWRtaW46Y29ycmVjdCBob3JzZQ\r\n").status, 200);
}

TEST_F(HttpRolesTest, FilesAreReadAgainWhenTheyChange) {
  options_.users = {{"admin", {"", File(kHash)}, HttpRole::kAdmin}};
  options_.tokens = {{"a", File(kAdminToken), HttpRole::kAdmin}};
  Start();
  EXPECT_EQ(Get("/", kAdmin).status, 200);
  EXPECT_EQ(Get("/", Bearer(kAdminToken)).status, 200);
  Write(files_[0], "$2b$10$" + std::string(53, 'a'));
  Write(files_[1], kScrapeToken);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Get("/", kAdmin).status, 401);
  EXPECT_EQ(Get("/", Bearer(kAdminToken)).status, 401);
  EXPECT_EQ(Get("/", Bearer(kScrapeToken)).status, 200);
}

TEST_F(HttpRolesTest, UnusableFilesPreventTheStart) {
  const auto error_of = [this] {
    std::string error;
    SelfMetrics metrics;
    EXPECT_EQ(HttpServer::Start(options_, {}, &clock_, &logger_, &metrics, &error), nullptr);
    return error;
  };
  options_.users = {{"admin", {"", File("hunter2")}, HttpRole::kAdmin}};
  EXPECT_THAT(error_of(), HasSubstr("the user admin: what " + files_[0]));
  EXPECT_THAT(error_of(), Not(HasSubstr("hunter2")));
  options_.users.clear();
  options_.tokens = {{"a", "/nonexistent/token", HttpRole::kAdmin}};
  EXPECT_THAT(error_of(), HasSubstr("cannot use the token file /nonexistent/token"));
}

TEST_F(HttpRolesTest, NamesThatMayBeAnybodysLeadToMetricsOnly) {
  Start();
  for (const Route& route : Routes()) {
    for (const char* host : {"Host: evil.example\r\n", "Host: evil.example:80\r\n", "Host:\r\n", "",
                             "Host: localhost\r\nHost: evil.example\r\n"}) {
      HttpConnection connection(address());
      ASSERT_TRUE(connection.Send(std::string(route.method) + " " + route.path + " HTTP/1.1\r\n" +
                                  host + "X-Requested-With: x\r\nContent-Length: 0\r\n\r\n"));
      const std::optional<HttpResponse> response = connection.Receive();
      ASSERT_TRUE(response.has_value());
      EXPECT_EQ(response->status, route.need == AccessNeed::kAdmin ? 403 : 200)
          << route.path << " " << host;
      EXPECT_THAT(response->body, Not(HasSubstr("evil")));
    }
  }
  EXPECT_EQ(reloads_, 0);
  EXPECT_THAT(Log(), HasSubstr("reason=host"));
}

// An address of this machine that is no loopback address; empty when there is none.
std::string OutsideAddress() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text,
              sizeof text);
    if (!IsLoopback(text)) found = text;
  }
  freeifaddrs(all);
  return found;
}

class HttpOutsideTest : public HttpRolesTest {
 protected:
  void SetUp() override {
    outside_ = OutsideAddress();
    if (outside_.empty()) GTEST_SKIP() << "this machine has no address but the loopback";
    options_.listen = "0.0.0.0:0";
  }
  HttpResponse FromOutside(const Route& route) {
    const std::string port = address().substr(address().rfind(':'));
    return Fetch(outside_ + port, route.method, route.path,
                 "X-Requested-With: x\r\nContent-Length: 0\r\n");
  }

  std::string outside_;
};

TEST_F(HttpOutsideTest, WithoutCredentialsOtherMachinesMayScrapeOnly) {
  Start();
  for (const Route& route : Routes()) {
    const HttpResponse response = FromOutside(route);
    const bool is_refused = route.need == AccessNeed::kAdmin;
    EXPECT_EQ(response.status, is_refused ? 403 : 200) << route.path;
    if (is_refused) {
      EXPECT_THAT(response.body, HasSubstr("http.users"));
      EXPECT_THAT(response.body, HasSubstr("http.admin_from_anywhere"));
    }
  }
  EXPECT_EQ(reloads_, 0);
  EXPECT_THAT(Log(), HasSubstr("reason=peer peer=" + outside_));
}

TEST_F(HttpOutsideTest, OtherMachinesMayDoEverythingWhenConfigured) {
  options_.admin_from_anywhere = true;
  Start();
  for (const Route& route : Routes()) EXPECT_EQ(FromOutside(route).status, 200) << route.path;
  // By any name.
  EXPECT_EQ(Get("/", "Host: evil.example\r\n").status, 200);
}

}  // namespace
}  // namespace spanmeter
