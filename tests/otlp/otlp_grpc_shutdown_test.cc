// Stopping the gRPC port, and peers that misbehave.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "spanmeter/otlp_grpc_server.h"

#include "otlp/grpc_client.h"
#include "otlp/grpc_server_fixture.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using ::testing::AnyOf;
using testing::GrpcClient;
using testing::GrpcReply;
using testing::RequestOf;

class OtlpGrpcShutdownTest : public testing::GrpcServerFixture {};

TEST_F(OtlpGrpcShutdownTest, UnderLoadExactlyWhatWasAcknowledgedIsCounted) {
  Start();
  constexpr int kSpans = 20;
  const std::string request = RequestOf(kSpans);
  std::atomic<uint64_t> acknowledged{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      GrpcClient client(server_->address());
      for (;;) {
        const GrpcReply reply = client.Export(request);
        if (!reply.status.ok()) {
          // Both are to be retried; gRPC itself cancels what comes in at the very end.
          EXPECT_THAT(reply.status.error_code(),
                      AnyOf(grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::CANCELLED))
              << reply.status.error_message();
          return;
        }
        ++acknowledged;
      }
    });
  }
  while (acknowledged < 200) std::this_thread::yield();
  server_->Shutdown(30 * kNanosPerSecond);
  const double counted = test_.Calls();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(static_cast<double>(acknowledged * kSpans), counted);
  EXPECT_EQ(counted, test_.Calls());
}

TEST_F(OtlpGrpcShutdownTest, ARequestInFlightIsFinishedAndCounted) {
  Start();
  test_.clock.HoldNext();
  std::thread caller([&] { EXPECT_TRUE(client_->Export(RequestOf(7)).status.ok()); });
  test_.clock.WaitUntilHolding();
  std::thread stopper([&] { server_->Shutdown(30 * kNanosPerSecond); });
  // New requests are refused from some moment on, while the other one is still being worked on.
  GrpcClient late(server_->address());
  while (late.Export("").status.ok()) {
  }
  EXPECT_EQ(grpc::StatusCode::UNAVAILABLE, late.Export(RequestOf(1)).status.error_code());
  test_.clock.Release();
  caller.join();
  stopper.join();
  EXPECT_EQ(7, test_.Calls());
}

TEST_F(OtlpGrpcShutdownTest, AfterTheGraceTheRestIsCancelledAndNotCounted) {
  Start();
  test_.clock.HoldNext();
  GrpcReply reply;
  std::thread caller([&] { reply = client_->Export(RequestOf(7)); });
  test_.clock.WaitUntilHolding();
  std::thread stopper([&] { server_->Shutdown(0); });
  caller.join();  // the cancellation reaches the client while the server is still at work
  EXPECT_FALSE(reply.status.ok());
  test_.clock.Release();
  stopper.join();
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpGrpcShutdownTest, MayBeRepeated) {
  Start();
  server_->Shutdown(0);
  server_->Shutdown(0);
  EXPECT_EQ(grpc::StatusCode::UNAVAILABLE, client_->Export(RequestOf(1)).status.error_code());
}

// A grpc.health.v1.Health/Watch call.
class HealthWatch {
 public:
  static constexpr int kServing = 1;
  static constexpr int kNotServing = 2;
  static constexpr int kServiceUnknown = 3;

  HealthWatch(GrpcClient* client, std::string_view service) : stub_(client->channel()) {
    call_ = stub_.PrepareCall(&context_, "/grpc.health.v1.Health/Watch", &queue_);
    call_->StartCall(this);
    Wait();
    testing::WireWriter writer;
    writer.Bytes(1, service);
    const grpc::Slice slice(writer.out());
    call_->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), this);
    Wait();
  }
  ~HealthWatch() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, this);
    Wait();
  }
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // The next ServingStatus, or -1 when the server ended the call.
  int Next() {
    grpc::ByteBuffer response;
    call_->Read(&response, this);
    grpc::Slice slice;
    if (!Wait() || !response.DumpToSingleSlice(&slice).ok()) return -1;
    return slice.size() == 2 ? slice.begin()[1] : 0;
  }

 private:
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

TEST_F(OtlpGrpcShutdownTest, HealthIsServingUntilShutdownAndNotServingDuringIt) {
  Start();
  HealthWatch server(client_.get(), "");
  HealthWatch service(client_.get(), "opentelemetry.proto.collector.trace.v1.TraceService");
  HealthWatch unknown(client_.get(), "unknown");
  EXPECT_EQ(HealthWatch::kServing, server.Next());
  EXPECT_EQ(HealthWatch::kServing, service.Next());
  EXPECT_EQ(HealthWatch::kServiceUnknown, unknown.Next());

  test_.clock.HoldNext();
  std::thread caller([&] { EXPECT_TRUE(client_->Export(RequestOf(1)).status.ok()); });
  test_.clock.WaitUntilHolding();
  const auto start = std::chrono::steady_clock::now();
  std::thread stopper([&] { server_->Shutdown(120 * kNanosPerSecond); });
  EXPECT_EQ(HealthWatch::kNotServing, server.Next());
  EXPECT_EQ(HealthWatch::kNotServing, service.Next());
  test_.clock.Release();
  caller.join();
  stopper.join();
  // Those who watch do not hold up the shutdown until the grace is over.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

// A TCP connection that says what it is told and nothing more.
class RawPeer {
 public:
  RawPeer(const std::string& address, std::string_view bytes)
      : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(0, connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to));
    EXPECT_EQ(static_cast<ssize_t>(bytes.size()),
              send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  ~RawPeer() { close(socket_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

 private:
  const int socket_;
};

// An HTTP/2 frame.
std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
  return frame.append(payload);
}

// A HPACK header field, not indexed, both strings literal.
std::string Header(std::string_view name, std::string_view value) {
  std::string field(1, '\0');
  for (const std::string_view text : {name, value}) {
    field.push_back(static_cast<char>(text.size()));
    field.append(text);
  }
  return field;
}

TEST_F(OtlpGrpcShutdownTest, PeersThatStallOrSendGarbageHarmNobody) {
  Start();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, "");
  const std::string headers =
      Frame(1, 4, 1,
            Header(":method", "POST") + Header(":scheme", "http") +
                Header(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export") +
                Header(":authority", "localhost") + Header("te", "trailers") +
                Header("content-type", "application/grpc"));
  // The first bytes of a message of 1,000 bytes that never goes on.
  const std::string half_message = Frame(0, 0, 1, std::string("\0\0\0\3\xe8", 5) + "\x0a\x10");
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 10; ++i) {
    for (const std::string& bytes :
         {std::string(), preface.substr(0, 10), preface, preface + headers,
          preface + headers + half_message, std::string("GET / HTTP/1.1\r\n\r\n"),
          std::string(1000, '\xff'), preface + std::string(1000, '\xff'),
          std::string("\x16\x03\x01\x02\x00\x01", 6)}) {
      peers.push_back(std::make_unique<RawPeer>(server_->address(), bytes));
    }
    EXPECT_TRUE(client_->Export(RequestOf(2)).status.ok());
  }
  EXPECT_EQ(20, test_.Calls());
  // Half a message holds up a shutdown for the grace at most, and is not counted.
  server_->Shutdown(kNanosPerSecond / 10);
  EXPECT_EQ(20, test_.Calls());
}

}  // namespace
}  // namespace spanmeter
