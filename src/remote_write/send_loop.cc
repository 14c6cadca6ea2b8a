#include "remote_write/send_loop.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "spanmeter/retry_after.h"

#include "remote_write/recode.h"
#include "remote_write/write_request.h"

namespace spanmeter {

namespace {

// Bounds of queues and stops are looked after this often at least.
constexpr int64_t kMaxWaitNanos = kNanosPerSecond;
constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;
// Leases that failed and are remembered; more only means that some are retried earlier.
constexpr size_t kMaxFailures = 10'000;
// The first metadata follow the first samples soon.
constexpr int64_t kFirstMetadataNanos = 2 * kNanosPerSecond;
constexpr size_t kMaxErrorText = 256;

constexpr int kTooManyRequests = 429;
constexpr int kUnsupportedMediaType = 415;
constexpr int kBadRequest = 400;

constexpr const char* kTenantHeader = "X-Scope-OrgID";
constexpr const char* kWrittenPrefix = "x-prometheus-remote-write-";

Protocol FirstProtocol(RemoteWriteProtocol configured) {
  return configured == RemoteWriteProtocol::k1 ? Protocol::k1 : Protocol::k2;
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

// What the receiver said, for people.
std::string Describe(const HttpResponse& response) {
  if (response.status == 0) return response.error;
  std::string text = "HTTP " + std::to_string(response.status);
  std::string body = response.body.substr(0, kMaxErrorText);
  while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.pop_back();
  if (!body.empty()) text.append(": ").append(body);
  if (response.status >= 300 && response.status < 400) {
    text.append(" (a redirect that is not followed: set url to where it leads)");
  }
  return text;
}

// What a header says about how many of a kind were written, as text.
std::string WrittenText(const HttpResponse& response, const std::string& kind) {
  const auto header = response.headers.find(kWrittenPrefix + kind + "-written");
  return header == response.headers.end() ? "0" : header->second;
}

// The same as a number; nothing when it is none.
std::optional<uint64_t> Written(const HttpResponse& response, const std::string& kind) {
  const std::string text = WrittenText(response, kind);
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, count);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return count;
}

// Whether the receiver says at all what it has written: only those that know 2.0 do.
bool SaysWritten(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
    return header.first.starts_with(kWrittenPrefix) && header.first.ends_with("-written");
  });
}

uint64_t Missing(uint64_t sent, uint64_t written) { return sent > written ? sent - written : 0; }

SampleCounts Missing(const SampleCounts& sent, const SampleCounts& written) {
  return {Missing(sent.samples, written.samples), Missing(sent.histograms, written.histograms),
          Missing(sent.exemplars, written.exemplars)};
}

}  // namespace

SendLoop::SendLoop(const RemoteWriteOptions& options, Parts parts)
    : options_(options),
      parts_(std::move(parts)),
      is_auto_(options.protobuf_message == RemoteWriteProtocol::kAuto),
      protocol_(FirstProtocol(options.protobuf_message)),
      backoff_(options.queue_config.min_backoff, options.queue_config.max_backoff),
      error_throttle_(parts_.clock, kLogIntervalNanos),
      refusal_throttle_(parts_.clock, kLogIntervalNanos),
      written_throttle_(parts_.clock, kLogIntervalNanos),
      outcome_(parts_.clock) {
  next_metadata_nanos_ = parts_.clock->MonotonicNanos() + kFirstMetadataNanos;
  parts_.metrics->SetShards(1, options_.queue_config.max_shards);
}

void SendLoop::Step() {
  const int64_t now = parts_.clock->MonotonicNanos();
  int64_t next_nanos = std::min(now + kMaxWaitNanos, deadline_nanos_);
  if (now >= pause_until_nanos_) {
    StartMetadata();
    BlockQueue::TakeOptions take;
    take.max_points = options_.queue_config.max_samples_per_send;
    take.max_wait_nanos = hurried_ ? 0 : options_.queue_config.batch_send_deadline;
    take.by_tenant = parts_.by_tenant;
    while (sample_flights() < shards_) {
      int64_t ask_again_nanos = next_nanos;
      BlockQueue::Lease lease = parts_.queue->Take(take, &ask_again_nanos);
      if (lease.empty()) {
        next_nanos = std::min(next_nanos, ask_again_nanos);
        break;
      }
      StartSamples(std::move(lease), protocol(), false);
    }
    // Nothing to do: the next burst begins carefully.
    if (sample_flights() == 0) shards_ = 1;
  } else {
    next_nanos = std::min(next_nanos, pause_until_nanos_);
  }
  parts_.metrics->SetShards(shards_, options_.queue_config.max_shards);
  for (const HttpResponse& response : parts_.client->Wait(std::max<int64_t>(next_nanos - now, 0))) {
    Handle(response);
  }
}

