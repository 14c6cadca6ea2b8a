#include "app/welcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const OpenPort kGrpc = {"0.0.0.0:4317", false};
const OpenPort kOtlpHttp = {"0.0.0.0:4318", false};
const OpenPort kHttp = {"[::]:9797", false};
const OpenPort kOff = {"", false};

TEST(Welcome, NamesAddressesThatCanBeConnectedTo) {
  EXPECT_THAT(
      WelcomeText("1.2.3", kGrpc, kOtlpHttp, kHttp),
      AllOf(HasSubstr("spanmeter 1.2.3 is running"), HasSubstr("OTLP/gRPC at 0.0.0.0:4317\n"),
            HasSubstr("OTLP/HTTP at 0.0.0.0:4318\n"), HasSubstr("http://localhost:9797/metrics\n"),
            HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf "
                      "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318\n"),
            Not(HasSubstr("http://[::]"))));
}

TEST(Welcome, SendsByGrpcWhereHttpIsOff) {
  EXPECT_THAT(WelcomeText("1", kGrpc, kOff, kHttp),
              AllOf(HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL=grpc "
                              "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317\n"),
                    Not(HasSubstr("OTLP/HTTP"))));
}

TEST(Welcome, LeavesOtherAddressesAsTheyAre) {
  EXPECT_THAT(
      WelcomeText("1", {"[fe80::1]:4317", false}, kOff, {"10.0.0.1:80", false}),
      AllOf(HasSubstr("http://[fe80::1]:4317\n"), HasSubstr("http://10.0.0.1:80/metrics\n")));
}

TEST(Welcome, SaysThatTlsIsOn) {
  EXPECT_THAT(WelcomeText("1", {"0.0.0.0:4317", true}, kOff, kHttp),
              AllOf(HasSubstr("OTLP/gRPC at 0.0.0.0:4317 with TLS\n"),
                    HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT=https://localhost:4317\n"),
                    HasSubstr("http://localhost:9797/metrics")));
  EXPECT_THAT(WelcomeText("1", kGrpc, {"0.0.0.0:4318", true}, {"0.0.0.0:9797", true}),
              AllOf(HasSubstr("https://localhost:9797/metrics\n"),
                    HasSubstr("open https://localhost:9797/ in a browser\n"),
                    HasSubstr("OTLP/HTTP at 0.0.0.0:4318 with TLS\n"),
                    HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT=https://localhost:4318\n")));
}

}  // namespace
}  // namespace spanmeter
