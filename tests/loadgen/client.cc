#include "loadgen/client.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include "loadgen/byte_buffers.h"
#include "loadgen/http_worker.h"
#include "loadgen/worker.h"

namespace spanmeter::loadgen {
namespace {

constexpr char kMethod[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr auto kConnectTimeout = std::chrono::seconds(5);

using Clock = std::chrono::system_clock;

// Status codes are Abseil's by number and name.
std::string CodeName(grpc::StatusCode code) {
  const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  return name.empty() ? "CODE_" + std::to_string(static_cast<int>(code)) : name;
}

// Reads a varint at *at; 0 when the bytes end.
uint64_t TakeVarint(const std::string& bytes, size_t* at) {
  uint64_t value = 0;
  for (int shift = 0; *at < bytes.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[(*at)++]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

// It is field 1 of field 1, which is the only one.
uint64_t RejectedSpans(const std::string& response) {
  size_t at = 0;
  if (TakeVarint(response, &at) != (1 << 3 | 2)) return 0;
  TakeVarint(response, &at);
  if (TakeVarint(response, &at) != (1 << 3 | 0)) return 0;
  return TakeVarint(response, &at);
}

void Score::Merge(const Score& other) {
  requests += other.requests;
  sent_spans += other.sent_spans;
  acknowledged_spans += other.acknowledged_spans;
  rejected_spans += other.rejected_spans;
  for (const auto& [code, spans] : other.refused_spans) refused_spans[code] += spans;
  error_example.insert(other.error_example.begin(), other.error_example.end());
  latency.Merge(other.latency);
}

Pacer::Pacer(const LoadOptions& options)
    : rate_(options.rate),
      max_spans_(options.spans),
      end_(options.duration_nanos == 0
               ? TimePoint::max()
               : Clock::now() + std::chrono::nanoseconds(options.duration_nanos)),
      next_(Clock::now()) {}

bool Pacer::Claim(TimePoint* when) {
  const MutexLock lock(&mutex_);
  const TimePoint now = Clock::now();
  *when = rate_ > 0 ? next_ : now;
  return !stopped_ && (max_spans_ == 0 || spans_ < max_spans_) && std::max(*when, now) < end_;
}

void Pacer::Sent(uint64_t spans) {
  const MutexLock lock(&mutex_);
  spans_ += spans;
  if (rate_ > 0) {
    next_ += std::chrono::duration_cast<TimePoint::duration>(
        std::chrono::duration<double>(static_cast<double>(spans) / rate_));
  }
}

void Pacer::Stop() {
  const MutexLock lock(&mutex_);
  stopped_ = true;
}

// One request after the other on one connection: waits for its time, sends, takes the answer.
class Slot {
 public:
  Slot(const LoadOptions& options, const std::shared_ptr<grpc::Channel>& channel)
      : options_(options), stub_(channel) {}

  // Sets out for the next request, not before `earliest`. Returns false when there is none.
  bool Begin(Pacer* pacer, BatchSource* source, Clock::time_point earliest,
             grpc::CompletionQueue* queue) {
    Clock::time_point when;
    if (!pacer->Claim(&when)) return false;
    const Clock::time_point now = Clock::now();
    when = std::max(when, earliest);
    if (when > now) {
      // Claimed again when the time has come: by then there may be enough.
      waiting_ = true;
      alarm_.Set(queue, std::min(when, now + kLongestWait), this);
      return true;
    }
    waiting_ = false;
    const Batch batch = source->Next();
    pacer->Sent(batch.spans);
    spans_ = batch.spans;
    context_.emplace();
    context_->set_deadline(now + std::chrono::nanoseconds(options_.deadline_nanos));
    if (options_.gzip) context_->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    reply_.Clear();
    sent_at_ = std::chrono::steady_clock::now();
    reader_ = stub_.PrepareUnaryCall(&*context_, kMethod, batch.message, queue);
    reader_->StartCall();
    reader_->Finish(&reply_, &status_, this);
    return true;
  }

  bool waiting() const { return waiting_; }
  bool failed() const { return !waiting_ && !status_.ok(); }

  // Counts the answer that has come. REQUIRES: !waiting()
  void Count(Score* score) const {
    ++score->requests;
    score->sent_spans += spans_;
    if (!status_.ok()) {
      const std::string code = CodeName(status_.error_code());
      score->refused_spans[code] += spans_;
      score->error_example.emplace(code, status_.error_message());
      return;
    }
    const uint64_t rejected = std::min(RejectedSpans(BytesOf(reply_)), spans_);
    score->rejected_spans += rejected;
    score->acknowledged_spans += spans_ - rejected;
    score->latency.Add(std::chrono::duration_cast<std::chrono::nanoseconds>(
                           std::chrono::steady_clock::now() - sent_at_)
                           .count());
  }

 private:
  const LoadOptions& options_;
  grpc::GenericStub stub_;
  grpc::Alarm alarm_;
  bool waiting_ = false;
  uint64_t spans_ = 0;
  std::chrono::steady_clock::time_point sent_at_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
};

// Has several connections.
class GrpcWorker final : public Worker {
 public:
  GrpcWorker(const LoadOptions& options, Pacer* pacer, BatchSource* source)
      : options_(options), pacer_(pacer), source_(source) {}

  void AddConnection(const std::shared_ptr<grpc::Channel>& channel) {
    for (uint64_t i = 0; i < options_.in_flight; ++i) {
      slots_.push_back(std::make_unique<Slot>(options_, channel));
    }
  }

 private:
  void SendAll() override {
    size_t active = 0;
    for (const auto& slot : slots_) {
      if (slot->Begin(pacer_, source_, Clock::time_point::min(), &queue_)) ++active;
    }
    void* tag = nullptr;
    bool ok = false;
    while (active > 0 && queue_.Next(&tag, &ok)) {
      Slot* const slot = static_cast<Slot*>(tag);
      if (!slot->waiting()) {
        Update([slot](Score* score) { slot->Count(score); });
      }
      const Clock::time_point earliest =
          slot->failed() ? Clock::now() + kRefusedPause : Clock::time_point::min();
      if (!slot->Begin(pacer_, source_, earliest, &queue_)) --active;
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const LoadOptions& options_;
  Pacer* const pacer_;
  BatchSource* const source_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

Client::Client(const LoadOptions& options, BatchSource* source)
    : options_(options), source_(source) {}

Client::~Client() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool Client::Connect(std::string* error) {
  if (options_.http) return HttpWorker::CanConnect(options_, error);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options_.tls_ca_file.empty()) {
    grpc::SslCredentialsOptions tls;
    for (const auto& [path, pem] : {std::pair{&options_.tls_ca_file, &tls.pem_root_certs},
                                    std::pair{&options_.tls_cert_file, &tls.pem_cert_chain},
                                    std::pair{&options_.tls_key_file, &tls.pem_private_key}}) {
      if (path->empty()) continue;
      const std::optional<std::string> text = ReadFile(*path);
      if (!text) {
        *error = "cannot read " + *path;
        return false;
      }
      *pem = *text;
    }
    credentials = grpc::SslCredentials(tls);
  }
  grpc::ChannelArguments arguments;
  // Without it, channels to one address share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  for (uint64_t i = 0; i < options_.connections; ++i) {
    channels_.push_back(grpc::CreateCustomChannel(options_.target, credentials, arguments));
    channels_.back()->GetState(/*try_to_connect=*/true);
  }
  const Clock::time_point deadline = Clock::now() + kConnectTimeout;
  for (const auto& channel : channels_) {
    if (!channel->WaitForConnected(deadline)) {
      *error = "cannot connect to " + options_.target;
      return false;
    }
  }
  return true;
}

void Client::Start() {
  pacer_ = std::make_unique<Pacer>(options_);
  if (options_.http) {
    // A connection has one request at a time.
    for (uint64_t i = 0; i < options_.connections * options_.in_flight; ++i) {
      workers_.push_back(std::make_unique<HttpWorker>(options_, pacer_.get(), source_));
    }
  } else {
    const uint64_t threads = std::min(options_.threads, options_.connections);
    std::vector<GrpcWorker*> workers;
    for (uint64_t i = 0; i < threads; ++i) {
      auto worker = std::make_unique<GrpcWorker>(options_, pacer_.get(), source_);
      workers.push_back(worker.get());
      workers_.push_back(std::move(worker));
    }
    for (size_t i = 0; i < channels_.size(); ++i) {
      workers[i % threads]->AddConnection(channels_[i]);
    }
  }
  for (const auto& worker : workers_) {
    threads_.emplace_back([w = worker.get()] { w->Run(); });
  }
}

bool Client::done() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->done(); });
}

void Client::Join() {
  for (std::thread& thread : threads_) thread.join();
}

Score Client::score() const {
  Score sum;
  for (const auto& worker : workers_) sum.Merge(worker->score());
  return sum;
}

}  // namespace spanmeter::loadgen