bool SendLoop::Done() const {
  if (sample_flights() != 0) return false;
  if (pause_until_nanos_ >= deadline_nanos_) return true;
  const QueueStats stats = parts_.queue->stats();
  return stats.blocks == 0 || (failing_at_end_ && stats.memory_bytes == 0);
}

void SendLoop::Cancel() {
  parts_.client->CancelAll();
  for (const auto& [id, flight] : flights_) {
    if (!flight.lease.empty()) parts_.queue->Return(flight.lease, 0);
  }
  flights_.clear();
  metadata_under_way_ = false;
}

void SendLoop::DropDamaged(Protocol protocol, BlockQueue::Lease* lease) {
  BlockQueue::Lease intact;
  BlockQueue::Lease damaged;
  SampleCounts counts;
  for (size_t i = 0; i < lease->blocks.size(); ++i) {
    Block& block = lease->blocks[i];
    // Of two blocks the insides are looked at, whatever their version.
    const Block twice[] = {block, block};
    std::string body;
    const bool is_intact = Recode(twice, protocol, &body);
    if (!is_intact) counts += block.counts;
    BlockQueue::Lease* const to = is_intact ? &intact : &damaged;
    to->ids.push_back(lease->ids[i]);
    to->blocks.push_back(std::move(block));
  }
  parts_.queue->Settle(damaged);
  parts_.metrics->CountDropped(DropReason::kCorrupt, counts);
  parts_.logger->Error("dropped samples that were damaged in the storage",
                       {{"remote_name", options_.name}, {"samples", counts.points()}});
  *lease = std::move(intact);
}

void SendLoop::StartSamples(BlockQueue::Lease lease, Protocol protocol, bool tries_1) {
  HttpRequest request;
  if (!Recode(lease.blocks, protocol, &request.body)) {
    DropDamaged(protocol, &lease);
    if (lease.empty() || !Recode(lease.blocks, protocol, &request.body)) return;
  }
  Flight flight;
  for (const Block& block : lease.blocks) {
    flight.counts += block.counts;
    flight.newest_ms = std::max(flight.newest_ms, block.newest_ms);
  }
  request.id = next_id_++;
  request.headers = WriteHeaders(protocol);
  if (parts_.by_tenant) {
    const std::string& tenant = lease.blocks.front().tenant;
    request.headers[kTenantHeader] = tenant;
    if (protocol == Protocol::k1 && options_.metadata_config.send) tenants_seen_.insert(tenant);
  }
  flight.lease = std::move(lease);
  flight.protocol = protocol;
  flight.tries_1 = tries_1;
  flight.body_bytes = request.body.size();
  flights_.emplace(request.id, std::move(flight));
  parts_.client->Start(std::move(request));
}

void SendLoop::MakeMetadata() {
  const int64_t now = parts_.clock->MonotonicNanos();
  if (metadata_tenants_.empty() && now >= next_metadata_nanos_) {
    next_metadata_nanos_ = now + options_.metadata_config.send_interval;
    if (protocol() != Protocol::k1 || !options_.metadata_config.send) return;
    if (!parts_.by_tenant) tenants_seen_.insert("");
    metadata_tenants_ = std::exchange(tenants_seen_, {});
    // Before the first collection there is nothing to tell.
    if (metadata_tenants_.empty()) next_metadata_nanos_ = now + kFirstMetadataNanos;
  }
  if (metadata_tenants_.empty()) return;
  const std::string tenant = metadata_tenants_.extract(metadata_tenants_.begin()).value();
  const std::vector<MetricInfo> metrics = parts_.metadata(tenant);
  if (metrics.empty() && !parts_.by_tenant) next_metadata_nanos_ = now + kFirstMetadataNanos;
  const size_t most = options_.metadata_config.max_samples_per_send;
  for (size_t begin = 0; begin < metrics.size(); begin += most) {
    const size_t count = std::min(most, metrics.size() - begin);
    metadata_.push_back({tenant, count, EncodeMetadata(std::span(metrics).subspan(begin, count))});
  }
}

void SendLoop::StartMetadata() {
  if (hurried_ || metadata_under_way_) return;
  if (metadata_.empty()) MakeMetadata();
  if (metadata_.empty() || parts_.clock->MonotonicNanos() < metadata_not_before_nanos_) return;
  metadata_under_way_ = true;
  HttpRequest request;
  request.id = next_id_++;
  request.headers = WriteHeaders(Protocol::k1);
  if (parts_.by_tenant) request.headers[kTenantHeader] = metadata_.front().tenant;
  request.body = metadata_.front().body;
  Flight flight;
  flight.metadata = metadata_.front().metrics;
  flight.protocol = Protocol::k1;
  flight.body_bytes = request.body.size();
  flights_.emplace(request.id, std::move(flight));
  parts_.client->Start(std::move(request));
}

