// Span name sanitization within the span-metrics processor.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"
#include "spanmeter/span_metrics.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::TestResource;
using testing::TestSpan;
using ::testing::UnorderedElementsAre;

constexpr char kCalls[] = "traces_spanmetrics_calls_total";

class SpanNameSanitizerTest : public ::testing::Test {
 protected:
  // A processor with its registry, as one configuration of a tenant has them.
  struct Instance {
    Instance(const GeneratorOptions& options, const Clock* clock, const Processor* previous)
        : registry(options, clock),
          processor(NewSpanMetrics(options, &index, &registry, clock, previous)),
          session(processor->NewSession()) {}

    AttributeIndex index;
    Registry registry;
    std::unique_ptr<Processor> processor;
    std::unique_ptr<ProcessorSession> session;
  };

  SpanNameSanitizerTest() {
    options_.span_name_sanitization = SpanNameSanitization::kEnabled;
    // Only the name, to keep expected label texts short.
    options_.span_metrics.intrinsic_dimensions = {false, true, false, false, false};
  }

  Instance& Start(const Processor* previous = nullptr) {
    instances_.push_back(std::make_unique<Instance>(options_, &clock_, previous));
    return *instances_.back();
  }

  static TestResource Spans(const std::vector<std::string>& names) {
    TestResource resource;
    for (const std::string& name : names) resource.spans.emplace_back().name = name;
    return resource;
  }
  static ProcessorCounts Send(const std::vector<std::string>& names, Instance* instance) {
    return testing::Process(instance->index, {Spans(names)}, instance->session.get());
  }

