#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ConfigResult ParseAgain(const Options& options) {
  return ParseConfig(PrintConfig(options), [](const std::string&) { return std::nullopt; });
}

void ExpectRoundTrip(const Options& options) {
  const ConfigResult again = ParseAgain(options);
  const std::string printed = PrintConfig(options);
  ASSERT_EQ(FormatProblems("printed", again.problems), "") << printed;
  EXPECT_TRUE(again.options == options) << printed;
}

// Differs from the defaults in every key but two kinds of credentials, which exclude the third.
// What is secret reads as it is printed.
RemoteWriteOptions UnusualReceiver() {
  RemoteWriteOptions receiver;
  receiver.url = "https://a/write?x=${y}";
  receiver.name = "A_name.of:9/every-kind";
  receiver.remote_timeout = 100'000'000;
  receiver.headers = {{"X-A", {"<secret>", ""}}, {"X~B.c", {"", "/a \"file\""}}};
  receiver.basic_auth = BasicAuthOptions{"\xC3\xA9 ${me}", {"<secret>", ""}};
  receiver.tls_config = {"/ca", "/cert", "/key", "name", true, TlsVersion::kTls10};
  receiver.proxy_url = "socks5h://me:<secret>@[::1]:1/";
  receiver.follow_redirects = false;
  receiver.protobuf_message = RemoteWriteProtocol::k1;
  receiver.send_exemplars = false;
  receiver.send_native_histograms = false;
  receiver.add_org_id_header = false;
  receiver.write_relabel_configs = {
      {{"__name__", "le"}, "-", "x(.*)", 0, "__name__", "${1}", RelabelRule::Action::kReplace},
      {{}, ";", "le", 0, "", "$1", RelabelRule::Action::kLabelDrop}};
  receiver.metadata_config = {false, 1'000'000'001, 1};
  receiver.queue_config = {1, 2, 0, 1'000'000, 1'000'001, false, 3};
  return receiver;
}

RemoteWriteOptions OtherReceiver() {
  RemoteWriteOptions receiver;
  receiver.url = "http://b";
  receiver.name = "b";
  receiver.authorization = AuthorizationOptions{"Token", {"", "/credentials"}};
  receiver.protobuf_message = RemoteWriteProtocol::k2;
  return receiver;
}

RemoteWriteOptions AnotherReceiver() {
  RemoteWriteOptions receiver;
  receiver.url = "http://c";
  receiver.name = "c";
  receiver.oauth2 = OAuth2Options{"me",
                                  {"<secret>", ""},
                                  {"read", "write"},
                                  "https://me:<secret>@tokens/x",
                                  {{"a b", "${c}"}, {"d", ""}}};
  receiver.tls_config.min_version = TlsVersion::kTls13;
  return receiver;
}

// Differs from the defaults in every key but admin_from_anywhere, which users exclude.
HttpOptions UnusualHttp() {
  HttpOptions http;
  http.listen = "localhost:2";
  http.enable_lifecycle = true;
  http.openmetrics_created = true;
  http.users = {{"\xC3\xA9 ${me}", {"<secret>", ""}, HttpRole::kAdmin},
                {"you", {"", "/hash \"file\""}, HttpRole::kScrape}};
  http.tokens = {{"a \"name\"", "/token", HttpRole::kScrape}, {"b", "/other", HttpRole::kAdmin}};
  http.tls = ServerTlsOptions{"/d", "/e", ""};
  http.tls_min_version = TlsVersion::kTls13;
  return http;
}

// Differs from the defaults in every key, but see above.
Options Unusual() {
  Options options;
  options.log = {LogLevel::kDebug, LogFormat::kJson};
  options.otlp_grpc.listen = "[::1]:1";
  options.otlp_grpc.max_message_size = 1'025;
  options.otlp_grpc.max_in_flight = 1'026;
  options.otlp_grpc.tls = ServerTlsOptions{"/a", "/b \"quoted\"", "/c\\"};
  options.otlp_http = {false,
                       "[::1]:3",
                       1026,
                       1'000'000'000'001,
                       {{"/token", ""}},
                       {{"https://*.example.com"}, {"*"}, 1'500'000'000},
                       ServerTlsOptions{"/f", "/g", "/h"}};
  options.otlp_grpc.tokens = {{"/token \"a\"", "team-a"}, {"/token b", ""}};
  options.http = UnusualHttp();
  options.tenancy = {true, 7};
  options.storage = {"/data \"1\"", 3 << 20, 2 << 20, 1'000'000'001};
  options.remote_write = {UnusualReceiver(), OtherReceiver(), AnotherReceiver()};
  GeneratorOptions& generator = options.generator;
  generator.processors = {true, false, true, true, false, true, true};
  generator.naming = Naming::kOtel;
  generator.inject_tenant_id_as = "tenant";
  generator.external_labels = {
      {"a", "${NOT_A_VARIABLE} $${ $"}, {"b", ""}, {"c", "\n\x01\xC3\xA9"}};
  generator.max_active_series = 1;
  generator.max_active_entities = 2;
  generator.limiter_type = LimiterType::kEntity;
  generator.max_cardinality_per_label = 3;
  generator.span_name_sanitization = SpanNameSanitization::kDryRun;
  generator.generate_native_histograms = HistogramKind::kBoth;
  generator.native_histogram_bucket_factor = 1.5;
  generator.native_histogram_max_bucket_number = 4;
  generator.native_histogram_min_reset_duration = 0;
  generator.relabel = {{{"a", "b"}, "-", "x(.*)", 0, "c", "${1}", RelabelRule::Action::kReplace},
                       {{"a"}, ";", "(.*)", 16, "shard", "$1", RelabelRule::Action::kHashMod},
                       {{}, ";", "pod", 0, "", "$1", RelabelRule::Action::kLabelDrop}};
  generator.stale_duration = 1'000'000'001;
  generator.ingestion_time_range_slack = 0;
  generator.collection_interval = 1'000'000'002;
  generator.max_label_name_length = 0;
  generator.max_label_value_length = 3;
  generator.trace_id_label_name = "trace_id";
  generator.max_span_multiplier = 1e300;
  generator.disable_collection = true;
  SpanMetricsOptions& span_metrics = generator.span_metrics;
  span_metrics.histogram_unit = DurationUnit::kMilliseconds;
  span_metrics.histogram_buckets = {-1, 0, 1e-9, 0.1, 1.0 / 3, 1e21};
  span_metrics.dimensions = {{"http.method"}, {"x\"y", "the \"default\""}};
  span_metrics.dimension_mappings = {{"route", {"a", "b"}, " "}, {"other", {"c"}, ""}};
  span_metrics.enable_target_info = true;
  span_metrics.target_info_excluded_dimensions = {"host.name"};
  span_metrics.enable_instance_label = false;
  span_metrics.span_multiplier_key = "ratio";
  span_metrics.enable_tracestate_span_multiplier = true;
  span_metrics.intrinsic_dimensions = {false, false, false, false, true};
  FilterMatch strict;
  strict.attributes = {{"span.text", "1"},
                       {"span.int", std::numeric_limits<int64_t>::min()},
                       {"span.double", 1.0},
                       {"span.infinite", -std::numeric_limits<double>::infinity()},
                       {"span.\"http.method\"", true}};
  FilterMatch regex;
  regex.match_type = FilterMatch::Type::kRegex;
  regex.attributes = {{"name", "^\\d+${"}};
  FilterPolicy first;
  first.include = strict;
  first.exclude = regex;
  FilterPolicy second;
  second.include_any = FilterMatch();
  span_metrics.filter_policies = {first, second};
  ServiceGraphsOptions& graphs = generator.service_graphs;
  graphs.histogram_buckets = {};
  graphs.wait = 11'000'000;
  graphs.max_items = 5;
  graphs.dimensions = {"zone"};
  graphs.enable_client_server_prefix = true;
  graphs.peer_attributes = {};
  graphs.database_name_attributes = {"x"};
  graphs.enable_messaging_system_latency_histogram = true;
  graphs.enable_virtual_node_label = true;
  graphs.span_multiplier_key = "ratio";
  graphs.enable_tracestate_span_multiplier = true;
  graphs.filter_policies = {second};
  generator.host_info = {{"host"}, "hosts"};
  // A tenant that changes a little of everything, and one that changes nothing.
  GeneratorOptions& tenant = options.tenants["team-a"];
  tenant = generator;
  tenant.external_labels["b"] = "set";
  tenant.span_metrics.dimensions = {};
  tenant.span_metrics.intrinsic_dimensions.service = true;
  tenant.service_graphs.wait = 12'000'000;
  tenant.relabel.clear();
  options.tenants["a.b"] = generator;
  return options;
}

TEST(PrintConfig, ReadsBackAsTheDefaults) { ExpectRoundTrip(Options()); }

TEST(PrintConfig, ReadsBackWhateverIsSet) { ExpectRoundTrip(Unusual()); }

TEST(PrintConfig, ReadsBackEveryChoiceOfProcessors) {
  for (int bits = 0; bits < 128; ++bits) {
    const auto bit = [bits](int i) { return (bits >> i & 1) != 0; };
    Options options;
    options.generator.processors = {bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6)};
    ExpectRoundTrip(options);
  }
}

TEST(PrintConfig, ReadsBackThatTheAdminPartIsForEverybody) {
  Options options;
  options.http.admin_from_anywhere = true;
  options.http.tls_min_version = TlsVersion::kTls13;
  ExpectRoundTrip(options);
}

TEST(PrintConfig, WritesEachSectionOnce) {
  const std::string printed = PrintConfig(Unusual());
  size_t sections = 0;
  for (size_t pos = 0; (pos = printed.find("\n[", pos)) != std::string::npos; ++pos) ++sections;
  // Of each receiver there are four, and storage is one as well.
  EXPECT_EQ(sections, 15u + 1u + 3u * 4u) << printed;
  EXPECT_THAT(printed, HasSubstr("\n[otlp.grpc.tls]\ncert_file = \"/a\"\n"));
}

TEST(PrintConfig, WritesNumbersForPeople) {
  Options options;
  options.generator.span_metrics.histogram_buckets = {0.000'001, 0.5, 1, 1'000'000, 1e21};
  EXPECT_THAT(PrintConfig(options),
              HasSubstr("histogram_buckets = [0.000001, 0.5, 1.0, 1000000.0, 1e+21]\n"));
}

TEST(PrintConfig, WritesReceiversAsTables) {
  const std::string printed = PrintConfig(Unusual());
  EXPECT_THAT(printed, HasSubstr("\n[[remote_write]]\nurl = \"http://b\"\nname = \"b\"\n"));
  EXPECT_THAT(printed, HasSubstr("\n[remote_write.tls_config]\nca_file = \"/ca\"\n"));
  EXPECT_THAT(printed, HasSubstr("\nauthorization = {type = \"Token\", credentials_file = "
                                 "\"/credentials\"}\n"));
  EXPECT_THAT(printed, HasSubstr("\nheaders = {X-A = \"<secret>\", \"X~B.c\" = {file = "
                                 "\"/a \\\"file\\\"\"}}\n"));
}

TEST(PrintConfig, ShowsNoSecretAndStaysAConfiguration) {
  // Everything secret is called so; what is not is there afterwards.
  constexpr std::string_view kToml = R"(
    [[http.users]]
    name = "user0"
    password_hash = "$2y$10$hunterhunterhunterhunterhunterhunterhunterhunterhunte"
    role = "admin"
    [[http.users]]
    name = "user00"
    password_hash_file = "/file00"
    role = "scrape"
    [[remote_write]]
    url = "http://user1:hunter2@host1:1/path1?query1"
    proxy_url = "socks5://user2:hunter2:@hunter2@host2:2"
    headers = {X-Key = "hunter2", X-File = {file = "/file1"}}
    [[remote_write]]
    url = "https://host3"
    basic_auth = {username = "user3", password = "hunter2"}
    headers = {X-Key = "${PASSWORD}"}
    [[remote_write]]
    url = "https://host4"
    authorization = {credentials = "${PASSWORD}"}
    [[remote_write]]
    url = "https://host5"
    [remote_write.oauth2]
    client_id = "user5"
    client_secret = "hunter2"
    token_url = "https://user6:hunter2@host6/path6"
    endpoint_params = {audience = "shown"}
    [[remote_write]]
    url = "https://host7"
    basic_auth = {username = "user7", password_file = "/file7"}
    [[remote_write]]
    url = "https://user8@host8"
    [[remote_write]]
    url = "https://host9"
    basic_auth = {username = "user9"}
  )";
  const ConfigResult result =
      ParseConfig(kToml, [](const std::string&) { return std::optional<std::string>("hunter2"); });
  ASSERT_EQ(FormatProblems("toml", result.problems), "");
  ASSERT_EQ(result.options.remote_write[2].authorization->credentials.text, "hunter2");
  const std::string printed = PrintConfig(result.options);
  EXPECT_THAT(printed, Not(HasSubstr("hunter")));
  EXPECT_THAT(printed, HasSubstr("{name = \"user0\", password_hash = \"<secret>\", role = "
                                 "\"admin\"}"));
  EXPECT_THAT(printed, HasSubstr("{name = \"user00\", password_hash_file = \"/file00\", role = "
                                 "\"scrape\"}"));
  EXPECT_THAT(printed, HasSubstr("url = \"http://user1:<secret>@host1:1/path1?query1\"\n"));
  EXPECT_THAT(printed, HasSubstr("proxy_url = \"socks5://user2:<secret>@host2:2\"\n"));
  EXPECT_THAT(printed, HasSubstr("token_url = \"https://user6:<secret>@host6/path6\""));
  EXPECT_THAT(printed, HasSubstr("{username = \"user3\", password = \"<secret>\"}"));
  EXPECT_THAT(printed, HasSubstr("{type = \"Bearer\", credentials = \"<secret>\"}"));
  EXPECT_THAT(printed, HasSubstr("client_secret = \"<secret>\""));
  EXPECT_THAT(printed, HasSubstr("endpoint_params = {audience = \"shown\"}"));
  EXPECT_THAT(printed, HasSubstr("{username = \"user7\", password_file = \"/file7\"}"));
  EXPECT_THAT(printed, HasSubstr("url = \"https://user8@host8\"\n"));
  EXPECT_THAT(printed, HasSubstr("{username = \"user9\"}"));
  const ConfigResult again = ParseAgain(result.options);
  EXPECT_EQ(FormatProblems("printed", again.problems), "");
  EXPECT_EQ(PrintConfig(again.options), printed);
}

}  // namespace
}  // namespace spanmeter
