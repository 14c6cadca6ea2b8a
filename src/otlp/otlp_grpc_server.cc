#include "spanmeter/otlp_grpc_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "spanmeter/mutex.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "otlp/connection_listener.h"
#include "otlp/grpc_tls.h"
#include "otlp/ingest.h"
#include "otlp/request_gate.h"
#include "otlp/request_metrics.h"
#include "otlp/tenant_tokens.h"

namespace spanmeter {

namespace {

namespace pb = opentelemetry::proto::collector::trace::v1;

// Metadata key by which a client asks that its spans be taken but not turned into metrics.
constexpr char kNoGenerateMetrics[] = "no-generate-metrics";
// Metadata key of the tenant; HTTP/2 knows lower case only.
constexpr char kTenant[] = "x-scope-orgid";
// And of the token.
constexpr char kAuthorization[] = "authorization";

// What a client that we have no room for is told to wait. A request takes milliseconds; a second
// spreads the clients' next attempts without filling their queues.
constexpr int64_t kRetryDelaySeconds = 1;

// At the end of a shutdown connections get this long to be closed by their clients.
constexpr std::chrono::milliseconds kFarewell(500);

// Requests that are refused are logged this often, with the number of those in between.
constexpr int64_t kRefusalLogInterval = 10 * kNanosPerSecond;

// What a connection may do. gRPC's defaults are made for clients that one knows.
constexpr std::pair<const char*, int> kChannelArguments[] = {
    // We inflate gzip ourselves, in one piece: gRPC does it in slices of 1 KB, at twice the cost.
    {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
    // A second process on the same port is an error, not a silent share of the traffic.
    {GRPC_ARG_ALLOW_REUSEPORT, 0},
    // Each stream may hold a message that is not complete yet. The OpenTelemetry collector sends 10
    // at a time; HTTP/2 recommends no less than 100.
    {GRPC_ARG_MAX_CONCURRENT_STREAMS, 100},
    // A peer that connects and then says nothing, or never finishes its TLS handshake.
    {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000},
    // A peer that vanished without closing, noticed by an unanswered ping; frees what it had sent.
    {GRPC_ARG_KEEPALIVE_TIME_MS, 60'000},
    {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000},
    {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
    // Clients with keepalive ping every 10 s at most, also without calls; gRPC's default of 5
    // minutes would cut them off.
    {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000},
    // Connections that nobody uses. Clients reconnect on their own.
    {GRPC_ARG_MAX_CONNECTION_IDLE_MS, 15 * 60'000},
    // A peer that answers pings but never finishes a message; also lets clients behind a load
    // balancer spread anew. The grace is for requests on their way.
    {GRPC_ARG_MAX_CONNECTION_AGE_MS, 30 * 60'000},
    {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 60'000},
};

// Bounds all memory in which gRPC keeps messages: those being worked on (at most max_in_flight) and
// as much again of those not complete yet, and 64 MiB for connections. gRPC slows down reading, and
// in the end drops the fattest streams, when it comes close.
uint64_t QuotaBytes(const OtlpGrpcOptions& options) {
  return 2 * options.max_in_flight + (uint64_t{64} << 20);
}

// The google.rpc.Status that tells OTLP clients to try again.
std::string RetryDetails(const std::string& message) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(kRetryDelaySeconds);
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
  status.set_message(message);
  status.add_details()->PackFrom(retry);
  return status.SerializeAsString();
}

grpc::Status ToStatus(const IngestReply& reply) {
  switch (reply.code) {
    case IngestCode::kOk:
      return grpc::Status::OK;
    case IngestCode::kMalformed:
      return {grpc::StatusCode::INVALID_ARGUMENT, reply.message};
    case IngestCode::kTooLarge:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, reply.message};
    case IngestCode::kOverloaded:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, reply.message, RetryDetails(reply.message)};
    case IngestCode::kCancelled:
      return {grpc::StatusCode::CANCELLED, reply.message};
    case IngestCode::kUnauthenticated:
      return {grpc::StatusCode::UNAUTHENTICATED, reply.message};
    case IngestCode::kTooManyTenants:
      // Without RetryInfo: sending it again would not help.
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, reply.message};
  }
  return {grpc::StatusCode::INTERNAL, "unknown reply"};
}

std::string CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return "OK";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    case grpc::StatusCode::CANCELLED:
      return "CANCELLED";
    case grpc::StatusCode::UNAUTHENTICATED:
      return "UNAUTHENTICATED";
    default:
      return "INTERNAL";
  }
}

// All that CodeName() returns.
std::vector<std::string> CodeNames() {
  return {"OK",          "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED",
          "UNAVAILABLE", "CANCELLED",        "UNAUTHENTICATED",
          "INTERNAL"};
}

grpc::ByteBuffer ToResponse(const IngestReply& reply) {
  pb::ExportTraceServiceResponse response;
  if (reply.rejected_spans > 0) {
    response.mutable_partial_success()->set_rejected_spans(
        static_cast<int64_t>(reply.rejected_spans));
    response.mutable_partial_success()->set_error_message(reply.message);
  }
  const grpc::Slice slice(response.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// All values of a metadata key.
std::vector<std::string_view> MetadataOf(const grpc::CallbackServerContext& context,
                                         const char* key) {
  std::vector<std::string_view> values;
  const auto [first, last] = context.client_metadata().equal_range(key);
  for (auto it = first; it != last; ++it) values.emplace_back(it->second.data(), it->second.size());
  return values;
}

std::string_view ToView(const grpc::Slice& slice) {
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// Holds the gate until the answer is on its way: a client that misses it would send the spans
// again.
class AnswerReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit AnswerReactor(RequestGate* gate) : gate_(gate) {}
  void OnDone() override {
    gate_->Leave();
    delete this;
  }

 private:
  RequestGate* const gate_;
};

class TraceService final
    : public pb::TraceService::WithRawCallbackMethod_Export<pb::TraceService::Service> {
 public:
  TraceService(const OtlpGrpcOptions& options, Tenants* tenants, const Clock* clock,
               const Logger* logger, SelfMetrics* metrics, RequestTee* tee)
      : clock_(clock),
        logger_(logger),
        throttle_(clock, kRefusalLogInterval),
        metrics_(metrics, "grpc", CodeNames(), options.max_in_flight),
        ingest_({options.max_message_size, options.max_in_flight}, tenants,
                metrics_.in_flight_bytes(), tee),
        tokens_("otlp.grpc", options.tokens, clock, logger, metrics) {}

  // To be called once, before the service is served.
  bool LoadTokens(std::string* error) { return tokens_.Load(error); }

  // All the work is done here, on the thread that received the message: a queue would only hide
  // overload from the clients.
  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    const int64_t start = clock_->MonotonicNanos();
    const bool entered = gate_.Enter();
    const IngestReply reply = entered ? Handle(context, *request) : IngestReply();
    *response = ToResponse(reply);
    const grpc::Status status =
        entered ? ToStatus(reply)
                : grpc::Status(grpc::StatusCode::UNAVAILABLE,
                               "spanmeter is shutting down; send the request again");
    metrics_.Count(CodeName(status.error_code()),
                   static_cast<double>(clock_->MonotonicNanos() - start) / kNanosPerSecond,
                   request->Valid() ? static_cast<double>(request->Length()) : 0);
    if (!reply.message.empty()) Log(*context, status, reply);
    grpc::ServerUnaryReactor* const reactor =
        entered ? new AnswerReactor(&gate_) : context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  // Refuses requests from now on. Returns when the others have been answered, or after that time;
  // nothing is counted any more then.
  void Drain(std::chrono::nanoseconds at_most) {
    gate_.Close();
    gate_.WaitUntilEmpty(at_most);
    abandoned_.store(true);
  }

 private:
  IngestReply Handle(grpc::CallbackServerContext* context, const grpc::ByteBuffer& buffer) {
    IngestRequest request;
    request.tenants = MetadataOf(*context, kTenant);
    // Before anything else is looked at.
    std::string refusal = tokens_.Check(MetadataOf(*context, kAuthorization), request.tenants);
    if (!refusal.empty()) return {IngestCode::kUnauthenticated, std::move(refusal), 0};
    if (!buffer.Valid()) return {IngestCode::kMalformed, "the call brought no message", 0};
    request.generate_metrics =
        context->client_metadata().find(kNoGenerateMetrics) == context->client_metadata().end();
    request.given_up = [this, context] {
      return abandoned_.load() || context->IsCancelled() ||
             std::chrono::system_clock::now() >= context->deadline();
    };

    // Fast path: small messages come in one piece.
    grpc::Slice slice;
    if (buffer.TrySingleSlice(&slice).ok()) {
      const std::string_view part = ToView(slice);
      request.parts = {&part, 1};
      return ingest_.Handle(request);
    }
    std::vector<grpc::Slice> slices;
    if (const grpc::Status status = buffer.Dump(&slices); !status.ok()) {
      return {IngestCode::kMalformed, status.error_message(), 0};
    }
    std::vector<std::string_view> parts;
    parts.reserve(slices.size());
    for (const grpc::Slice& one : slices) parts.push_back(ToView(one));
    request.parts = parts;
    return ingest_.Handle(request);
  }

  void Log(const grpc::CallbackServerContext& context, const grpc::Status& status,
           const IngestReply& reply) {
    uint64_t suppressed = 0;
    if (!throttle_.Allow(&suppressed)) return;
    logger_->Warn(status.ok() ? "spans of an OTLP request refused" : "OTLP request refused",
                  {{"transport", "grpc"},
                   {"code", CodeName(status.error_code())},
                   {"peer", context.peer()},
                   {"reason", reply.message},
                   {"more_since_last_line", suppressed}});
  }

  const Clock* const clock_;
  const Logger* const logger_;
  LogThrottle throttle_;
  OtlpRequestMetrics metrics_;
  Ingest ingest_;
  TenantTokens tokens_;
  RequestGate gate_;
  // The server will cancel what it has not answered yet.
  std::atomic<bool> abandoned_{false};
};

class Server final : public OtlpGrpcServer {
 public:
  Server(const OtlpGrpcOptions& options, Tenants* tenants, const Clock* clock, const Logger* logger,
         SelfMetrics* metrics, RequestTee* tee)
      : clock_(clock),
        logger_(logger),
        refused_connections_(RefusedConnections(metrics, "grpc")),
        service_(options, tenants, clock, logger, metrics, tee) {}
  ~Server() override { Shutdown(0); }

  bool Listen(const OtlpGrpcOptions& options, std::string* error) {
    if (!service_.LoadTokens(error)) return false;
    credentials_ = grpc::InsecureServerCredentials();
    if (options.tls.has_value()) {
      credentials_ = MakeGrpcTls(*options.tls, clock_, logger_, error);
      if (credentials_ == nullptr) return false;
    }

    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials_);
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_size));
    // A message in an encoding that gRPC knows and we do not would reach us as if it were plain.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.SetResourceQuota(
        grpc::ResourceQuota("spanmeter-otlp").Resize(static_cast<size_t>(QuotaBytes(options))));
    for (const auto& [name, value] : kChannelArguments) builder.AddChannelArgument(name, value);
    listener_ = ConnectionListener::Open(options.listen, clock_, logger_, refused_connections_);
    if (listener_ == nullptr) {
      *error = "cannot listen on " + options.listen +
               ": the port is in use, or the address is not one of this machine";
      return false;
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      *error = "cannot start gRPC, see its messages";
      return false;
    }
    address_ =
        options.listen.substr(0, options.listen.rfind(':') + 1) + std::to_string(listener_->port());
    server_->GetHealthCheckService()->SetServingStatus(pb::TraceService::service_full_name(), true);
    listener_->Start([this](int listener_fd, int fd) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.listener_fd = listener_fd;
      connection.fd = fd;
      acceptor_->HandleNewConnection(&connection);
    });
    return true;
  }

  std::string address() const override { return address_; }

  void Shutdown(int64_t grace_nanos) override {
    // A second caller waits for the first.
    const MutexLock lock(&mutex_);
    if (server_ == nullptr) return;
    const std::chrono::nanoseconds grace(grace_nanos);
    const auto deadline = std::chrono::system_clock::now() + grace;
    server_->GetHealthCheckService()->Shutdown();
    service_.Drain(grace);
    listener_->Stop();
    // What is left are health watches, which would go on forever, and requests that are not
    // complete, or took too long. Returns when the last handler has: the server waits for its
    // callbacks.
    server_->Shutdown(std::min(deadline, std::chrono::system_clock::now() + kFarewell));
    server_.reset();
  }

 private:
  const Clock* const clock_;
  const Logger* const logger_;
  prometheus::Counter* const refused_connections_;
  TraceService service_;
  // Asked at each handshake.
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::string address_;
  Mutex mutex_;
  // Gets what the listener accepts. gRPC closes what comes after the server's shutdown.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ConnectionListener> listener_;
};

}  // namespace

std::unique_ptr<OtlpGrpcServer> OtlpGrpcServer::Start(const OtlpGrpcOptions& options,
                                                      Tenants* tenants, const Clock* clock,
                                                      const Logger* logger, SelfMetrics* metrics,
                                                      std::string* error, RequestTee* tee) {
  auto server = std::make_unique<Server>(options, tenants, clock, logger, metrics, tee);
  if (!server->Listen(options, error)) return nullptr;
  return server;
}

}  // namespace spanmeter
