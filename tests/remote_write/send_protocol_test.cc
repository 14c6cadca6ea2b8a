// Which version of remote write a receiver gets, and what it says that it has written.

#include <map>
#include <string>

#include "remote_write/decoded_requests.h"
#include "remote_write/send_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;

constexpr const char* kVersion = "X-Prometheus-Remote-Write-Version";

class SendProtocolTest : public SendLoopTest {
 protected:
  SendProtocolTest() { options_.protobuf_message = RemoteWriteProtocol::kAuto; }

  std::string OpenVersion(size_t index = 0) const {
    return index < open() ? client_->open[index].headers.at(kVersion) : "none";
  }
  // The only open request has the samples of Real(3), in that version.
  void ExpectReal(Protocol protocol) const {
    ASSERT_EQ(open(), 1U);
    DecodedRequests decoded;
    Block block;
    block.protocol = protocol;
    block.counts.samples = 3;
    block.body = client_->open.front().body;
    DecodeRequest(block, &decoded);
    ASSERT_EQ(decoded.size(), 1U);
    EXPECT_EQ(decoded.begin()->first, "__name__=\"calls_total\",a=\"b\"");
    ASSERT_EQ(decoded.begin()->second.points.size(), 3U);
    EXPECT_EQ(decoded.begin()->second.points[2].value, 2);
    EXPECT_EQ(decoded.begin()->second.points[2].timestamp_ms, kStampMs + 2);
  }
};

TEST_F(SendProtocolTest, NamesTheVersionInTheHeaders) {
  Begin();
  Append({Real(3)});
  Step();
  EXPECT_EQ(client_->open.at(0).headers,
            (std::map<std::string, std::string>{
                {"Content-Encoding", "snappy"},
                {"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
                {"X-Prometheus-Remote-Write-Version", "2.0.0"}}));
  ExpectReal(Protocol::k2);
  options_.protobuf_message = RemoteWriteProtocol::k1;
  loop_->Cancel();
  Begin();
  Step();
  EXPECT_EQ(client_->open.at(0).headers,
            (std::map<std::string, std::string>{{"Content-Encoding", "snappy"},
                                                {"Content-Type", "application/x-protobuf"},
                                                {"X-Prometheus-Remote-Write-Version", "0.1.0"}}));
  ExpectReal(Protocol::k1);
}

TEST_F(SendProtocolTest, FallsBackAtOnceWhenTheReceiverDoesNotKnowTheMediaType) {
  Begin();
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
  Append({Real(3)});
  Step();
  Answer(415);
  Step();
  // At once: the clock stands still.
  EXPECT_EQ(OpenVersion(), "0.1.0");
  ExpectReal(Protocol::k1);
  EXPECT_EQ(loop_->protocol(), Protocol::k1);
  Answer(204);
  Step();
  EXPECT_EQ(Metric("samples_total"), 3);
  EXPECT_EQ(Metric("samples_failed_total"), 0);
  EXPECT_EQ(Metric("samples_retried_total"), 0);
  // It is remembered.
  Append({Real(3)});
  Step();
  EXPECT_EQ(OpenVersion(), "0.1.0");
  EXPECT_EQ(log_.Count("knows remote write 1.0 only"), 1);
}

TEST_F(SendProtocolTest, FallsBackWhenTheReceiverDoesNotSayWhatItHasWritten) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(200);
  Step();
  ExpectReal(Protocol::k1);
  EXPECT_EQ(Metric("samples_total"), 0);
  Answer(200);
  Step();
  EXPECT_EQ(Metric("samples_total"), 3);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_F(SendProtocolTest, EverythingUnderWayFallsBackTogether) {
  Begin();
  for (int i = 0; i < 40; ++i) {
    Block block = Real(1);
    block.first_hash = block.last_hash = static_cast<uint64_t>(i);
    Append({block});
  }
  while (open() < 4) {
    AnswerAll(204, WrittenHeaders("1"));
    Step();
    Step();
  }
  const double sent = Metric("samples_total");
  AnswerAll(415);
  Step();
  ASSERT_EQ(open(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(OpenVersion(i), "0.1.0");
  AnswerAll(200);
  Step();
  EXPECT_EQ(Metric("samples_total"), sent + 4);
  EXPECT_EQ(log_.Count("knows remote write 1.0 only"), 1);
}

TEST_F(SendProtocolTest, NeverFallsBackFromAConfiguredVersion) {
  options_.protobuf_message = RemoteWriteProtocol::k2;
  Begin();
  Append({Real(3)});
  Step();
  Answer(415);
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 3);
  for (int i = 0; i < 3; ++i) {
    Append({Real(3)});
    Step();
    EXPECT_EQ(OpenVersion(), "2.0.0");
    Answer(200);
    Step();
  }
  EXPECT_EQ(Metric("samples_total"), 9);
  EXPECT_EQ(Metric("samples_failed_total"), 3);
  EXPECT_EQ(log_.Count("does not say what it has written"), 1);
}

TEST_F(SendProtocolTest, VersionOneNeedsNoWordAboutWhatWasWritten) {
  options_.protobuf_message = RemoteWriteProtocol::k1;
  Begin();
  Append({Real(3, Protocol::k1)});
  Step();
  Answer(200);
  Step();
  EXPECT_EQ(Metric("samples_total"), 3);
  EXPECT_EQ(log_.text(), "");
  Append({Real(3, Protocol::k1)});
  Step();
  Answer(415);
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 3);
}

TEST_F(SendProtocolTest, TriesTheOldVersionWhenTheFirstRequestIsFoundMalformed) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(400, {}, "cannot parse");
  Step();
  ExpectReal(Protocol::k1);
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
  Answer(204);
  Step();
  EXPECT_EQ(loop_->protocol(), Protocol::k1);
  EXPECT_EQ(Metric("samples_total"), 3);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 0);
}

