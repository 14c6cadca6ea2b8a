#include "config/keys.h"

#include <array>
#include <cstdint>
#include <string_view>

#include "config/address.h"

namespace spanmeter {

namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kMaxTenants = 100'000;

// What a later version will have.
struct Unsupported {
  std::string_view name;
  std::string_view feature;
};
constexpr std::array<Unsupported, 3> kUnsupportedKeys = {{
    {"otlp.http", "OTLP over HTTP"},
    {"remote_write", "remote write"},
    {"generator.collection_interval", "remote write"},
}};

std::string CheckListenAddress(const std::string& text) {
  std::string error;
  return ParseListenAddress(text, &error) ? "" : error;
}

// The files of TLS. Reading one of them switches TLS on; contradictions.cc switches it off again
// when all are empty.
template <std::string ServerTlsOptions::*file>
struct TlsFile {
  std::string& operator()(Options& options) const {
    if (!options.otlp_grpc.tls) options.otlp_grpc.tls.emplace();
    return (*options.otlp_grpc.tls).*file;
  }
  std::string operator()(const Options& options) const {
    return options.otlp_grpc.tls ? (*options.otlp_grpc.tls).*file : "";
  }
};

}  // namespace

std::string DescribeUnsupportedKey(const std::string& path) {
  for (const Unsupported& entry : kUnsupportedKeys) {
    if (path != entry.name) continue;
    return path + ": this version has no " + std::string(entry.feature) + " yet: remove " + path;
  }
  return "";
}

ConfigKeys<Options> AllConfigKeys() {
  using Key = KeyOf<Options>;
  using Tls = ServerTlsOptions;
  const std::string grpc = "otlp.grpc.";
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
      Key::ByteSize(grpc + "max_in_flight", FIELD(otlp_grpc.max_in_flight), kKiB, 1024 * kGiB),
      Key::String(grpc + "tls.cert_file", TlsFile<&Tls::cert_file>()),
      Key::String(grpc + "tls.key_file", TlsFile<&Tls::key_file>()),
      Key::String(grpc + "tls.client_ca_file", TlsFile<&Tls::client_ca_file>()),

      Key::String("http.listen", FIELD(http.listen), CheckListenAddress),
      Key::Bool("http.openmetrics_created", FIELD(http.openmetrics_created)),
      Key::Bool("http.enable_lifecycle", FIELD(http.enable_lifecycle)),

      Key::Bool("tenancy.enabled", FIELD(tenancy.enabled)),
      Key::Integer("tenancy.max_tenants", FIELD(tenancy.max_tenants), 1, kMaxTenants),
      // clang-format on
  };
  for (const ConfigKey<GeneratorOptions>& key : GeneratorKeys()) {
    keys.push_back(Key::Below("generator.", FIELD(generator), key));
  }
  return keys;
}

}  // namespace spanmeter
