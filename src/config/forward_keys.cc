// The keys of each [[forward]].

#include <array>
#include <cstdint>
#include <string_view>

#include "spanmeter/clock.h"

#include "config/client_keys.h"
#include "config/keys.h"
#include "config/url.h"

namespace spanmeter {

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr int64_t kHour = int64_t{3'600} * kNanosPerSecond;
constexpr int64_t kDay = 24 * kHour;
constexpr uint64_t kMaxConcurrentRequests = 100;

// What the protocols and what is below them set by themselves.
constexpr std::array<const char*, 17> kOwnHeaders = {"accept-encoding",
                                                     "connection",
                                                     "content-encoding",
                                                     "content-length",
                                                     "content-type",
                                                     "expect",
                                                     "grpc-encoding",
                                                     "grpc-timeout",
                                                     "host",
                                                     "keep-alive",
                                                     "proxy-authorization",
                                                     "proxy-connection",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "user-agent"};

std::string CheckEndpoint(const std::string& text) {
  std::string error;
  constexpr std::array<std::string_view, 2> kSchemes = {"http", "https"};
  const std::optional<Url> url = ParseUrl(text, kSchemes, &error);
  if (!url) return error;
  if (url->has_user) return "names a user: write an Authorization header in headers instead";
  if (!url->query.empty()) return "has a query, which no request would have: remove it";
  return "";
}

}  // namespace

ConfigKeys<ForwardOptions> ForwardKeys() {
  using Key = KeyOf<ForwardOptions>;
  const std::string queue = "queue_config.";
  ConfigKeys<ForwardOptions> keys = {
      // clang-format off: one line a key.
      Key::HiddenString("endpoint", FIELD(endpoint), CheckEndpoint, HidePassword).Required(),
      Key::String("name", FIELD(name), CheckReceiverName),
      Key::Enum<ForwardProtocol>(
          "protocol", FIELD(protocol),
          {{"grpc", ForwardProtocol::kGrpc}, {"http", ForwardProtocol::kHttp}}),
      Key::Duration("timeout", FIELD(timeout), 100 * kNanosPerMilli, kHour),
      Key::Enum<ForwardCompression>("compression", FIELD(compression),
                                    {{"as_received", ForwardCompression::kAsReceived},
                                     {"gzip", ForwardCompression::kGzip},
                                     {"none", ForwardCompression::kNone}}),
      HeadersKey<ForwardOptions>(kOwnHeaders, "the protocol"),
      Key::Bool("add_org_id_header", FIELD(add_org_id_header)),
      Key::Bool("required", FIELD(required)),
      Key::Integer("max_concurrent_requests", FIELD(max_concurrent_requests), 1,
                   kMaxConcurrentRequests),
      Key::TableList("filter_policies", FIELD(filter_policies), FilterPolicyKeys(), true),
      Key::Enum<ForwardFilterEffect>(
          "filter_effect", FIELD(filter_effect),
          {{"spans", ForwardFilterEffect::kSpans}, {"requests", ForwardFilterEffect::kRequests}}),
      // clang-format on
  };
  AppendClientTlsKeys(&keys);
  keys.push_back(
      Key::Enum<TlsVersion>("tls_config.min_version", FIELD(tls_config.min_version),
                            {{"TLS12", TlsVersion::kTls12}, {"TLS13", TlsVersion::kTls13}}));
  const ConfigKeys<ForwardOptions> queue_keys = {
      // clang-format off: one line a key.
      Key::ByteSize(queue + "max_memory", FIELD(queue_config.max_memory), kMiB, kTiB),
      Key::Duration(queue + "max_age", FIELD(queue_config.max_age), kNanosPerSecond, 30 * kDay),
      Key::Bool(queue + "spill", FIELD(queue_config.spill)),
      Key::ByteSize(queue + "max_size", FIELD(queue_config.max_size), kMiB, 100 * kTiB),
      Key::Duration(queue + "min_backoff", FIELD(queue_config.min_backoff), kNanosPerMilli, kHour),
      Key::Duration(queue + "max_backoff", FIELD(queue_config.max_backoff), kNanosPerMilli, kHour),
      // clang-format on
  };
  keys.insert(keys.end(), queue_keys.begin(), queue_keys.end());
  return keys;
}

}  // namespace spanmeter
