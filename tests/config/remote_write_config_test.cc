// [[remote_write]] and [storage]: what is read, and what takes more than the text to judge.

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kSecond = 1'000'000'000;

std::optional<std::string> TestEnvironment(const std::string& name) {
  return name == "SECRET" ? std::optional<std::string>("$s3cret") : std::nullopt;
}

Options Parse(std::string_view toml) {
  const ConfigResult result = ParseConfig(toml, TestEnvironment);
  EXPECT_EQ(FormatProblems("test", result.problems), "");
  return result.options;
}

std::string Problems(std::string_view toml) {
  return FormatProblems("f", ParseConfig(toml, TestEnvironment).problems);
}

// The only receiver of a configuration.
RemoteWriteOptions Receiver(const std::string& toml) {
  const Options options = Parse("[[remote_write]]\n" + toml);
  EXPECT_EQ(options.remote_write.size(), 1u);
  return options.remote_write.empty() ? RemoteWriteOptions() : options.remote_write[0];
}

TEST(RemoteWriteConfig, IsEmptyByDefault) {
  EXPECT_THAT(Parse("").remote_write, IsEmpty());
  EXPECT_THAT(Parse("remote_write = []").remote_write, IsEmpty());
}

TEST(RemoteWriteConfig, NeedsNoMoreThanAUrl) {
  const RemoteWriteOptions receiver = Receiver("url = \"http://localhost:9090/api/v1/write\"");
  RemoteWriteOptions expected;
  expected.url = "http://localhost:9090/api/v1/write";
  expected.name = "localhost:9090/api/v1/write";
  EXPECT_TRUE(receiver == expected);
  // The defaults of Prometheus, but for the protocol and native histograms.
  EXPECT_EQ(receiver.remote_timeout, 30 * kSecond);
  EXPECT_TRUE(receiver.follow_redirects);
  EXPECT_EQ(receiver.protobuf_message, RemoteWriteProtocol::kAuto);
  EXPECT_TRUE(receiver.metadata_config.send);
  EXPECT_EQ(receiver.metadata_config.send_interval, 60 * kSecond);
  EXPECT_EQ(receiver.metadata_config.max_samples_per_send, 2'000u);
  EXPECT_EQ(receiver.queue_config.max_shards, 50u);
  EXPECT_EQ(receiver.queue_config.max_samples_per_send, 2'000u);
  EXPECT_EQ(receiver.queue_config.batch_send_deadline, 5 * kSecond);
  EXPECT_EQ(receiver.queue_config.min_backoff, kSecond * 3 / 100);
  EXPECT_EQ(receiver.queue_config.max_backoff, 5 * kSecond);
  EXPECT_EQ(receiver.queue_config.sample_age_limit, 0);
}

TEST(RemoteWriteConfig, ReadsEveryKey) {
  const RemoteWriteOptions receiver = Receiver(R"(
    url = "https://a:1/b?c=d"
    name = "mine"
    remote_timeout = "1h"
    headers = {X-Text = "${SECRET}", x-file = {file = "/header"}}
    proxy_url = "http://me:${SECRET}@proxy:3128"
    follow_redirects = false
    protobuf_message = "io.prometheus.write.v2.Request"
    send_exemplars = false
    send_native_histograms = false
    add_org_id_header = false
    [[remote_write.write_relabel_configs]]
    source_labels = ["__name__", "le"]
    separator = "/"
    regex = "x.*"
    target_label = "__name__"
    replacement = "y"
    action = "replace"
    [[remote_write.write_relabel_configs]]
    action = "labeldrop"
    regex = "le|metric_overflow"
    [remote_write.tls_config]
    ca_file = "/ca"
    cert_file = "/cert"
    key_file = "/key"
    server_name = "other.example.com"
    insecure_skip_verify = true
    min_version = "TLS13"
    [remote_write.metadata_config]
    send = false
    send_interval = "1s"
    max_samples_per_send = 1000000
    [remote_write.queue_config]
    max_shards = 1000
    max_samples_per_send = 1
    batch_send_deadline = "0s"
    min_backoff = "1h"
    max_backoff = "1h"
    retry_on_http_429 = false
    sample_age_limit = "365d"
  )");
  EXPECT_EQ(receiver.url, "https://a:1/b?c=d");
  EXPECT_EQ(receiver.name, "mine");
  EXPECT_EQ(receiver.remote_timeout, 3'600 * kSecond);
  EXPECT_THAT(receiver.headers, ElementsAre(Pair("X-Text", TextOrFile{"$s3cret", ""}),
                                            Pair("x-file", TextOrFile{"", "/header"})));
  EXPECT_EQ(receiver.proxy_url, "http://me:$s3cret@proxy:3128");
  EXPECT_FALSE(receiver.follow_redirects);
  EXPECT_EQ(receiver.protobuf_message, RemoteWriteProtocol::k2);
  EXPECT_FALSE(receiver.send_exemplars);
  EXPECT_FALSE(receiver.send_native_histograms);
  EXPECT_FALSE(receiver.add_org_id_header);
  EXPECT_THAT(
      receiver.write_relabel_configs,
      ElementsAre(
          RelabelRule{
              {"__name__", "le"}, "/", "x.*", 0, "__name__", "y", RelabelRule::Action::kReplace},
          RelabelRule{
              {}, ";", "le|metric_overflow", 0, "", "$1", RelabelRule::Action::kLabelDrop}));
  EXPECT_EQ(receiver.tls_config, (ClientTlsOptions{"/ca", "/cert", "/key", "other.example.com",
                                                   true, TlsVersion::kTls13}));
  EXPECT_EQ(receiver.metadata_config, (MetadataOptions{false, kSecond, 1'000'000}));
  EXPECT_EQ(receiver.queue_config, (QueueOptions{1'000, 1, 0, 3'600 * kSecond, 3'600 * kSecond,
                                                 false, int64_t{365} * 86'400 * kSecond}));
}

TEST(RemoteWriteConfig, ReadsEveryKindOfCredentials) {
  const auto receiver = [](const std::string& toml) {
    return Receiver("url = \"http://a\"\n" + toml);
  };
  EXPECT_EQ(receiver("basic_auth = {username = \"me\", password = \"${SECRET}\"}").basic_auth,
            (BasicAuthOptions{"me", {"$s3cret", ""}}));
  EXPECT_EQ(receiver("basic_auth = {username = \"me\", password_file = \"/p\"}").basic_auth,
            (BasicAuthOptions{"me", {"", "/p"}}));
  EXPECT_EQ(receiver("basic_auth = {username = \"me\"}").basic_auth,
            (BasicAuthOptions{"me", {"", ""}}));
  EXPECT_EQ(receiver("authorization = {credentials = \"${SECRET}\"}").authorization,
            (AuthorizationOptions{"Bearer", {"$s3cret", ""}}));
  EXPECT_EQ(receiver("authorization = {type = \"T\", credentials_file = \"/c\"}").authorization,
            (AuthorizationOptions{"T", {"", "/c"}}));
  EXPECT_EQ(
      receiver(R"([remote_write.oauth2]
                        client_id = "me"
                        client_secret = "${SECRET}"
                        scopes = ["a", "b"]
                        token_url = "http://x:y@tokens/t"
                        endpoint_params = {p = "q", r = ""})")
          .oauth2,
      (OAuth2Options{
          "me", {"$s3cret", ""}, {"a", "b"}, "http://x:y@tokens/t", {{"p", "q"}, {"r", ""}}}));
  EXPECT_EQ(receiver("oauth2 = {client_id = \"me\", client_secret_file = \"/s\", token_url = "
                     "\"http://t\"}")
                .oauth2,
            (OAuth2Options{"me", {"", "/s"}, {}, "http://t", {}}));
  EXPECT_THAT(receiver("headers = {Authorization = \"X ${SECRET}\"}").headers,
              ElementsAre(Pair("Authorization", TextOrFile{"X $s3cret", ""})));
}

TEST(RemoteWriteConfig, KnowsAllNamesOfTheProtocolsAndOfTlsVersions) {
  const auto protocol = [](const std::string& name) {
    return Receiver("url = \"http://a\"\nprotobuf_message = \"" + name + "\"").protobuf_message;
  };
  EXPECT_EQ(protocol("auto"), RemoteWriteProtocol::kAuto);
  EXPECT_EQ(protocol("prometheus.WriteRequest"), RemoteWriteProtocol::k1);
  EXPECT_EQ(protocol("1.0"), RemoteWriteProtocol::k1);
  EXPECT_EQ(protocol("io.prometheus.write.v2.Request"), RemoteWriteProtocol::k2);
  EXPECT_EQ(protocol("2.0"), RemoteWriteProtocol::k2);
  const auto version = [](const std::string& name) {
    return Receiver("url = \"https://a\"\ntls_config.min_version = \"" + name + "\"")
        .tls_config.min_version;
  };
  EXPECT_EQ(version("TLS10"), TlsVersion::kTls10);
  EXPECT_EQ(version("TLS11"), TlsVersion::kTls11);
  EXPECT_EQ(version("TLS12"), TlsVersion::kTls12);
  EXPECT_EQ(version("TLS13"), TlsVersion::kTls13);
}

TEST(RemoteWriteConfig, KeepsReceiversInTheirOrder) {
  const Options options = Parse(R"(
    [[remote_write]]
    url = "http://b/x"
    [[remote_write]]
    url = "http://a"
    name = "b"
    [[remote_write]]
    url = "http://b/x"
    name = "again"
  )");
  ASSERT_EQ(options.remote_write.size(), 3u);
  EXPECT_EQ(options.remote_write[0].name, "b/x");
  EXPECT_EQ(options.remote_write[1].name, "b");
  EXPECT_EQ(options.remote_write[2].name, "again");
}

TEST(RemoteWriteConfig, Allows32Receivers) {
  std::string toml;
  for (int i = 0; i < 32; ++i) {
    toml += "[[remote_write]]\nurl = \"http://receiver-" + std::to_string(i) + "\"\n";
  }
  EXPECT_EQ(Parse(toml).remote_write.size(), 32u);
}

TEST(RemoteWriteConfig, AllowsTlsForTheTokensAlone) {
  Receiver(
      "url = \"http://a\"\ntls_config.ca_file = \"/ca\"\noauth2 = {client_id = \"me\", "
      "client_secret = \"x\", token_url = \"https://b\"}");
  EXPECT_THAT(Problems("[[remote_write]]\nurl = \"http://a\"\ntls_config.ca_file = \"/ca\""),
              HasSubstr("f:3: remote_write[0].tls_config has no effect"));
}

TEST(RemoteWriteConfig, LetsTheFileNameTheTenantWhenRemoteWriteDoesNot) {
  const std::string toml = "[[remote_write]]\nurl = \"http://a\"\nheaders.x-scope-orgid = \"me\"\n";
  Parse(toml);
  Parse(toml + "add_org_id_header = false\n[tenancy]\nenabled = true");
  EXPECT_THAT(Problems(toml + "[tenancy]\nenabled = true"),
              HasSubstr("f:3: remote_write[0].headers.x-scope-orgid is set by add_org_id_header"));
}

TEST(StorageConfig, ReadsEveryKey) {
  EXPECT_EQ(Parse("").storage,
            (StorageOptions{"", uint64_t{1} << 30, uint64_t{64} << 20, int64_t{86'400} * kSecond}));
  const StorageOptions storage = Parse(R"(
    [storage]
    path = "/data"
    max_size = "100TiB"
    max_memory = "1TiB"
    max_age = "1s"
  )")
                                     .storage;
  EXPECT_EQ(storage, (StorageOptions{"/data", uint64_t{100} << 40, uint64_t{1} << 40, kSecond}));
}

TEST(StorageConfig, ComparesItsSizesWhenThereIsADirectory) {
  const std::string toml = "[storage]\nmax_size = \"2MiB\"\nmax_memory = \"3MiB\"\n";
  Parse(toml);
  Parse("[storage]\npath = \"/x\"\nmax_size = \"2MiB\"\nmax_memory = \"2MiB\"\n");
  EXPECT_THAT(Problems(toml + "path = \"/x\""),
              HasSubstr("f:3: storage.max_memory = \"3MiB\" is larger than max_size = \"2MiB\""));
}

TEST(CollectionInterval, IsSetPerTenant) {
  const Options options = Parse(R"(
    tenancy.enabled = true
    generator.collection_interval = "1h"
    tenants.a.collection_interval = "1s"
    tenants.b.max_active_series = 1
  )");
  EXPECT_EQ(Parse("").generator.collection_interval, 15 * kSecond);
  EXPECT_EQ(options.generator.collection_interval, 3'600 * kSecond);
  EXPECT_EQ(options.tenants.at("a").collection_interval, kSecond);
  EXPECT_EQ(options.tenants.at("b").collection_interval, 3'600 * kSecond);
}

class ConfigFileTest : public ::testing::Test {
 protected:
  ConfigFileTest()
      : directory_(std::filesystem::temp_directory_path() /
                   ("spanmeter_remote_write_config_test_" + std::to_string(getpid()))) {
    std::filesystem::create_directory(directory_);
  }
  ~ConfigFileTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
  }
  std::string Path(const std::string& name) const { return (directory_ / name).string(); }
  ConfigResult Load(const ConfigOverrides& overrides = {}) const {
    return LoadConfig(Path("config"), overrides);
  }
  std::string LoadProblems(const ConfigOverrides& overrides = {}) const {
    return FormatProblems("f", Load(overrides).problems);
  }

 private:
  const std::filesystem::path directory_;
};

TEST_F(ConfigFileTest, LetsTheCommandLineWinOverTheFile) {
  Write("config", "[storage]\npath = \"/file\"\nmax_age = \"1h\"\n");
  EXPECT_EQ(Load().options.storage.path, "/file");
  const ConfigResult result = Load({.storage_path = "/command/line"});
  EXPECT_EQ(result.options.storage.path, "/command/line");
  EXPECT_EQ(result.options.storage.max_age, 3'600 * kSecond);
  EXPECT_THAT(PrintConfig(result.options), HasSubstr("\npath = \"/command/line\"\n"));
}

TEST_F(ConfigFileTest, ComparesWithWhatTheCommandLineSays) {
  Write("config", "[storage]\nmax_size = \"1MiB\"\n");
  EXPECT_EQ(LoadProblems(), "");
  EXPECT_THAT(LoadProblems({.storage_path = "/x"}),
              HasSubstr("f:2: storage.max_memory = \"64MiB\" is larger than max_size = \"1MiB\""));
}

TEST_F(ConfigFileTest, NamesEveryFileThatCannotBeRead) {
  const std::string toml = R"(
[[remote_write]]
url = "https://a"
basic_auth = {username = "me", password_file = "DIR/1"}
headers = {X-A = {file = "DIR/2"}, X-B = {file = "DIR"}}
[remote_write.tls_config]
ca_file = "DIR/3"
cert_file = "DIR/4"
key_file = "DIR/5"

[[remote_write]]
url = "https://b"
authorization.credentials_file = "DIR/6"

[[remote_write]]
url = "https://c"
oauth2 = {client_id = "me", client_secret_file = "DIR/7", token_url = "http://t"}
)";
  std::string with_paths;
  for (size_t i = 0; i < toml.size(); ++i) {
    if (toml.compare(i, 3, "DIR") == 0) {
      with_paths += Path("");
      i += toml[i + 3] == '/' ? 3 : 2;
    } else {
      with_paths += toml[i];
    }
  }
  Write("config", with_paths);
  const auto missing = [this](const std::string& key, const std::string& name) {
    return key + " = \"" + Path(name) + "\" cannot be read: No such file or directory\n";
  };
  EXPECT_EQ(LoadProblems(),
            "f:4: " + missing("remote_write[0].basic_auth.password_file", "1") +
                "f:5: " + missing("remote_write[0].headers.X-A.file", "2") +
                "f:5: remote_write[0].headers.X-B.file = \"" + Path("") +
                "\" cannot be read: Is a directory\n" +
                "f:7: " + missing("remote_write[0].tls_config.ca_file", "3") +
                "f:8: " + missing("remote_write[0].tls_config.cert_file", "4") +
                "f:9: " + missing("remote_write[0].tls_config.key_file", "5") +
                "f:13: " + missing("remote_write[1].authorization.credentials_file", "6") +
                "f:17: " + missing("remote_write[2].oauth2.client_secret_file", "7"));
  // Without the files at hand the text alone is fine.
  EXPECT_EQ(Problems(with_paths), "");

  for (const char* name : {"1", "2", "3", "4", "5", "6", "7"}) Write(name, "x");
  EXPECT_EQ(LoadProblems(), "f:5: remote_write[0].headers.X-B.file = \"" + Path("") +
                                "\" cannot be read: Is a directory\n");
}

}  // namespace
}  // namespace spanmeter
