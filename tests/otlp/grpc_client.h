// A gRPC client that sends any bytes as an export request.

#ifndef SPANMETER_TESTS_OTLP_GRPC_CLIENT_H_
#define SPANMETER_TESTS_OTLP_GRPC_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

namespace spanmeter::testing {

struct GrpcReply {
  grpc::Status status;
  std::string response;
};

// Thread-safe.
class GrpcClient {
 public:
  using Prepare = std::function<void(grpc::ClientContext*)>;

  explicit GrpcClient(const std::string& address,
                      const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                          grpc::InsecureChannelCredentials())
      : channel_(grpc::CreateCustomChannel(address, credentials, Arguments())), stub_(channel_) {}

  // Sends `message` and waits for the answer. `prepare` may set up the call.
  GrpcReply Export(std::string_view message, const Prepare& prepare = nullptr) {
    grpc::ClientContext context;
    if (prepare) prepare(&context);
    return ExportWith(message, &context);
  }

  // The same with a context that outlives the call, as whoever cancels it from another thread
  // needs.
  GrpcReply ExportWith(std::string_view message, grpc::ClientContext* context) {
    const grpc::Slice slice(message.data(), message.size());
    const grpc::ByteBuffer request(&slice, 1);
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareUnaryCall(
        context, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    GrpcReply reply;
    call->Finish(&response, &reply.status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (response.Valid()) {
      grpc::Slice bytes;
      if (response.DumpToSingleSlice(&bytes).ok()) {
        reply.response.assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
      }
    }
    return reply;
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  static grpc::ChannelArguments Arguments() {
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    // Certificates of tests are for "localhost".
    arguments.SetSslTargetNameOverride("localhost");
    // Every client of a test has a connection of its own.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }

  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_GRPC_CLIENT_H_