bool SendLoop::IsRetryable(int status) const {
  if (status == kTooManyRequests) return options_.queue_config.retry_on_http_429;
  return status == 0 || status >= 500;
}

void SendLoop::Handle(const HttpResponse& response) {
  const auto found = flights_.find(response.id);
  if (found == flights_.end()) return;
  Flight flight = std::move(found->second);
  flights_.erase(found);
  parts_.metrics->CountRequest(response.status, response.seconds);
  if (flight.lease.empty()) return HandleMetadata(flight, response);
  if (IsSuccess(response.status)) return HandleSuccess(std::move(flight), response);
  if (IsRetryable(response.status)) return HandleFailure(flight, response);
  failures_in_row_ = 0;  // somebody is there
  failing_at_end_ = false;
  if (flight.protocol == Protocol::k2 && SaysWritten(response)) knows_2_ = true;
  if (flight.protocol == Protocol::k2 && is_auto_) {
    if (response.status == kUnsupportedMediaType) {
      FallBack(response);
      return StartSamples(std::move(flight.lease), Protocol::k1, false);
    }
    // Receivers of 1.0 that do not look at the content type may find the request malformed.
    if (response.status == kBadRequest && !knows_2_) {
      return StartSamples(std::move(flight.lease), Protocol::k1, true);
    }
  }
  HandleRefusal(flight, response);
}

void SendLoop::HandleMetadata(const Flight& flight, const HttpResponse& response) {
  metadata_under_way_ = false;
  if (IsRetryable(response.status)) {
    // Samples need not wait for that: when the receiver is in trouble, they will notice.
    parts_.metrics->CountMetadataRetried(flight.metadata);
    metadata_not_before_nanos_ =
        parts_.clock->MonotonicNanos() +
        std::max(backoff_.Nanos(++metadata_failures_), WantedPauseNanos(response));
    return outcome_.NoteError(Describe(response));
  }
  metadata_failures_ = 0;
  metadata_.pop_front();
  if (IsSuccess(response.status)) {
    parts_.metrics->CountMetadata(flight.metadata, flight.body_bytes);
  } else {
    parts_.metrics->CountMetadataFailed(flight.metadata);
    outcome_.NoteError(Describe(response));
  }
}

void SendLoop::HandleSuccess(Flight flight, const HttpResponse& response) {
  failures_in_row_ = 0;
  failing_at_end_ = false;
  if (flight.protocol == Protocol::k2 && !CheckWritten(flight, response)) {
    // The receiver has taken the request for one of version 1.0, in which it is empty.
    FallBack(response);
    return StartSamples(std::move(flight.lease), Protocol::k1, false);
  }
  if (flight.tries_1 && protocol() == Protocol::k2) FallBack(response);
  parts_.metrics->CountSent(flight.counts, flight.body_bytes, flight.newest_ms);
  failures_.erase(flight.lease.ids.front());
  parts_.queue->Settle(flight.lease);
  outcome_.NoteSuccess();
  // The more waits, the more is sent at a time.
  if (parts_.queue->stats().blocks > flights_.size() && shards_ < options_.queue_config.max_shards)
    ++shards_;
}

// Compares what the receiver has written with what it was sent. False when it did not say, which
// in auto mode means that it knows 1.0 only.
bool SendLoop::CheckWritten(const Flight& flight, const HttpResponse& response) {
  uint64_t suppressed = 0;
  if (!SaysWritten(response)) {
    if (is_auto_) return false;
    if (written_throttle_.Allow(&suppressed)) {
      parts_.logger->Warn(
          "a receiver of remote write does not say what it has written of a request in version "
          "2.0: if it knows 1.0 only, set protobuf_message to \"prometheus.WriteRequest\"",
          {{"remote_name", options_.name}});
    }
    return true;
  }
  knows_2_ = true;
  parts_.metrics->CountFailed(CountWritten(flight, response));
  return true;
}

