#include "otlp/ingest.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <prometheus/gauge.h>

#include "spanmeter/tenant_id.h"

#include "otlp/gzip.h"
#include "otlp/json_decoder.h"

namespace spanmeter {

namespace {

// Scratch that is kept for later: as much as transports run requests at the same time (gRPC has a
// thread for every other core, at most 16), and buffers large enough for batches of 8,192 spans.
constexpr size_t kMaxIdleScratch = 16;
constexpr size_t kMaxIdleBufferBytes = size_t{8} << 20;

// Memory whose content does not survive growing and is not initialised.
class Buffer {
 public:
  char* Reserve(size_t size) {
    if (size > size_ || memory_ == nullptr) {
      memory_.reset();
      size_ = std::max(size + size / 4, size_t{64} << 10);
      memory_.reset(new char[size_]);
    }
    return memory_.get();
  }
  void Trim() {
    if (size_ <= kMaxIdleBufferBytes) return;
    memory_.reset();
    size_ = 0;
  }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
};

// The tenant under which a request is passed on: also without tenancy it may be meant for whoever
// comes next.
std::string_view TeeTenant(const IngestRequest& request) {
  if (request.tenants.size() != 1) return {};
  const std::string_view tenant = request.tenants.front();
  return DescribeInvalidTenantId(tenant).empty() ? tenant : std::string_view();
}

// Counts the ids of a request that asked not to be turned into metrics.
class NullVisitor final : public SpanVisitor {
 public:
  void StartResource(const ResourceView&) override {}
  void Span(const SpanView&) override {}
};

// The first (or last) `N` bytes of a message in parts, or all of them if there are fewer.
template <size_t N>
struct Edge {
  explicit Edge(std::span<const std::string_view> parts, bool last) {
    for (size_t i = 0; i < parts.size() && size < N; ++i) {
      const std::string_view part = last ? parts[parts.size() - 1 - i] : parts[i];
      const size_t n = std::min(part.size(), N - size);
      if (last) {
        std::memmove(bytes.data() + n, bytes.data(), size);
        part.copy(bytes.data(), n, part.size() - n);
      } else {
        part.copy(bytes.data() + size, n);
      }
      size += n;
    }
  }
  std::string_view view() const { return {bytes.data(), size}; }

  std::array<char, N> bytes = {};
  size_t size = 0;
};

}  // namespace

struct Ingest::Scratch {
  Buffer joined;
  Buffer inflated;
  GzipInflater inflater;
  JsonDecoder json;
  DecodeScratch decode;
};

// The bytes of one request in flight.
class Ingest::Admission {
 public:
  Admission(Ingest* ingest, uint64_t bytes) : ingest_(ingest), bytes_(bytes) {
    const uint64_t others = ingest->in_flight_.fetch_add(bytes, std::memory_order_relaxed);
    admitted_ = others == 0 || others + bytes <= ingest->limits_.max_in_flight;
    if (admitted_) {
      ingest->in_flight_gauge_->Increment(static_cast<double>(bytes));
    } else {
      ingest->in_flight_.fetch_sub(bytes, std::memory_order_relaxed);
    }
  }
  ~Admission() {
    if (!admitted_) return;
    ingest_->in_flight_.fetch_sub(bytes_, std::memory_order_relaxed);
    ingest_->in_flight_gauge_->Decrement(static_cast<double>(bytes_));
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  bool admitted() const { return admitted_; }

 private:
  Ingest* const ingest_;
  const uint64_t bytes_;
  bool admitted_;
};

class Ingest::ScratchLease {
 public:
  explicit ScratchLease(Ingest* ingest) : ingest_(ingest) {
    {
      const MutexLock lock(&ingest->mutex_);
      if (!ingest->idle_scratch_.empty()) {
        scratch_ = std::move(ingest->idle_scratch_.back());
        ingest->idle_scratch_.pop_back();
      }
    }
    if (scratch_ == nullptr) scratch_ = std::make_unique<Scratch>();
  }
  ~ScratchLease() {
    scratch_->joined.Trim();
    scratch_->inflated.Trim();
    scratch_->json.Trim(kMaxIdleBufferBytes);
    scratch_->decode.Trim();
    const MutexLock lock(&ingest_->mutex_);
    if (ingest_->idle_scratch_.size() < kMaxIdleScratch) {
      ingest_->idle_scratch_.push_back(std::move(scratch_));
    }
  }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;

  Scratch* operator->() const { return scratch_.get(); }

 private:
  Ingest* const ingest_;
  std::unique_ptr<Scratch> scratch_;
};

class Ingest::SessionLease {
 public:
  explicit SessionLease(Generator* generator)
      : generator_(generator), session_(generator->BorrowSession()) {}
  ~SessionLease() { generator_->ReturnSession(std::move(session_)); }
  SessionLease(const SessionLease&) = delete;
  SessionLease& operator=(const SessionLease&) = delete;

  GeneratorSession* get() const { return session_.get(); }
  GeneratorSession* operator->() const { return session_.get(); }

