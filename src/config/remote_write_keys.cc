// The keys of each [[remote_write]].

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "spanmeter/clock.h"

#include "config/client_keys.h"
#include "config/keys.h"
#include "config/secret_key.h"
#include "config/url.h"

namespace spanmeter {

namespace {

constexpr int64_t kHour = int64_t{3'600} * kNanosPerSecond;
constexpr int64_t kDay = 24 * kHour;
constexpr uint64_t kMaxShards = 1'000;
constexpr uint64_t kMaxSamplesPerSend = 1'000'000;

// What remote write or the HTTP below it sets by itself.
constexpr std::array<const char*, 16> kOwnHeaders = {"accept-encoding",
                                                     "connection",
                                                     "content-encoding",
                                                     "content-length",
                                                     "content-type",
                                                     "expect",
                                                     "host",
                                                     "keep-alive",
                                                     "proxy-authorization",
                                                     "proxy-connection",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "user-agent",
                                                     "x-prometheus-remote-write-version"};

std::string ShowAll(const std::string& text) { return text; }

std::string CheckHttpUrl(const std::string& text) {
  std::string error;
  const std::array<std::string_view, 2> schemes = {"http", "https"};
  return ParseUrl(text, schemes, &error) ? "" : error;
}

std::string CheckProxyUrl(const std::string& text) {
  if (text.empty()) return "";
  std::string error;
  const std::array<std::string_view, 4> schemes = {"http", "https", "socks5", "socks5h"};
  const std::optional<Url> url = ParseUrl(text, schemes, &error);
  if (!url) return error;
  if ((url->path.empty() || url->path == "/") && url->query.empty()) return "";
  return "has something after its host and port: remove it; a / or ? in a password must be written "
         "as %2F or %3F";
}

std::string CheckAuthorizationType(const std::string& type) {
  if (strcasecmp(type.c_str(), "basic") == 0)
    return "takes a user and a password: use basic_auth instead";
  return IsToken(type) ? "" : "is no scheme of authorization: write one word, like \"Bearer\"";
}

std::string CheckParameterName(const std::string& name) {
  return name.empty() ? "is a parameter without a name: write its name before the =" : "";
}

std::string CheckNotEmpty(const std::string& text) {
  return text.empty() ? "is empty: write a value" : "";
}

ConfigKeys<BasicAuthOptions> BasicAuthKeys() {
  using Key = KeyOf<BasicAuthOptions>;
  // People write "user:password" there.
  ConfigKeys<BasicAuthOptions> keys = {
      Key::HiddenString("username", FIELD(username), CheckUserName, ShowAll).Required()};
  AppendSecret("password", FIELD(password), CheckHeaderValue, &keys);
  return keys;
}

ConfigKeys<AuthorizationOptions> AuthorizationKeys() {
  using Key = KeyOf<AuthorizationOptions>;
  // People write "Bearer" and the credentials there.
  ConfigKeys<AuthorizationOptions> keys = {
      Key::HiddenString("type", FIELD(type), CheckAuthorizationType, ShowAll)};
  AppendSecret("credentials", FIELD(credentials), CheckHeaderValue, &keys);
  return keys;
}

ConfigKeys<OAuth2Options> OAuth2Keys() {
  using Key = KeyOf<OAuth2Options>;
  ConfigKeys<OAuth2Options> keys = {
      Key::String("client_id", FIELD(client_id), CheckNotEmpty).Required()};
  AppendSecret("client_secret", FIELD(client_secret), CheckHeaderValue, &keys);
  keys.push_back(Key::StringList("scopes", FIELD(scopes)));
  keys.push_back(
      Key::HiddenString("token_url", FIELD(token_url), CheckHttpUrl, HidePassword).Required());
  keys.push_back(Key::StringTable("endpoint_params", FIELD(endpoint_params), CheckParameterName));
  return keys;
}

void AppendTlsVersionKey(ConfigKeys<RemoteWriteOptions>* keys) {
  keys->push_back(KeyOf<RemoteWriteOptions>::Enum<TlsVersion>("tls_config.min_version",
                                                              FIELD(tls_config.min_version),
                                                              {{"TLS10", TlsVersion::kTls10},
                                                               {"TLS11", TlsVersion::kTls11},
                                                               {"TLS12", TlsVersion::kTls12},
                                                               {"TLS13", TlsVersion::kTls13}}));
}

void AppendSendingKeys(ConfigKeys<RemoteWriteOptions>* keys) {
  using Key = KeyOf<RemoteWriteOptions>;
  const std::string metadata = "metadata_config.";
  const std::string queue = "queue_config.";
  const ConfigKeys<RemoteWriteOptions> added = {
      // clang-format off: one line a key.
      Key::Bool(metadata + "send", FIELD(metadata_config.send)),
      Key::Duration(metadata + "send_interval", FIELD(metadata_config.send_interval),
                    kNanosPerSecond, kDay),
      Key::Integer(metadata + "max_samples_per_send", FIELD(metadata_config.max_samples_per_send),
                   1, kMaxSamplesPerSend),
      Key::Integer(queue + "max_shards", FIELD(queue_config.max_shards), 1, kMaxShards),
      Key::Integer(queue + "max_samples_per_send", FIELD(queue_config.max_samples_per_send), 1,
                   kMaxSamplesPerSend),
      Key::Duration(queue + "batch_send_deadline", FIELD(queue_config.batch_send_deadline), 0,
                    kHour),
      Key::Duration(queue + "min_backoff", FIELD(queue_config.min_backoff), kNanosPerMilli, kHour),
      Key::Duration(queue + "max_backoff", FIELD(queue_config.max_backoff), kNanosPerMilli, kHour),
      Key::Bool(queue + "retry_on_http_429", FIELD(queue_config.retry_on_http_429)),
      Key::Duration(queue + "sample_age_limit", FIELD(queue_config.sample_age_limit), 0,
                    365 * kDay),
      // clang-format on
  };
  keys->insert(keys->end(), added.begin(), added.end());
}

}  // namespace

ConfigKeys<RemoteWriteOptions> RemoteWriteKeys() {
  using Key = KeyOf<RemoteWriteOptions>;
  ConfigKeys<RemoteWriteOptions> keys = {
      // clang-format off: one line a key.
      Key::HiddenString("url", FIELD(url), CheckHttpUrl, HidePassword).Required(),
      Key::String("name", FIELD(name), CheckReceiverName),
      Key::Duration("remote_timeout", FIELD(remote_timeout), 100 * kNanosPerMilli, kHour),
      HeadersKey<RemoteWriteOptions>(kOwnHeaders, "remote write"),
      Key::OptionalTable("basic_auth", FIELD(basic_auth), BasicAuthKeys()),
      Key::OptionalTable("authorization", FIELD(authorization), AuthorizationKeys()),
      Key::OptionalTable("oauth2", FIELD(oauth2), OAuth2Keys()),
      Key::HiddenString("proxy_url", FIELD(proxy_url), CheckProxyUrl, HidePassword),
      Key::Bool("follow_redirects", FIELD(follow_redirects)),
      Key::Enum<RemoteWriteProtocol>("protobuf_message", FIELD(protobuf_message),
                                     {{"auto", RemoteWriteProtocol::kAuto},
                                      {"prometheus.WriteRequest", RemoteWriteProtocol::k1},
                                      {"io.prometheus.write.v2.Request", RemoteWriteProtocol::k2},
                                      {"1.0", RemoteWriteProtocol::k1},
                                      {"2.0", RemoteWriteProtocol::k2}}),
      Key::Bool("send_exemplars", FIELD(send_exemplars)),
      Key::Bool("send_native_histograms", FIELD(send_native_histograms)),
      Key::Bool("add_org_id_header", FIELD(add_org_id_header)),
      Key::TableList("write_relabel_configs", FIELD(write_relabel_configs), RelabelRuleKeys(),
                     true),
      // clang-format on
  };
  AppendClientTlsKeys(&keys);
  keys.push_back(
      Key::Bool("tls_config.insecure_skip_verify", FIELD(tls_config.insecure_skip_verify)));
  AppendTlsVersionKey(&keys);
  AppendSendingKeys(&keys);
  return keys;
}

}  // namespace spanmeter
