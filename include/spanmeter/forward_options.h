// The settings of those to whom the received spans are passed on. Durations are in nanoseconds,
// sizes in bytes.

#ifndef SPANMETER_FORWARD_OPTIONS_H_
#define SPANMETER_FORWARD_OPTIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "spanmeter/client_options.h"
#include "spanmeter/filter_options.h"

namespace spanmeter {

enum class ForwardProtocol : uint8_t { kGrpc, kHttp };

// kAsReceived: what came compressed goes on compressed, byte for byte, and what did not does not.
enum class ForwardCompression : uint8_t { kAsReceived, kGzip, kNone };

// What filter policies decide about: single spans, the others being cut out of their requests; or
// requests, which go on as they came when any of their spans matches.
enum class ForwardFilterEffect : uint8_t { kSpans, kRequests };

// What waits for its receiver.
struct ForwardQueueOptions {
  // In memory. 1 MiB to 1 TiB.
  uint64_t max_memory = uint64_t{64} << 20;
  // What has waited for longer is dropped. 1 s to 30 days.
  int64_t max_age = int64_t{3600} * 1'000'000'000;
  // Whether what does not go on soon is kept on disk, below storage.path, and then how much of it,
  // with what is in memory.
  bool spill = false;
  uint64_t max_size = uint64_t{1} << 30;
  // The pause after a failure; it doubles up to max_backoff.
  int64_t min_backoff = int64_t{500} * 1'000'000;
  int64_t max_backoff = int64_t{30} * 1'000'000'000;

  bool operator==(const ForwardQueueOptions&) const = default;
};

// One receiver.
struct ForwardOptions {
  // http://HOST:PORT or https://HOST:PORT; with HTTP a path may follow.
  std::string endpoint;
  // Names the receiver in logs and metrics and its queue in the storage; distinct, never empty.
  std::string name;
  ForwardProtocol protocol = ForwardProtocol::kGrpc;
  // Of one request.
  int64_t timeout = int64_t{10} * 1'000'000'000;
  ForwardCompression compression = ForwardCompression::kAsReceived;
  std::map<std::string, TextOrFile> headers;
  // Only ca_file, cert_file, key_file, server_name and min_version count.
  ClientTlsOptions tls_config;
  // Whether the X-Scope-OrgID of a request goes on with it.
  bool add_org_id_header = true;
  // A request for which the queue has no room is refused, before it is counted, with the advice to
  // send it again.
  bool required = false;
  // Most requests at a time. 1 to 100.
  uint64_t max_concurrent_requests = 8;
  // Empty: everything goes on.
  std::vector<FilterPolicy> filter_policies;
  ForwardFilterEffect filter_effect = ForwardFilterEffect::kSpans;
  ForwardQueueOptions queue_config;

  bool operator==(const ForwardOptions&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_OPTIONS_H_
