#include "forward/grpc_export_client.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <grpc/byte_buffer.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>

#include "spanmeter/configured_text.h"
#include "spanmeter/read_file.h"

#include "forward/gzip_stream.h"
#include "forward/otlp_answer.h"

// gRPC's own name for those who may look into a ByteBuffer.
namespace grpc::internal {

class GrpcByteBufferPeer {
 public:
  // A message that is compressed already: it is sent as it is, and said to be compressed.
  static void MakeCompressed(grpc_slice slice, grpc_compression_algorithm algorithm,
                             ByteBuffer* buffer) {
    buffer->set_buffer(grpc_raw_compressed_byte_buffer_create(&slice, 1, algorithm));
  }
};

}  // namespace grpc::internal

namespace spanmeter {

namespace {

constexpr char kMethod[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr char kTenantKey[] = "x-scope-orgid";

constexpr int kMaxConnectMs = 10'000;
constexpr int64_t kMinReconnectNanos = 100 * kNanosPerMilli;
// While calls are under way, answers that nobody waits for and what is new are looked at this
// often. Waking a thread for each of them would cost as much as sending the request.
constexpr int64_t kPatienceNanos = 20 * kNanosPerMilli;
// How often files of certificates are looked at.
constexpr int64_t kLookNanos = kNanosPerSecond;
constexpr size_t kMaxPemBytes = size_t{4} << 20;

// What is worth sending again (OTLP/gRPC, "Failures"); RESOURCE_EXHAUSTED only when the receiver
// says when.
bool IsRetryable(const grpc::Status& status, bool says_when) {
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
      return true;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return says_when;
    default:
      return false;
  }
}

// Status codes are Abseil's by number and name.
std::string CodeName(grpc::StatusCode code) {
  const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  return name.empty() ? "an unknown code" : name;
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

ExportAnswer ToAnswer(uint64_t id, const grpc::Status& status, const grpc::ByteBuffer& response) {
  ExportAnswer answer;
  answer.id = id;
  if (status.ok()) {
    answer.outcome = ExportAnswer::Outcome::kTaken;
    PartialSuccess partial = ReadPartialSuccess(BytesOf(response));
    answer.rejected_spans = partial.rejected_spans;
    answer.error = std::move(partial.message);
    return answer;
  }
  const std::optional<int64_t> delay = ReadRetryDelay(status.error_details());
  answer.error = CodeName(status.error_code());
  if (!status.error_message().empty()) answer.error.append(": ").append(status.error_message());
  answer.wait_nanos = delay.value_or(0);
  answer.outcome = IsRetryable(status, delay.has_value()) ? ExportAnswer::Outcome::kRetry
                                                          : ExportAnswer::Outcome::kRefused;
  return answer;
}

// The bytes of the body, which lives for as long as the slice does.
grpc_slice ToSlice(const std::shared_ptr<const std::string>& body) {
  auto* const kept = new std::shared_ptr<const std::string>(body);
  return grpc_slice_new_with_user_data(
      const_cast<char*>((*kept)->data()), (*kept)->size(),
      [](void* user) { delete static_cast<std::shared_ptr<const std::string>*>(user); }, kept);
}

void FillMessage(const std::shared_ptr<const std::string>& body, grpc::ByteBuffer* message) {
  const grpc_slice slice = ToSlice(body);
  if (IsGzip(*body)) {
    grpc::internal::GrpcByteBufferPeer::MakeCompressed(slice, GRPC_COMPRESS_GZIP, message);
    grpc_slice_unref(slice);
  } else {
    const grpc::Slice owner(slice, grpc::Slice::STEAL_REF);
    *message = grpc::ByteBuffer(&owner, 1);
  }
}

// Whether gRPC takes it as the value of a header.
bool IsLegalValue(const std::string& value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// What calls leave their answers in. Thread-safe.
class Answers {
 public:
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer message;
    grpc::ByteBuffer response;
  };

  // `max_calls` is how many there may be at a time.
  explicit Answers(uint64_t max_calls) : max_calls_(max_calls) {}

  Call* Add(uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return (calls_[id] = std::make_shared<Call>()).get();
  }

  // The call has ended. It is kept for the client's own thread to free: the last one frees the
  // channel as well, and that waits for the thread of gRPC's in which this runs.
  void Finish(uint64_t id, const grpc::Status& status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = calls_.find(id);
    if (!cancelled_) {
      late_ = late_ || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
      answers_.push_back(ToAnswer(id, status, found->second->response));
    }
    ended_.push_back(std::move(found->second));
    calls_.erase(found);
    // With the lock: who waits for the last call then ends the life of this.
    const bool urgent =
        cancelled_ || !status.ok() || 2 * (calls_.size() + answers_.size()) >= max_calls_;
    if (urgent) changed_.notify_all();
  }

  void Put(ExportAnswer answer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_.push_back(std::move(answer));
  }

  std::vector<ExportAnswer> Wait(int64_t timeout_nanos) {
    std::unique_lock<std::mutex> lock(mutex_);
    // Success can wait while there is room for more calls.
    if (!calls_.empty()) timeout_nanos = std::min(timeout_nanos, kPatienceNanos);
    changed_.wait_for(lock, std::chrono::nanoseconds(timeout_nanos),
                      [this] { return woken_ || !answers_.empty(); });
    woken_ = false;
    const std::vector<std::shared_ptr<Call>> ended = std::exchange(ended_, {});
    std::vector<ExportAnswer> answers = std::exchange(answers_, {});
    lock.unlock();
    return answers;
  }

  void Wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    // With calls under way the wait is a short one.
    if (calls_.empty()) changed_.notify_all();
  }

  // Gives up all calls, and waits for gRPC to give them back, which it does at once.
  void Cancel() {
    std::unique_lock<std::mutex> lock(mutex_);
    cancelled_ = true;
    // Kept, because a call may end as soon as the lock is released.
    const auto calls = calls_;
    lock.unlock();
    for (const auto& [id, call] : calls) call->context.TryCancel();
    lock.lock();
    changed_.wait(lock, [this] { return calls_.empty(); });
    cancelled_ = false;
    answers_.clear();
    const std::vector<std::shared_ptr<Call>> ended = std::exchange(ended_, {});
    lock.unlock();
  }

  // Whether a call got no answer in time since this was asked last.
  bool TakeLate() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(late_, false);
  }