 private:
  Generator* const generator_;
  std::unique_ptr<GeneratorSession> session_;
};

Ingest::Ingest(const IngestLimits& limits, Tenants* tenants, prometheus::Gauge* in_flight_bytes,
               RequestTee* tee)
    : limits_(limits), tenants_(tenants), tee_(tee), in_flight_gauge_(in_flight_bytes) {}

Ingest::~Ingest() = default;

IngestReply Ingest::Handle(const IngestRequest& request) {
  uint64_t size = 0;
  for (const std::string_view part : request.parts) size += part.size();
  if (size > limits_.max_message_size) return TooLarge("the request");
  const Tenants::Found tenant = tenants_->Find(request.tenants);
  if (tenant.refusal != Tenants::Refusal::kNone) {
    return {tenant.refusal == Tenants::Refusal::kTooMany ? IngestCode::kTooManyTenants
                                                         : IngestCode::kUnauthenticated,
            tenant.message, 0};
  }

  using Compression = IngestRequest::Compression;
  const bool gzip = request.compression == Compression::kGzip ||
                    (request.compression == Compression::kByContent &&
                     Edge<2>(request.parts, false).view() == kGzipMagic);
  const uint64_t room =
      gzip ? GzipRoom(size, Edge<4>(request.parts, true).view(), limits_.max_message_size) : 0;
  const bool json = request.encoding == IngestRequest::Encoding::kJson;
  const uint64_t json_room = json ? JsonDecoder::Room(gzip ? room : size) : 0;
  const Admission admission(this, size + room + json_room);
  if (!admission.admitted()) {
    return {IngestCode::kOverloaded,
            "too many bytes are being worked on (max_in_flight = " +
                std::to_string(limits_.max_in_flight) + " bytes); send the request again later",
            0};
  }

  const ScratchLease scratch(this);
  std::string_view message;
  if (request.parts.size() == 1) {
    message = request.parts[0];
  } else {
    char* const joined = scratch->joined.Reserve(size);
    char* end = joined;
    for (const std::string_view part : request.parts) {
      end += part.copy(end, part.size());
    }
    message = {joined, size};
  }
  if (gzip) {
    char* const inflated = scratch->inflated.Reserve(room);
    size_t inflated_size = 0;
    switch (scratch->inflater.Inflate(message, inflated, room, &inflated_size)) {
      case GzipInflater::Outcome::kOk:
        break;
      case GzipInflater::Outcome::kNoRoom:
        if (room == limits_.max_message_size) return TooLarge("the decompressed request");
        return Malformed("cannot decompress the request: it is larger than its gzip trailer says");
      case GzipInflater::Outcome::kCorrupt:
        return Malformed("cannot decompress the request: corrupt or truncated gzip");
    }
    message = {inflated, inflated_size};
  }
  if (json) {
    std::string error;
    if (!scratch->json.Decode(message, &error)) {
      return Malformed("cannot decode the request: " + error);
    }
    message = scratch->json.message();
  }
  return HandleMessage(message, gzip, request, tenant.generator.get(), &scratch->decode);
}

IngestReply Ingest::HandleMessage(std::string_view message, bool gzip, const IngestRequest& request,
                                  Generator* generator, DecodeScratch* scratch) {
  const SessionLease session(generator);
  NullVisitor null_visitor;
  SpanVisitor* const visitor =
      request.generate_metrics ? static_cast<SpanVisitor*>(session.get()) : &null_visitor;

  session->StartRequest();
  const DecodeResult result = DecodeTraces(message, session->attributes(), scratch, visitor);
  if (!result.ok) return Malformed("cannot decode the request: " + result.error);
  // A client that has given up sends the spans again.
  if (request.given_up()) {
    return {IngestCode::kCancelled, "the client gave up before the request was counted", 0};
  }
  // What was JSON goes on as protobuf.
  const bool as_received = request.encoding != IngestRequest::Encoding::kJson;
  const TeeRequest tee_request = {TeeTenant(request),
                                  as_received ? request.parts : std::span(&message, 1),
                                  as_received && gzip, message, result.spans};
  std::unique_ptr<RequestTee::Passage> passage;
  if (tee_ != nullptr) {
    passage = tee_->Enter(tee_request);
    if (passage == nullptr) {
      return {IngestCode::kOverloaded,
              "there is no room for the request where it must be passed on; send it again later",
              0};
    }
  }

  // From here on nothing can fail, and the reply is success.
  const GeneratorSession::Received received = {result.spans, result.invalid_ids, message.size()};
  if (!request.generate_metrics) {
    generator->CountSkipped(received);
  } else {
    if (session->too_large()) {
      // Slow path: more updates than are kept at once. Now that the request is known to be valid
      // they may be applied as they come.
      session->StartValidRequest();
      DecodeTraces(message, session->attributes(), scratch, visitor);
    }
    session->Commit(received);
  }
  if (passage != nullptr) passage->Send();

  IngestReply reply;
  if (result.invalid_ids > 0) {
    reply.rejected_spans = result.invalid_ids;
    reply.message = std::to_string(result.invalid_ids) + " of " + std::to_string(result.spans) +
                    " spans have invalid ids, the first: " + result.first_invalid_id;
  }
  return reply;
}

IngestReply Ingest::Malformed(std::string message) const {
  return {IngestCode::kMalformed, std::move(message), 0};
}

IngestReply Ingest::TooLarge(std::string_view what) const {
  return {IngestCode::kTooLarge,
          std::string(what) + " is larger than max_message_size (" +
              std::to_string(limits_.max_message_size) + " bytes); send smaller batches",
          0};
}

}  // namespace spanmeter
