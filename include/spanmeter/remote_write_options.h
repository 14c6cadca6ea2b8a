// The settings of remote write, with the names and meanings that Prometheus gives them
// (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write).
// Durations are in nanoseconds, sizes in bytes.

#ifndef SPANMETER_REMOTE_WRITE_OPTIONS_H_
#define SPANMETER_REMOTE_WRITE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "spanmeter/client_options.h"
#include "spanmeter/relabel_options.h"

namespace spanmeter {

// What is said about metrics apart from their samples: protocol 1.0 only, 2.0 has it in every
// series.
struct MetadataOptions {
  bool send = true;
  int64_t send_interval = int64_t{60} * 1'000'000'000;
  uint64_t max_samples_per_send = 2000;

  bool operator==(const MetadataOptions&) const = default;
};

struct QueueOptions {
  // Most requests at a time. 1 to 1000.
  uint64_t max_shards = 50;
  // Most samples (and histograms) in a request. 1 to 1,000,000.
  uint64_t max_samples_per_send = 2000;
  // How long a request that is not full waits for more.
  int64_t batch_send_deadline = int64_t{5} * 1'000'000'000;
  // The pause after a failure; it doubles up to max_backoff.
  int64_t min_backoff = int64_t{30} * 1'000'000;
  int64_t max_backoff = int64_t{5} * 1'000'000'000;
  // Whether what is answered with 429 is sent again or dropped.
  bool retry_on_http_429 = true;
  // Older samples are dropped; 0 = only storage.max_age counts.
  int64_t sample_age_limit = 0;

  bool operator==(const QueueOptions&) const = default;
};

// kAuto: 2.0, until the receiver turns out to know only 1.0.
enum class RemoteWriteProtocol : uint8_t { kAuto, k1, k2 };

// One receiver.
struct RemoteWriteOptions : HttpClientOptions {
  // Names the receiver in logs and metrics and its queue in the storage; distinct, never empty.
  std::string name;
  RemoteWriteProtocol protobuf_message = RemoteWriteProtocol::kAuto;
  bool send_exemplars = true;
  bool send_native_histograms = true;
  // Whether requests name their tenant in X-Scope-OrgID, when there is tenancy.
  bool add_org_id_header = true;
  std::vector<RelabelRule> write_relabel_configs;
  MetadataOptions metadata_config;
  QueueOptions queue_config;

  bool operator==(const RemoteWriteOptions&) const = default;
};

// Where what waits for its receiver is kept.
struct StorageOptions {
  // A directory, made when it is missing; empty: in memory only.
  std::string path;
  // What may wait for one receiver, compressed. Beyond it the oldest goes.
  uint64_t max_size = uint64_t{1} << 30;
  // The same for what is in memory: all of it without a path, else what the disk does not take.
  uint64_t max_memory = uint64_t{64} << 20;
  // What has waited for longer goes.
  int64_t max_age = int64_t{24} * 3600 * 1'000'000'000;

  bool operator==(const StorageOptions&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_OPTIONS_H_