 private:
  const uint64_t max_calls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::shared_ptr<Call>> calls_;  // guarded by mutex_, as is all below
  std::vector<std::shared_ptr<Call>> ended_;
  std::vector<ExportAnswer> answers_;
  bool woken_ = false;
  bool late_ = false;
  bool cancelled_ = false;
};

class GrpcExportClient final : public ExportClient {
 public:
  GrpcExportClient(const ForwardOptions& options, std::string user_agent, const Clock* clock,
                   const Logger* logger)
      : options_(options),
        user_agent_(std::move(user_agent)),
        clock_(clock),
        answers_(options.max_concurrent_requests) {
    const size_t host = options.endpoint.find("://") + 3;
    uses_tls_ = options.endpoint.starts_with("https://");
    target_ = options.endpoint.substr(host, options.endpoint.find('/', host) - host);
    if (target_.rfind(':') == std::string::npos || target_.ends_with(']')) {
      target_.append(uses_tls_ ? ":443" : ":80");
    }
    for (const auto& [name, value] : options.headers) {
      std::string key = name;
      for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      headers_.emplace_back(std::move(key), std::make_unique<ConfiguredText>(value, clock, logger));
    }
  }
  ~GrpcExportClient() override { answers_.Cancel(); }
  GrpcExportClient(const GrpcExportClient&) = delete;
  GrpcExportClient& operator=(const GrpcExportClient&) = delete;

  void Start(ExportRequest request) override {
    std::string error = PrepareChannel();
    std::vector<std::pair<const std::string*, std::string>> headers;
    for (const auto& [name, text] : headers_) {
      if (!error.empty()) break;
      std::optional<std::string> value = text->Get(&error);
      if (!value) break;
      if (!IsLegalValue(*value)) error = "the header " + name + " has other characters than ASCII";
      headers.emplace_back(&name, std::move(*value));
    }
    if (!error.empty()) {
      ExportAnswer answer;
      answer.id = request.id;
      answer.error = std::move(error);
      return answers_.Put(std::move(answer));
    }

    Answers::Call* const call = answers_.Add(request.id);
    for (const auto& [name, value] : headers) call->context.AddMetadata(*name, value);
    if (!request.tenant.empty()) call->context.AddMetadata(kTenantKey, request.tenant);
    call->context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::nanoseconds(options_.timeout));
    // Says in which encoding the message is; gRPC compresses only what is not compressed yet.
    if (IsGzip(*request.body)) call->context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    FillMessage(request.body, &call->message);
    stub_->UnaryCall(
        &call->context, kMethod, grpc::StubOptions(), &call->message, &call->response,
        [this, id = request.id](const grpc::Status& status) { answers_.Finish(id, status); });
  }

