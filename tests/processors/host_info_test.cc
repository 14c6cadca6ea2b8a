// The host-info processor with a real registry behind it.

#include "spanmeter/host_info.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HostInfoTest : public ::testing::Test {
 protected:
  ProcessorCounts Send(const std::vector<TestResource>& resources) {
    Start();
    return Process(index_, resources, session_.get());
  }
  // One resource with one span.
  ProcessorCounts Send(const Attributes& resource) { return Send({{resource, {TestSpan()}}}); }

  void Start() {
    if (processor_ != nullptr) return;
    ASSERT_THAT(ValidateHostInfo(options_), IsEmpty());
    registry_ = std::make_unique<Registry>(options_, &clock_);
    processor_ = NewHostInfo(options_, &index_, registry_.get());
    session_ = processor_->NewSession();
  }

  // name{labels} of all series, each of which must be 1.
  std::vector<std::string> Series() {
    CollectingSink sink;
    EXPECT_TRUE(registry_->Visit(&sink));
    std::vector<std::string> all;
    for (const auto& [name, metric] : sink.metrics()) {
      for (const auto& [labels, series] : metric) {
        EXPECT_EQ(series.value, 1);
        all.push_back(name + "{" + labels + "}");
      }
    }
    return all;
  }

  std::vector<std::string> Problems() {
    std::vector<std::string> problems;
    for (const OptionProblem& problem : ValidateHostInfo(options_)) {
      problems.push_back(problem.path + ": " + problem.problem);
    }
    return problems;
  }

  FakeClock clock_;
  GeneratorOptions options_;
  AttributeIndex index_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Processor> processor_;
  std::unique_ptr<ProcessorSession> session_;
};

TEST_F(HostInfoTest, TheFirstIdentifierThatAResourceHasNamesTheHost) {
  Send({{"host.id", "h1"}});
  Send({{"host.id", "h2"}, {"k8s.node.name", "n2"}});
  Send({{"host.name", "h3"}});
  EXPECT_THAT(Series(),
              ElementsAre(R"(traces_host_info{grafana_host_id="h1",host_source="host.id"})",
                          R"(traces_host_info{grafana_host_id="n2",host_source="k8s.node.name"})"));
  EXPECT_EQ(processor_->name(), "host-info");
}

TEST_F(HostInfoTest, OnlyStringsThatAreNotEmptyCount) {
  Send({{"k8s.node.name", ""}, {"k8s.node.name", "second"}, {"k8s.node.name", "third"}});
  Send(Attributes().Add("k8s.node.name", AnyValue::Int(4)).Add("host.id", "of-int"));
  Send(Attributes().Add("k8s.node.name", AnyValue::Bytes("x")).Add("host.id", "of-bytes"));
  Send(Attributes().Add("host.id", AnyValue::Bool(true)));
  EXPECT_THAT(
      Series(),
      ElementsAre(R"(traces_host_info{grafana_host_id="of-bytes",host_source="host.id"})",
                  R"(traces_host_info{grafana_host_id="of-int",host_source="host.id"})",
                  R"(traces_host_info{grafana_host_id="second",host_source="k8s.node.name"})"));
}

TEST_F(HostInfoTest, SpanAttributesDoNotCount) {
  TestSpan span;
  span.attributes = {{"host.id", "h"}};
  Send({{{}, {span}}});
  EXPECT_THAT(Series(), IsEmpty());
}

TEST_F(HostInfoTest, AResourceWithoutSpansIsNoHost) {
  Send({{{{"host.id", "h"}}, {}}});
  EXPECT_THAT(Series(), IsEmpty());
}

TEST_F(HostInfoTest, ASpanOutsideTheTimeRangeIsEnough) {
  Start();
  const Attributes resource_attributes = {{"host.id", "h"}};
  const AttributeValues resource = resource_attributes.Wanted(index_);
  session_->StartRequest();
  session_->StartResource({&resource, {}});
  session_->SpanOutsideTimeRange();
  session_->Commit();
  EXPECT_EQ(Series().size(), 1);
}

TEST_F(HostInfoTest, AResourceIsRegisteredOnceHoweverManySpansItHas) {
  Start();
  const Attributes resource_attributes = {{"host.id", "h"}};
  const AttributeValues resource = resource_attributes.Wanted(index_);
  session_->StartRequest();
  session_->StartResource({&resource, {}});
  const AttributeValues none;
  const TestSpan span;
  session_->Span(span.View(&none));
  const size_t bytes = session_->PendingBytes();
  EXPECT_GT(bytes, 0);
  session_->Span(span.View(&none));
  session_->SpanOutsideTimeRange();
  EXPECT_EQ(session_->PendingBytes(), bytes);
  // Not even when the request is committed in parts.
  session_->Commit();
  session_->Span(span.View(&none));
  EXPECT_EQ(session_->PendingBytes(), 0);
}

