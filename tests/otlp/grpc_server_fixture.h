// A running OTLP/gRPC port with a client.

#ifndef SPANMETER_TESTS_OTLP_GRPC_SERVER_FIXTURE_H_
#define SPANMETER_TESTS_OTLP_GRPC_SERVER_FIXTURE_H_

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "spanmeter/otlp_grpc_server.h"

#include "otlp/grpc_client.h"
#include "otlp/test_generator.h"
#include "support/otlp_builder.h"

namespace spanmeter::testing {

inline std::string RequestOf(int spans) {
  LifelikeShape shape;
  shape.spans = spans;
  return LifelikeRequest(shape);
}

class GrpcServerFixture : public ::testing::Test {
 protected:
  GrpcServerFixture() {
    options_.listen = "127.0.0.1:0";
    options_.max_message_size = 1 << 20;
    options_.max_in_flight = 4 << 20;
  }
  void Start() {
    std::string error;
    server_ = OtlpGrpcServer::Start(options_, &test_.tenants, &test_.clock, &test_.logger,
                                    &test_.metrics, &error);
    ASSERT_NE(nullptr, server_) << error;
    client_ = std::make_unique<GrpcClient>(server_->address());
  }
  // Requests that were answered so.
  double Answered(const std::string& code) const {
    return test_.Self("spanmeter_otlp_requests_total", "code", code);
  }

  OtlpGrpcOptions options_;
  TestGenerator test_;
  std::unique_ptr<OtlpGrpcServer> server_;
  std::unique_ptr<GrpcClient> client_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_GRPC_SERVER_FIXTURE_H_
