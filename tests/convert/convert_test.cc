// What the cases do not show: hostile files, and that secrets stay where they belong.

#include "spanmeter/convert.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

Conversion Convert(const std::string& text,
                   const std::optional<std::string>& overrides = std::nullopt) {
  std::optional<ConvertFile> file;
  if (overrides) file = ConvertFile{"o.yaml", *overrides};
  return ConvertTempoConfig({"t.yaml", text}, file);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Convert, NeverRepeatsASecretInItsRemarks) {
  const Conversion conversion = Convert(
      "metrics_generator:\n"
      "  storage:\n"
      "    remote_write:\n"
      "      - url: http://me:S3CRET@host/write\n"
      "        headers: {X-Key: S3CRET}\n"
      "      - url: http://host/write\n"
      "        basic_auth: {username: me, password: S3CRET}\n"
      "        unknown: S3CRET\n"
      "        sigv4: {secret_key: S3CRET}\n"
      "      - url: http://host/write\n"
      "        authorization: {credentials: S3CRET}\n"
      "        queue_config: {max_shards: S3CRET, min_backoff: S3CRET}\n"
      "      - url: S3CRET\n"
      "        oauth2: {client_id: a, client_secret: S3CRET, token_url: S3CRET}\n"
      "        bearer_token: {a: S3CRET}\n"
      "overrides:\n"
      "  metrics_generator_remote_write_headers: {A: S3CRET}\n");
  EXPECT_TRUE(Contains(conversion.toml, "password = \"S3CRET\"  # t.yaml:7"));
  EXPECT_FALSE(conversion.remarks.empty());
  EXPECT_FALSE(conversion.errors.empty());
  EXPECT_FALSE(Contains(conversion.remarks, "S3CRET")) << conversion.remarks;
  EXPECT_FALSE(Contains(conversion.errors, "S3CRET")) << conversion.errors;
}

TEST(Convert, KeepsControlCharactersInTheirLines) {
  const Conversion conversion = Convert("metrics_generator:\n  \"a\\nb\\e[31m\": 1\n");
  EXPECT_TRUE(
      Contains(conversion.remarks, "t.yaml:2: metrics_generator.a\\nb\\u001b[31m is unknown"))
      << conversion.remarks;
  EXPECT_FALSE(Contains(conversion.toml, "\x1b"));
  EXPECT_EQ(conversion.errors, "");
}

TEST(Convert, SaysWhereAMapIsMissing) {
  const Conversion conversion = Convert(
      "multitenancy_enabled: true\n"
      "metrics_generator:\n"
      "  processor: [span-metrics]\n"
      "  storage: {remote_write: {url: a}, remote_write_add_org_id_header: maybe}\n"
      "overrides:\n"
      "  defaults: 1\n"
      "  metrics_generator: 2\n"
      "  metrics_generator_remote_write_headers: 3\n",
      "overrides:\n"
      "  a: 4\n"
      "  b: {metrics_generator: 5}\n"
      "  c:\n");
  for (const char* const expected :
       {"t.yaml:3: metrics_generator.processor cannot be converted: it is no map\n",
        "t.yaml:4: metrics_generator.storage.remote_write cannot be converted: it is no list\n",
        "t.yaml:4: metrics_generator.storage.remote_write_add_org_id_header cannot be converted: "
        "it "
        "is neither true nor false\n",
        "t.yaml:6: overrides.defaults cannot be converted: it is no map\n",
        "t.yaml:7: overrides.metrics_generator cannot be converted: it is no map\n",
        "t.yaml:8: overrides.metrics_generator_remote_write_headers cannot be converted: it is no "
        "map\n",
        "o.yaml:2: overrides.a cannot be converted: it is no map\n",
        "o.yaml:3: overrides.b.metrics_generator cannot be converted: it is no map\n"}) {
    EXPECT_TRUE(Contains(conversion.remarks, expected)) << expected << conversion.remarks;
  }
  EXPECT_FALSE(Contains(conversion.remarks, "overrides.c"));
}

TEST(Convert, ReportsSoManyThingsAndNoMore) {
  std::string text = "overrides:\n";
  for (int i = 0; i < 2000; ++i) text += "  key_" + std::to_string(i) + ": 1\n";
  const Conversion conversion = Convert(text);
  EXPECT_TRUE(Contains(conversion.remarks, "\nand 1501 more\n")) << conversion.remarks.size();
}

TEST(Convert, TakesMoreTenantsThanSpanmeterDoesByItself) {
  std::string overrides = "overrides:\n";
  for (int i = 0; i < 150; ++i) {
    overrides += "  t" + std::to_string(i) + ": {metrics_generator: {max_active_series: 5}}\n";
  }
  const Conversion conversion = Convert("multitenancy_enabled: true\n", overrides);
  EXPECT_TRUE(Contains(conversion.toml, "\nmax_tenants = 300  # "));
  EXPECT_EQ(conversion.errors, "");
}