TEST_F(HostInfoTest, NothingCountsBeforeTheCommit) {
  Start();
  const Attributes resource_attributes = {{"host.id", "h"}};
  const AttributeValues resource = resource_attributes.Wanted(index_);
  session_->StartRequest();
  session_->StartResource({&resource, {}});
  session_->SpanOutsideTimeRange();
  session_->StartRequest();
  session_->Commit();
  EXPECT_THAT(Series(), IsEmpty());
}

TEST_F(HostInfoTest, AnIdThatIsNotUtf8IsDiscardedOncePerResource) {
  const Attributes bad = {{"host.id", "h\xff"}};
  const ProcessorCounts counts =
      Send({{bad, {TestSpan(), TestSpan()}}, {{{"host.id", "h2"}}, {TestSpan()}}});
  EXPECT_EQ(counts.discarded[static_cast<size_t>(DiscardReason::kInvalidUtf8)], 1);
  EXPECT_THAT(Series(),
              ElementsAre(R"(traces_host_info{grafana_host_id="h2",host_source="host.id"})"));
}

TEST_F(HostInfoTest, IdentifiersAndMetricNameAreConfigurable) {
  options_.host_info.host_identifiers = {"cloud.id", "host.id"};
  options_.host_info.metric_name = "my:host_info";
  Send({{"host.id", "h"}, {"cloud.id", "c"}});
  EXPECT_THAT(Series(), ElementsAre(R"(my:host_info{grafana_host_id="c",host_source="cloud.id"})"));
}

TEST_F(HostInfoTest, ValuesAreCut) {
  options_.max_label_value_length = 6;
  Send({{"host.id", "0123456789"}});
  EXPECT_THAT(Series(),
              ElementsAre(R"(traces_host_info{grafana_host_id="012345",host_source="host.i"})"));
}

TEST_F(HostInfoTest, ExternalLabelsReplaceOurs) {
  options_.external_labels = {{"grafana_host_id", "x"}, {"host_source", ""}, {"region", "eu"}};
  Send({{"host.id", "h\xff"}});
  EXPECT_THAT(
      Series(),
      ElementsAre(R"(traces_host_info{grafana_host_id="x",host_source="host.id",region="eu"})"));
}

TEST_F(HostInfoTest, WhatPassesTheLimitIsLeftOut) {
  options_.max_active_series = 1;
  Send({{"host.id", "h1"}});
  Send({{"host.id", "h2"}});
  EXPECT_THAT(Series(),
              ElementsAre(R"(traces_host_info{grafana_host_id="h1",host_source="host.id"})"));
}

TEST_F(HostInfoTest, EmptyIdentifiersAreProblems) {
  options_.host_info.host_identifiers = {"host.id", ""};
  EXPECT_THAT(Problems(), ElementsAre("host_info.host_identifiers[1]: an identifier must not be "
                                      "empty; name a resource attribute"));
}

TEST_F(HostInfoTest, IllegalMetricNamesAreProblems) {
  for (const std::string name : {"", "1st", "host-info", "höst", "a b", "a\n"}) {
    options_.host_info.metric_name = name;
    EXPECT_THAT(Problems(), ElementsAre(HasSubstr("host_info.metric_name: "))) << name;
  }
  for (const std::string name : {"_", ":", "a1", "Traces_host_info"}) {
    options_.host_info.metric_name = name;
    EXPECT_THAT(Problems(), IsEmpty()) << name;
  }
}

TEST_F(HostInfoTest, NamesOfOtherMetricsAreProblems) {
  for (const std::string name :
       {"traces_spanmetrics_calls_total", "traces_spanmetrics_calls",
        "traces_spanmetrics_calls_created", "traces_spanmetrics_latency",
        "traces_spanmetrics_latency_bucket", "traces_spanmetrics_latency_sum",
        "traces_spanmetrics_latency_count", "traces_spanmetrics_size_total", "traces_target_info",
        "traces_service_graph_request_total", "traces_service_graph_request",
        "traces_service_graph_request_failed_total", "traces_service_graph_request_server_seconds",
        "traces_service_graph_request_client_seconds_sum",
        "traces_service_graph_request_messaging_system_seconds_count",
        "traces_service_graph_connection_info"}) {
    options_.host_info.metric_name = name;
    EXPECT_THAT(Problems(), ElementsAre(HasSubstr("belongs to the metric"))) << name;
  }
  for (const std::string name : {"traces_spanmetrics_latency_total", "traces_target_info_sum"}) {
    options_.host_info.metric_name = name;
    EXPECT_THAT(Problems(), IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace spanmeter::testing