TEST_F(SendProtocolTest, ARequestThatIsMalformedInBothVersionsIsDropped) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(400);
  Step();
  ASSERT_EQ(OpenVersion(), "0.1.0");
  Answer(400);
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 3);
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
}

TEST_F(SendProtocolTest, AFailureOfTheTrialProvesNothing) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(400);
  Step();
  Answer(503);
  Step();
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
  clock_.Advance(kNanosPerSecond);
  Step();
  EXPECT_EQ(OpenVersion(), "2.0.0");
}

TEST_F(SendProtocolTest, TriesNothingOnceTheReceiverHasTakenTheNewVersion) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(204, WrittenHeaders("3"));
  Step();
  Append({Real(3)});
  Step();
  Answer(400);
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 3);
}

// Prometheus answers so when some of the samples are out of order.
TEST_F(SendProtocolTest, AReceiverThatRefusesAPartKnowsTheVersion) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(400, WrittenHeaders("2"), "out of order");
  Step();
  EXPECT_EQ(Metric("samples_total"), 2) << "what comes in is sent or dropped";
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
  EXPECT_EQ(Metric("samples_written_total"), 2);
  EXPECT_EQ(Metric("samples_failed_total"), 1);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 1);
  EXPECT_EQ(log_.Count("refuses samples"), 1);
  EXPECT_EQ(log_.Count("has not written what it was sent"), 0);
}

TEST_F(SendProtocolTest, ARefusalThatSaysNothingOfUseRefusesAll) {
  Begin();
  Append({Real(3)});
  Step();
  Answer(400, WrittenHeaders("some"), "out of order");
  Step();
  EXPECT_EQ(Metric("samples_total"), 0);
  EXPECT_EQ(Metric("samples_failed_total"), 3);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 3);
}

TEST_F(SendProtocolTest, CountsWhatTheReceiverHasWritten) {
  Begin();
  Block block = Opaque("a");
  block.counts = {10, 4, 7};
  Append({block});
  Step();
  Answer(204, WrittenHeaders("10", "4", "7"));
  Step();
  EXPECT_EQ(Metric("samples_written_total"), 10);
  EXPECT_EQ(Metric("histograms_written_total"), 4);
  EXPECT_EQ(Metric("exemplars_written_total"), 7);
  EXPECT_EQ(Metric("samples_failed_total"), 0);
  EXPECT_EQ(log_.text(), "");
}

TEST_F(SendProtocolTest, CountsWhatTheReceiverHasNotWrittenAndLogsItOnceAMinute) {
  Begin();
  for (int i = 0; i < 2; ++i) {
    Block block = Opaque("a");
    block.counts = {10, 4, 7};
    Append({block});
    Step();
    Answer(204, WrittenHeaders("8", "4", "0"));
    Step();
  }
  EXPECT_EQ(Metric("samples_total"), 20);
  EXPECT_EQ(Metric("samples_written_total"), 16);
  EXPECT_EQ(Metric("samples_failed_total"), 4);
  EXPECT_EQ(Metric("histograms_failed_total"), 0);
  EXPECT_EQ(Metric("exemplars_failed_total"), 14);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 0);
  EXPECT_EQ(log_.Count("has not written what it was sent"), 1);
  EXPECT_THAT(log_.text(), HasSubstr("samples_sent=10 samples_written=8"));
}

TEST_F(SendProtocolTest, AKindThatTheReceiverDoesNotNameWasNotWritten) {
  Begin();
  Block block = Opaque("a");
  block.counts = {10, 4, 0};
  Append({block});
  Step();
  Answer(204, {{"x-prometheus-remote-write-samples-written", "10"}});
  Step();
  EXPECT_EQ(Metric("samples_failed_total"), 0);
  EXPECT_EQ(Metric("histograms_failed_total"), 4);
  EXPECT_EQ(loop_->protocol(), Protocol::k2);
}

TEST_F(SendProtocolTest, ANumberThatIsNoneIsLoggedAndCountsForNothing) {
  for (const std::string text : {"", "-1", "1.5", "many", "99999999999999999999999"}) {
    SCOPED_TRACE(text);
    clock_.Advance(60 * kNanosPerSecond);
    const int lines = log_.Count("samples_written=");
    Begin();
    Append({Opaque("a")});
    Step();
    Answer(204, WrittenHeaders(text));
    Step();
    EXPECT_EQ(log_.Count("samples_written="), lines + 1);
    EXPECT_EQ(loop_->protocol(), Protocol::k2);
    EXPECT_EQ(queue_->stats().blocks, 0U);
  }
  EXPECT_EQ(Metric("samples_written_total"), 0);
  EXPECT_EQ(Metric("samples_failed_total"), 0);
}

TEST_F(SendProtocolTest, MoreThanWasSentIsLoggedAndNoFailure) {
  Begin();
  Append({Opaque("a")});
  Step();
  Answer(204, WrittenHeaders("2"));
  Step();
  EXPECT_EQ(Metric("samples_failed_total"), 0);
  EXPECT_EQ(log_.Count("samples_sent=1 samples_written=2"), 1);
}

}  // namespace
}  // namespace spanmeter