TEST(Convert, LeavesRoomForTheLargestMessages) {
  const std::string grpc = "distributor: {receivers: {otlp: {protocols: {grpc: {endpoint: 'a:1', ";
  const Conversion conversion = Convert(grpc + "max_recv_msg_size_mib: 100}}}}}\n");
  EXPECT_TRUE(Contains(conversion.toml,
                       "max_message_size = \"100MiB\"  # t.yaml:1\n"
                       "max_in_flight = \"400MiB\"  # for max_message_size\n"));
  EXPECT_EQ(conversion.errors, "");
  EXPECT_FALSE(Contains(Convert(grpc + "max_recv_msg_size_mib: 64}}}}}\n").toml, "max_in_flight"));
}

TEST(Convert, TakesManyKeysOfOneTable) {
  std::string text = "metrics_generator:\n  registry:\n    external_labels:\n";
  for (int i = 0; i < 100'000; ++i) text += "      label_" + std::to_string(i) + ": a\n";
  const Conversion conversion = Convert(text);
  EXPECT_TRUE(Contains(conversion.toml, "\nlabel_99999 = \"a\"  # t.yaml:100003\n"));
}

TEST(Convert, LeavesAnOrgIdHeaderAlone) {
  const Conversion conversion = Convert(
      "multitenancy_enabled: true\n"
      "metrics_generator:\n"
      "  storage: {remote_write: [{url: 'http://a/', headers: {x-scope-orgid: all}}]}\n");
  EXPECT_TRUE(Contains(conversion.toml, "\nadd_org_id_header = false"));
  EXPECT_EQ(conversion.errors, "");
}

// In Tempo the map of a tenant takes the place of the one in overrides.defaults; what neither has
// is as the processor is configured.
TEST(Convert, TenantsReplaceTheIntrinsicDimensionsOfTheDefaults) {
  const Conversion conversion = Convert(
      "multitenancy_enabled: true\n"
      "metrics_generator:\n"
      "  processor: {span_metrics: {intrinsic_dimensions: {status_code: false}}}\n"
      "overrides:\n"
      "  defaults:\n"
      "    metrics_generator:\n"
      "      processor: {span_metrics: {intrinsic_dimensions: {span_name: false, status_code: "
      "true}}}\n",
      "overrides:\n"
      "  a:\n"
      "    metrics_generator:\n"
      "      processor: {span_metrics: {intrinsic_dimensions: {span_kind: false}}}\n"
      "  b: {metrics_generator: {max_active_series: 1}}\n");
  const size_t a = conversion.toml.find("[tenants.a]");
  const size_t b = conversion.toml.find("[tenants.b]");
  ASSERT_NE(a, std::string::npos);
  ASSERT_NE(b, std::string::npos);
  EXPECT_EQ(
      conversion.toml.substr(a, b - a),
      "[tenants.a]\n"
      "span_metrics.intrinsic_dimensions.span_name = true  # as without overrides.defaults\n"
      "span_metrics.intrinsic_dimensions.span_kind = false  # o.yaml:4\n"
      "span_metrics.intrinsic_dimensions.status_code = false  # as without overrides.defaults\n\n");
}

TEST(Convert, RefusesAFileOfOverridesThatHasNone) {
  EXPECT_EQ(Convert("overrides: {}\n", "a: 1\n").errors,
            "o.yaml: has no overrides with tenants below: give the file that "
            "overrides.per_tenant_override_config names\n");
}

TEST(Convert, ReportsWhatIsWrongWithBothFiles) {
  const Conversion conversion = Convert("a: [\n", "b: [\n");
  EXPECT_TRUE(Contains(conversion.errors, "t.yaml:"));
  EXPECT_TRUE(Contains(conversion.errors, "o.yaml:"));
  EXPECT_EQ(conversion.toml, "");
}

TEST(LooksLikeTempoConfig, KnowsItsParts) {
  EXPECT_TRUE(LooksLikeTempoConfig("server: {}\ndistributor:\n  receivers: {}\n"));
  EXPECT_TRUE(LooksLikeTempoConfig("metrics_generator:\n"));
  EXPECT_FALSE(LooksLikeTempoConfig("scrape_configs: []\n"));
  EXPECT_FALSE(LooksLikeTempoConfig("[generator]\nstale_duration = \"5m\"\n"));
  EXPECT_FALSE(LooksLikeTempoConfig(""));
  EXPECT_FALSE(LooksLikeTempoConfig("\xFF"));
}

}  // namespace
}  // namespace spanmeter