  static std::map<std::string, double> Calls(Instance* instance) {
    CollectingSink sink;
    EXPECT_TRUE(instance->registry.Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    std::map<std::string, double> calls;
    const auto found = sink.metrics().find(kCalls);
    if (found == sink.metrics().end()) return calls;
    for (const auto& [labels, series] : found->second) calls[labels] = series.value;
    return calls;
  }

  // By name, with the label's value behind it where there is one.
  static std::map<std::string, double> Stats(const Instance& instance) {
    std::map<std::string, double> stats;
    for (const ProcessorStat& stat : instance.processor->Stats()) {
      std::string name(stat.name);
      if (!stat.label_name.empty()) name += "/" + std::string(stat.label_value);
      EXPECT_TRUE(stats.emplace(name, stat.value).second) << name;
      EXPECT_EQ(stat.name.ends_with("_total"), stat.is_counter);
    }
    return stats;
  }

  FakeClock clock_;
  GeneratorOptions options_;
  std::vector<std::unique_ptr<Instance>> instances_;
};

TEST_F(SpanNameSanitizerTest, NamesOfOnePatternShareTheSeriesOfTheirTemplate) {
  Instance& instance = Start();
  Send({"GET /users/1", "GET /users/2", "GET /users/3", "ping"}, &instance);
  Send({"GET /users/1"}, &instance);
  EXPECT_THAT(Calls(&instance), UnorderedElementsAre(Pair("span_name=\"GET /users/1\"", 1),
                                                     Pair("span_name=\"GET /users/<_>\"", 3),
                                                     Pair("span_name=\"ping\"", 1)));
}

TEST_F(SpanNameSanitizerTest, OtherLabelsStayAroundTheName) {
  options_.span_metrics.intrinsic_dimensions = {true, true, true, true, true};
  options_.span_metrics.dimensions = {{"zone"}};
  Instance& instance = Start();
  TestResource resource = Spans({"GET /users/1", "GET /users/2"});
  resource.attributes = {{"service.name", "shop"}};
  for (TestSpan& span : resource.spans) {
    span.status_message = "fine";
    span.attributes = {{"zone", "z"}};
  }
  testing::Process(instance.index, {resource}, instance.session.get());
  EXPECT_THAT(Calls(&instance),
              UnorderedElementsAre(
                  Pair("service=\"shop\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /users/1\","
                       "status_code=\"STATUS_CODE_UNSET\",status_message=\"fine\",zone=\"z\"",
                       1),
                  Pair("service=\"shop\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET "
                       "/users/<_>\",status_code=\"STATUS_CODE_UNSET\",status_message=\"fine\","
                       "zone=\"z\"",
                       1)));
}

TEST_F(SpanNameSanitizerTest, LargeRequestsWhoseKeysMoveInMemory) {
  Instance& instance = Start();
  std::vector<std::string> names;
  for (int i = 0; i < 5000; ++i) names.push_back("GET /users/" + std::to_string(i));
  Send(names, &instance);
  EXPECT_THAT(Calls(&instance), UnorderedElementsAre(Pair("span_name=\"GET /users/0\"", 1),
                                                     Pair("span_name=\"GET /users/<_>\"", 4999)));
}

TEST_F(SpanNameSanitizerTest, ServicesShareTheirPatterns) {
  options_.span_metrics.intrinsic_dimensions.service = true;
  Instance& instance = Start();
  TestResource first = Spans({"job-1"});
  first.attributes = {{"service.name", "a"}};
  TestResource second = Spans({"job-2"});
  second.attributes = {{"service.name", "b"}};
  testing::Process(instance.index, {first, second}, instance.session.get());
  EXPECT_THAT(Calls(&instance),
              UnorderedElementsAre(Pair("service=\"a\",span_name=\"job-1\"", 1),
                                   Pair("service=\"b\",span_name=\"job-<_>\"", 1)));
}

TEST_F(SpanNameSanitizerTest, NamesAreCutBeforeTheyAreSanitized) {
  options_.max_label_value_length = 10;
  Instance& instance = Start();
  Send({"a b 1 2345678", "a b 1 23456789", "a b 2 2345678"}, &instance);
  EXPECT_THAT(Calls(&instance), UnorderedElementsAre(Pair("span_name=\"a b 1 2345\"", 2),
                                                     Pair("span_name=\"a b <_> 2345\"", 1)));
}

TEST_F(SpanNameSanitizerTest, ABrokenRequestTeachesNothing) {
  Instance& instance = Start();
  instance.session->StartRequest();
  AttributeValues values;
  values.Reset(instance.index);
  instance.session->StartResource({&values, {}});
  TestSpan span;
  span.name = "job-1";
  instance.session->Span(span.View(&values));
  // The request turns out to be broken: the next one begins.
  Send({"job-2"}, &instance);
  EXPECT_THAT(Calls(&instance), ElementsAre(Pair("span_name=\"job-2\"", 1)));
  EXPECT_EQ(1, Stats(instance)["spanmeter_span_name_patterns_detected_total"]);
}

TEST_F(SpanNameSanitizerTest, ARequestMayBeCommittedInParts) {
  Instance& instance = Start();
  instance.session->StartRequest();
  AttributeValues values;
  values.Reset(instance.index);
  instance.session->StartResource({&values, {}});
  for (const char* name : {"job-1", "job-2", "job-3"}) {
    TestSpan span;
    span.name = name;
    instance.session->Span(span.View(&values));
    EXPECT_GT(instance.session->PendingBytes(), 0U);
    instance.session->Commit();
    EXPECT_EQ(0U, instance.session->PendingBytes());
  }
  EXPECT_THAT(Calls(&instance), UnorderedElementsAre(Pair("span_name=\"job-1\"", 1),
                                                     Pair("span_name=\"job-<_>\"", 2)));
}

TEST_F(SpanNameSanitizerTest, SpansThatAreNotCountedTeachNothing) {
  FilterPolicy policy;
  policy.exclude = {FilterMatch::Type::kStrict, {{"name", std::string("job-1")}}};
  options_.span_metrics.filter_policies = {policy};
  Instance& instance = Start();
  Send({"job-1", "job-\xff", "job-2"}, &instance);
  EXPECT_THAT(Calls(&instance), ElementsAre(Pair("span_name=\"job-2\"", 1)));
}

TEST_F(SpanNameSanitizerTest, TargetInfoBesidesTheSpansIsLeftAlone) {
  options_.span_metrics.enable_target_info = true;
  Instance& instance = Start();
  TestResource resource = Spans({"job-1", "job-2"});
  resource.attributes = {{"service.name", "a"}, {"zone", "job-1"}};
  testing::Process(instance.index, {resource}, instance.session.get());
  CollectingSink sink;
  ASSERT_TRUE(instance.registry.Visit(&sink));
  EXPECT_THAT(sink.metrics().at("traces_target_info"),
              ElementsAre(Pair("job=\"a\",zone=\"job-1\"", ::testing::_)));
  EXPECT_EQ(1, Calls(&instance)["job=\"a\",span_name=\"job-<_>\""]);
}

TEST_F(SpanNameSanitizerTest, WithoutALabelForTheNameThereIsNothingToDo) {
  options_.span_metrics.intrinsic_dimensions = {false, false, true, false, false};
  Instance& instance = Start();
  Send({"job-1", "job-2"}, &instance);
  EXPECT_THAT(Calls(&instance), ElementsAre(Pair("span_kind=\"SPAN_KIND_SERVER\"", 2)));
  EXPECT_EQ(0, Stats(instance)["spanmeter_span_name_patterns_detected_total"]);
}

TEST_F(SpanNameSanitizerTest, DryRunOnlyEstimates) {
  options_.span_name_sanitization = SpanNameSanitization::kDryRun;
  Instance& instance = Start();
  Send({"GET /users/1", "GET /users/2", "GET /users/3", "GET /users/2", "ping"}, &instance);
  EXPECT_THAT(Calls(&instance), SizeIs(4));
  EXPECT_EQ(2, Calls(&instance)["span_name=\"GET /users/2\""]);
  const auto stats = Stats(instance);
  EXPECT_EQ(3, stats.at("spanmeter_span_names_sanitized_total"));
  // The first name, the template, ping.
  EXPECT_EQ(3, stats.at("spanmeter_span_name_sanitization_label_sets_estimate"));
}

TEST_F(SpanNameSanitizerTest, TheEstimateForgetsWhatIsStale) {
  options_.span_name_sanitization = SpanNameSanitization::kDryRun;
  Instance& instance = Start();
  Send({"GET /users/1", "GET /users/2", "ping"}, &instance);
  clock_.Advance(2 * options_.stale_duration);
  Send({"ping"}, &instance);
  EXPECT_EQ(1, Stats(instance)["spanmeter_span_name_sanitization_label_sets_estimate"]);
}

TEST_F(SpanNameSanitizerTest, StatsTellWhatWasDone) {
  Instance& instance = Start();
  Send({"GET /users/1", "GET /users/2", "ping", "", std::string(100, '/')}, &instance);
  EXPECT_THAT(Stats(instance),
              UnorderedElementsAre(Pair("spanmeter_span_names_sanitized_total", 1),
                                   Pair("spanmeter_span_name_templates", 1),
                                   Pair("spanmeter_span_name_patterns_detected_total", 1),
                                   Pair("spanmeter_span_names_skipped_total/too_few_tokens", 2),
                                   Pair("spanmeter_span_names_skipped_total/too_many_tokens", 1),
                                   Pair("spanmeter_span_names_skipped_total/too_long", 0)));
}

TEST_F(SpanNameSanitizerTest, TemplatesAreListed) {
  Instance& instance = Start();
  Send({"GET /users/1", "GET /users/2", "job-1", "job-2", "job-3"}, &instance);
  clock_.Advance(5);
  const std::vector<SpanNameTemplate> templates = SpanNameTemplates(*instance.processor, 10);
  ASSERT_THAT(templates, SizeIs(2));
  EXPECT_EQ("job-<_>", templates[0].text);
  EXPECT_EQ(3U, templates[0].spans);
  EXPECT_EQ(5, templates[0].idle_nanos);
  EXPECT_THAT(templates[0].examples, ElementsAre("job-1", "job-2", "job-3"));
  EXPECT_THAT(SpanNameTemplates(*instance.processor, 1), SizeIs(1));
}

TEST_F(SpanNameSanitizerTest, OffThereAreNoStatsAndNoTemplates) {
  options_.span_name_sanitization = SpanNameSanitization::kOff;
  Instance& instance = Start();
  Send({"job-1", "job-2"}, &instance);
  EXPECT_THAT(Calls(&instance), SizeIs(2));
  EXPECT_THAT(Stats(instance), IsEmpty());
  EXPECT_THAT(SpanNameTemplates(*instance.processor, 10), IsEmpty());
}

TEST_F(SpanNameSanitizerTest, TheNextConfigurationTakesOverWhatWasLearnt) {
  options_.span_name_sanitization = SpanNameSanitization::kDryRun;
  Instance& first = Start();
  Send({"job-1", "job-2"}, &first);
  options_.span_name_sanitization = SpanNameSanitization::kEnabled;
  Instance& second = Start(first.processor.get());
  Send({"job-1"}, &second);
  EXPECT_THAT(Calls(&second), ElementsAre(Pair("span_name=\"job-<_>\"", 1)));
  EXPECT_EQ(2, Stats(second)["spanmeter_span_names_sanitized_total"]);
  // Requests of the former configuration may still be on their way.
  Send({"job-3"}, &first);
  instances_.erase(instances_.begin());
  Send({"job-4"}, &second);
  EXPECT_EQ(4, Stats(second)["spanmeter_span_names_sanitized_total"]);
}

TEST_F(SpanNameSanitizerTest, SwitchedOffInBetweenEverythingBeginsAnew) {
  Instance& first = Start();
  Send({"job-1", "job-2"}, &first);
  options_.span_name_sanitization = SpanNameSanitization::kOff;
  Instance& second = Start(first.processor.get());
  options_.span_name_sanitization = SpanNameSanitization::kEnabled;
  Instance& third = Start(second.processor.get());
  Send({"job-1"}, &third);
  EXPECT_THAT(Calls(&third), ElementsAre(Pair("span_name=\"job-1\"", 1)));
}

}  // namespace
}  // namespace spanmeter
