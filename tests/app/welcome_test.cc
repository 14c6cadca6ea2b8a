#include "app/welcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Welcome, NamesAddressesThatCanBeConnectedTo) {
  EXPECT_THAT(
      WelcomeText("1.2.3", "0.0.0.0:4317", "[::]:9797", false, false),
      AllOf(HasSubstr("spanmeter 1.2.3 is running"), HasSubstr("OTLP/gRPC at 0.0.0.0:4317\n"),
            HasSubstr("http://localhost:9797/metrics\n"),
            HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317\n"),
            Not(HasSubstr("http://[::]"))));
}

TEST(Welcome, LeavesOtherAddressesAsTheyAre) {
  EXPECT_THAT(
      WelcomeText("1", "[fe80::1]:4317", "10.0.0.1:80", false, false),
      AllOf(HasSubstr("http://[fe80::1]:4317\n"), HasSubstr("http://10.0.0.1:80/metrics\n")));
}

TEST(Welcome, SaysThatTlsIsOn) {
  EXPECT_THAT(WelcomeText("1", "0.0.0.0:4317", "0.0.0.0:9797", true, false),
              AllOf(HasSubstr("OTLP/gRPC at 0.0.0.0:4317 with TLS\n"),
                    HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT=https://localhost:4317\n"),
                    HasSubstr("http://localhost:9797/metrics")));
  EXPECT_THAT(WelcomeText("1", "0.0.0.0:4317", "0.0.0.0:9797", false, true),
              AllOf(HasSubstr("https://localhost:9797/metrics\n"),
                    HasSubstr("open https://localhost:9797/ in a browser\n"),
                    HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317\n")));
}

}  // namespace
}  // namespace spanmeter
