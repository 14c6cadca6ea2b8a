#include "config/keys.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "spanmeter/clock.h"

#include "config/address.h"

namespace spanmeter {

namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr int64_t kDay = int64_t{86'400} * kNanosPerSecond;
constexpr uint64_t kMaxTenants = 100'000;

std::string CheckListenAddress(const std::string& text) {
  std::string error;
  return ParseListenAddress(text, &error) ? "" : error;
}

// The files of a port's TLS. Reading one of them switches TLS on; contradictions.cc switches it off
// again when all are empty.
template <auto port, std::string ServerTlsOptions::*file>
struct TlsFile {
  std::string& operator()(Options& options) const {
    std::optional<ServerTlsOptions>& tls = (options.*port).tls;
    if (!tls) tls.emplace();
    return (*tls).*file;
  }
  std::string operator()(const Options& options) const {
    const std::optional<ServerTlsOptions>& tls = (options.*port).tls;
    return tls ? (*tls).*file : "";
  }
};

template <auto port>
void AppendTlsKeys(const std::string& section, ConfigKeys<Options>* keys) {
  using Key = KeyOf<Options>;
  using Tls = ServerTlsOptions;
  keys->push_back(Key::String(section + "cert_file", TlsFile<port, &Tls::cert_file>(), CheckPath));
  keys->push_back(Key::String(section + "key_file", TlsFile<port, &Tls::key_file>(), CheckPath));
  keys->push_back(
      Key::String(section + "client_ca_file", TlsFile<port, &Tls::client_ca_file>(), CheckPath));
}

// A list of receivers: one table each.
template <typename Field, typename E>
ConfigKey<Options> ReceiverListKey(const std::string& name, Field field, ConfigKeys<E> keys) {
  ConfigKey<Options> key =
      KeyOf<Options>::TableList(name, field, std::move(keys), /*one_a_line=*/true);
  key.read = [name, read = key.read](const ConfigValue& v, Options* options, ConfigReader* reader) {
    if (!v.node->is_table()) return read(v, options, reader);
    reader->Problem(v, "is a list of tables, one for each receiver: write [[" + name + "]]");
  };
  key.is_absent = [](const Options&) { return true; };
  return key;
}

}  // namespace

std::string CheckPath(const std::string& path) {
  return path.find('\0') == std::string::npos ? "" : "has a null character, which no path can have";
}

ConfigKeys<Options> AllConfigKeys() {
  using Key = KeyOf<Options>;
  const std::string grpc = "otlp.grpc.";
  const std::string otlp_http = "otlp.http.";
  const std::string http = "http.";
  ConfigKeys<Options> keys = {
      Key::Enum<LogLevel>("log.level", FIELD(log.level),
                          {{"debug", LogLevel::kDebug},
                           {"info", LogLevel::kInfo},
                           {"warn", LogLevel::kWarn},
                           {"error", LogLevel::kError}}),
      Key::Enum<LogFormat>("log.format", FIELD(log.format),
                           {{"logfmt", LogFormat::kLogfmt}, {"json", LogFormat::kJson}}),

      // clang-format off: one line a key.
      Key::String(grpc + "listen", FIELD(otlp_grpc.listen), CheckListenAddress),
      Key::ByteSize(grpc + "max_message_size", FIELD(otlp_grpc.max_message_size), kKiB, 256 * kMiB),
      Key::ByteSize(grpc + "max_in_flight", FIELD(otlp_grpc.max_in_flight), kKiB, kTiB),
      Key::TableList(grpc + "tokens", FIELD(otlp_grpc.tokens), OtlpTokenKeys(), true),
      // clang-format on
  };
  AppendTlsKeys<&Options::otlp_grpc>(grpc + "tls.", &keys);

  const ConfigKeys<Options> otlp_http_keys = {
      // clang-format off: one line a key.
      Key::Bool(otlp_http + "enabled", FIELD(otlp_http.enabled)),
      Key::String(otlp_http + "listen", FIELD(otlp_http.listen), CheckListenAddress),
      Key::ByteSize(otlp_http + "max_message_size", FIELD(otlp_http.max_message_size), kKiB,
                    256 * kMiB),
      Key::ByteSize(otlp_http + "max_in_flight", FIELD(otlp_http.max_in_flight), kKiB, kTiB),
      Key::TableList(otlp_http + "tokens", FIELD(otlp_http.tokens), OtlpTokenKeys(), true),
      Key::StringList(otlp_http + "cors.allowed_origins", FIELD(otlp_http.cors.allowed_origins)),
      Key::StringList(otlp_http + "cors.allowed_headers", FIELD(otlp_http.cors.allowed_headers)),
      Key::Duration(otlp_http + "cors.max_age", FIELD(otlp_http.cors.max_age), 0, kDay),
      // clang-format on
  };
  keys.insert(keys.end(), otlp_http_keys.begin(), otlp_http_keys.end());
  AppendTlsKeys<&Options::otlp_http>(otlp_http + "tls.", &keys);

  const ConfigKeys<Options> http_keys = {
      // clang-format off: one line a key.
      Key::String(http + "listen", FIELD(http.listen), CheckListenAddress),
      Key::Bool(http + "openmetrics_created", FIELD(http.openmetrics_created)),
      Key::Bool(http + "enable_lifecycle", FIELD(http.enable_lifecycle)),
      Key::Bool(http + "admin_from_anywhere", FIELD(http.admin_from_anywhere)),
      Key::TableList(http + "users", FIELD(http.users), HttpUserKeys(), true),
      Key::TableList(http + "tokens", FIELD(http.tokens), HttpTokenKeys(), true),
      // clang-format on
  };
  keys.insert(keys.end(), http_keys.begin(), http_keys.end());
  AppendTlsKeys<&Options::http>(http + "tls.", &keys);
  keys.push_back(
      Key::Enum<TlsVersion>(http + "tls.min_version", FIELD(http.tls_min_version),
                            {{"TLS12", TlsVersion::kTls12}, {"TLS13", TlsVersion::kTls13}}));

  const ConfigKeys<Options> other_keys = {
      // clang-format off: one line a key.
      ReceiverListKey("remote_write", FIELD(remote_write), RemoteWriteKeys()),
      ReceiverListKey("forward", FIELD(forward), ForwardKeys()),
      Key::String("storage.path", FIELD(storage.path), CheckPath),
      Key::ByteSize("storage.max_size", FIELD(storage.max_size), kMiB, 100 * kTiB),
      Key::ByteSize("storage.max_memory", FIELD(storage.max_memory), kMiB, kTiB),
      Key::Duration("storage.max_age", FIELD(storage.max_age), kNanosPerSecond, 365 * kDay),

      Key::Bool("tenancy.enabled", FIELD(tenancy.enabled)),
      Key::Integer("tenancy.max_tenants", FIELD(tenancy.max_tenants), 1, kMaxTenants),
      // clang-format on
  };
  keys.insert(keys.end(), other_keys.begin(), other_keys.end());
  for (const ConfigKey<GeneratorOptions>& key : GeneratorKeys()) {
    keys.push_back(Key::Below("generator.", FIELD(generator), key));
  }
  return keys;
}

}  // namespace spanmeter