// Counts what the receiver says that it has written, and returns what is missing. Of a kind whose
// number is no number nothing is known, and nothing counted.
SampleCounts SendLoop::CountWritten(const Flight& flight, const HttpResponse& response) {
  const auto samples = Written(response, "samples");
  const auto histograms = Written(response, "histograms");
  const auto exemplars = Written(response, "exemplars");
  const SampleCounts& sent = flight.counts;
  const SampleCounts written = {samples.value_or(0), histograms.value_or(0), exemplars.value_or(0)};
  parts_.metrics->CountWritten(written);
  uint64_t suppressed = 0;
  const bool differs = !samples || !histograms || !exemplars || !(written == sent);
  if (differs && IsSuccess(response.status) && written_throttle_.Allow(&suppressed)) {
    parts_.logger->Warn("a receiver of remote write has not written what it was sent",
                        {{"remote_name", options_.name},
                         {"samples_sent", sent.samples},
                         {"samples_written", WrittenText(response, "samples")},
                         {"histograms_sent", sent.histograms},
                         {"histograms_written", WrittenText(response, "histograms")},
                         {"exemplars_sent", sent.exemplars},
                         {"exemplars_written", WrittenText(response, "exemplars")},
                         {"more", suppressed}});
  }
  return {Missing(sent.samples, samples.value_or(sent.samples)),
          Missing(sent.histograms, histograms.value_or(sent.histograms)),
          Missing(sent.exemplars, exemplars.value_or(sent.exemplars))};
}

void SendLoop::FallBack(const HttpResponse& response) {
  if (protocol() == Protocol::k1) return;
  protocol_ = Protocol::k1;
  next_metadata_nanos_ = parts_.clock->MonotonicNanos() + kFirstMetadataNanos;
  parts_.logger->Info("a receiver knows remote write 1.0 only, which it gets from now on",
                      {{"remote_name", options_.name}, {"status", response.status}});
}

void SendLoop::HandleFailure(const Flight& flight, const HttpResponse& response) {
  parts_.metrics->CountRetried(flight.counts);
  failing_at_end_ = hurried_;
  Pause(response);
  if (failures_.size() >= kMaxFailures) failures_.clear();
  const uint32_t failures = ++failures_[flight.lease.ids.front()];
  parts_.queue->Return(flight.lease, parts_.clock->MonotonicNanos() + backoff_.Nanos(failures));
}

int64_t SendLoop::WantedPauseNanos(const HttpResponse& response) const {
  const auto retry_after = response.headers.find("retry-after");
  if (retry_after == response.headers.end()) return 0;
  return RetryAfterNanos(retry_after->second, parts_.clock->WallNanos());
}

void SendLoop::Pause(const HttpResponse& response) {
  int64_t pause = WantedPauseNanos(response);
  // Requests that were under way together fail together: that is one failure.
  if (response.id >= first_id_after_failure_) {
    first_id_after_failure_ = next_id_;
    shards_ = std::max<uint64_t>(shards_ / 2, 1);
    pause = std::max(pause, backoff_.Nanos(++failures_in_row_));
  }
  pause_until_nanos_ = std::max(pause_until_nanos_, parts_.clock->MonotonicNanos() + pause);
  const std::string error = Describe(response);
  outcome_.NoteError(error);
  uint64_t suppressed = 0;
  if (!error_throttle_.Allow(&suppressed)) return;
  parts_.logger->Warn("cannot send to a receiver of remote write, trying again",
                      {{"remote_name", options_.name}, {"error", error}, {"more", suppressed}});
}

void SendLoop::HandleRefusal(const Flight& flight, const HttpResponse& response) {
  // Of a request with something wrong in it a receiver may have written the rest.
  SampleCounts refused = flight.counts;
  if (flight.protocol == Protocol::k2 && SaysWritten(response)) {
    CountWritten(flight, response);
    const SampleCounts written = {Written(response, "samples").value_or(0),
                                  Written(response, "histograms").value_or(0),
                                  Written(response, "exemplars").value_or(0)};
    refused = Missing(flight.counts, written);
    if (!(refused == flight.counts)) {
      parts_.metrics->CountSent(Missing(flight.counts, refused), flight.body_bytes,
                                flight.newest_ms);
    }
  }
  parts_.metrics->CountFailed(refused);
  parts_.metrics->CountDropped(DropReason::kRejected, refused);
  failures_.erase(flight.lease.ids.front());
  parts_.queue->Settle(flight.lease);
  const std::string error = Describe(response);
  outcome_.NoteError(error);
  uint64_t suppressed = 0;
  if (!refusal_throttle_.Allow(&suppressed)) return;
  parts_.logger->Error("a receiver of remote write refuses samples, which are dropped",
                       {{"remote_name", options_.name},
                        {"error", error},
                        {"samples", refused.points()},
                        {"more", suppressed}});
}

SendLoop::Status SendLoop::status() const {
  Status status;
  status.protocol = protocol();
  status.shards = shards_.load(std::memory_order_relaxed);
  outcome_.Describe(&status);
  return status;
}

}  // namespace spanmeter
