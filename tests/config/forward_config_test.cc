// What [[forward]] becomes.

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kSecond = 1'000'000'000;

ConfigResult Parse(const std::string& toml) {
  return ParseConfig(toml, [](const std::string&) { return std::nullopt; });
}

constexpr char kEverything[] = R"(
  [otlp.grpc]
  max_message_size = "2MiB"

  [otlp.http]
  max_message_size = "2MiB"

  [storage]
  path = "/data"

  [[forward]]
  endpoint = "https://tempo:4318/otlp"
  name = "tempo"
  protocol = "http"
  timeout = "3s"
  compression = "gzip"
  headers = {X-Text = "s3cret", X-File = {file = "/key"}}
  add_org_id_header = false
  required = true
  max_concurrent_requests = 2
  filter_policies = [{exclude = {match_type = "regex", attributes = [{key = "name", value = "GET.*"}]}}]
  filter_effect = "requests"
  tls_config = {ca_file = "/ca", cert_file = "/cert", key_file = "/key", server_name = "name", min_version = "TLS13"}
  queue_config = {max_memory = "2MiB", max_age = "5s", spill = true, max_size = "3MiB", min_backoff = "1s", max_backoff = "2s"}

  [[forward]]
  endpoint = "http://jaeger:4317"
)";

TEST(ForwardConfigTest, EveryKeyArrives) {
  const ConfigResult result = Parse(kEverything);
  ASSERT_EQ(FormatProblems("file", result.problems), "");
  ASSERT_EQ(result.options.forward.size(), 2U);
  ForwardOptions expected;
  expected.endpoint = "https://tempo:4318/otlp";
  expected.name = "tempo";
  expected.protocol = ForwardProtocol::kHttp;
  expected.timeout = 3 * kSecond;
  expected.compression = ForwardCompression::kGzip;
  expected.headers = {{"X-Text", {"s3cret", ""}}, {"X-File", {"", "/key"}}};
  expected.add_org_id_header = false;
  expected.required = true;
  expected.max_concurrent_requests = 2;
  FilterPolicy policy;
  policy.exclude = FilterMatch{FilterMatch::Type::kRegex, {{"name", "GET.*"}}};
  expected.filter_policies = {policy};
  expected.filter_effect = ForwardFilterEffect::kRequests;
  expected.tls_config = {"/ca", "/cert", "/key", "name", false, TlsVersion::kTls13};
  expected.queue_config = {2 << 20, 5 * kSecond, true, 3 << 20, kSecond, 2 * kSecond};
  EXPECT_TRUE(result.options.forward[0] == expected) << PrintConfig(result.options);
  ForwardOptions defaults;
  defaults.endpoint = "http://jaeger:4317";
  defaults.name = "jaeger:4317";
  EXPECT_TRUE(result.options.forward[1] == defaults) << PrintConfig(result.options);
}

TEST(ForwardConfigTest, PrintedConfigurationMeansTheSame) {
  const ConfigResult result = Parse(kEverything);
  std::string printed = PrintConfig(result.options);
  EXPECT_THAT(printed, Not(HasSubstr("s3cret")));
  const std::string hidden = "<secret>";
  printed.replace(printed.find(hidden), hidden.size(), "s3cret");
  const ConfigResult again = Parse(printed);
  EXPECT_EQ(FormatProblems("printed", again.problems), "");
  EXPECT_TRUE(again.options == result.options) << printed;
}

TEST(ForwardConfigTest, OneTableIsNoList) {
  const ConfigResult result = Parse("[forward]\nendpoint = \"http://a:1\"\n");
  EXPECT_THAT(FormatProblems("file", result.problems), HasSubstr("write [[forward]]"));
}

}  // namespace
}  // namespace spanmeter