  std::vector<ExportAnswer> Wait(int64_t timeout_nanos) override {
    return answers_.Wait(timeout_nanos);
  }
  void CancelAll() override { answers_.Cancel(); }
  void Wake() override { answers_.Wake(); }

 private:
  // Makes a channel where there is none, or where there has to be another: certificates have
  // changed, or the receiver does not answer, when the connection may lead nowhere. Returns why
  // there can be none, or an empty text.
  std::string PrepareChannel() {
    const int64_t now_nanos = clock_->MonotonicNanos();
    if (answers_.TakeLate()) stub_.reset();
    if (uses_tls_ && now_nanos >= next_look_nanos_) {
      next_look_nanos_ = now_nanos + kLookNanos;
      const ClientTlsOptions& tls = options_.tls_config;
      const std::vector<FileVersion> versions = {FileVersion::OfFile(tls.ca_file),
                                                 FileVersion::OfFile(tls.cert_file),
                                                 FileVersion::OfFile(tls.key_file)};
      if (versions != versions_) stub_.reset();
      versions_ = versions;
    }
    if (stub_ != nullptr) return "";

    grpc::ChannelArguments arguments;
    arguments.SetUserAgentPrefix(user_agent_);
    // A new channel is to have a new connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What is sent again is decided elsewhere; gRPC would keep copies for it.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // What the environment and the DNS say beyond addresses does not count.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    const ForwardQueueOptions& queue = options_.queue_config;
    const auto ms = [](int64_t nanos) { return static_cast<int>(nanos / kNanosPerMilli); };
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                     ms(std::max(queue.min_backoff, kMinReconnectNanos)));
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                     ms(std::max(queue.max_backoff, kMinReconnectNanos)));
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                     std::min(ms(options_.timeout), kMaxConnectMs));
    std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
    if (uses_tls_) {
      std::string error;
      credentials = MakeTls(&arguments, &error);
      if (!error.empty()) return error;
    }
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(target_, credentials, arguments));
    return "";
  }

  std::shared_ptr<grpc::ChannelCredentials> MakeTls(grpc::ChannelArguments* arguments,
                                                    std::string* error) const {
    const ClientTlsOptions& tls = options_.tls_config;
    grpc::SslCredentialsOptions pem;
    const std::pair<const std::string*, std::string*> files[] = {
        {&tls.ca_file, &pem.pem_root_certs},
        {&tls.cert_file, &pem.pem_cert_chain},
        {&tls.key_file, &pem.pem_private_key}};
    for (const auto& [path, text] : files) {
      if (path->empty()) continue;
      const int failure = ReadFile(*path, text, kMaxPemBytes);
      if (failure == 0) continue;
      *error = "cannot read " + *path + ": " + std::strerror(failure);
      return nullptr;
    }
    // gRPC has no other way to expect somebody else's certificate than the host's.
    if (!tls.server_name.empty()) arguments->SetSslTargetNameOverride(tls.server_name);
    return grpc::SslCredentials(pem);
  }

  const ForwardOptions options_;
  const std::string user_agent_;
  const Clock* const clock_;
  bool uses_tls_ = false;
  std::string target_;  // host:port
  // Names in lower case.
  std::vector<std::pair<std::string, std::unique_ptr<ConfiguredText>>> headers_;
  std::vector<FileVersion> versions_;
  int64_t next_look_nanos_ = 0;
  std::unique_ptr<grpc::GenericStub> stub_;
  Answers answers_;
};

}  // namespace

std::unique_ptr<ExportClient> NewGrpcExportClient(const ForwardOptions& options,
                                                  const std::string& user_agent, const Clock* clock,
                                                  const Logger* logger) {
  return std::make_unique<GrpcExportClient>(options, user_agent, clock, logger);
}

}  // namespace spanmeter
