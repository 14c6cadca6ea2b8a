#include "processors/label_plan.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "name: candidate candidate", one per label of the plan.
std::vector<std::string> Plan(const GeneratorOptions& options) {
  std::vector<OptionProblem> problems;
  const LabelPlan plan = MakeLabelPlan(options, &problems);
  for (const OptionProblem& problem : problems) {
    ADD_FAILURE() << problem.path << ": " << problem.problem;
  }
  static constexpr const char* kSources[] = {"service", "job",     "instance",  "name",   "kind",
                                             "status",  "message", "dimension", "mapping"};
  std::vector<std::string> lines;
  for (const PlannedLabel& label : plan) {
    std::string line = label.name + ":";
    for (const LabelCandidate& candidate : label.candidates) {
      line += std::string(" ") + kSources[static_cast<size_t>(candidate.source)];
      if (candidate.source >= LabelSource::kDimension) {
        line += "[" + std::to_string(candidate.position) + "]";
      }
    }
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> Problems(const GeneratorOptions& options) {
  std::vector<std::string> lines;
  for (const OptionProblem& problem : ValidateSpanMetrics(options)) {
    lines.push_back(problem.path + ": " + problem.problem);
  }
  return lines;
}

GeneratorOptions WithDimensions(const std::vector<std::string>& dimensions) {
  GeneratorOptions options;
  for (const std::string& name : dimensions) options.span_metrics.dimensions.push_back({name});
  return options;
}

GeneratorOptions NoIntrinsics(const std::vector<std::string>& dimensions) {
  GeneratorOptions options = WithDimensions(dimensions);
  options.span_metrics.intrinsic_dimensions = {false, false, false, false, false};
  return options;
}

TEST(LabelPlanTest, HasTheIntrinsicLabelsThatAreOn) {
  GeneratorOptions options;
  EXPECT_THAT(Plan(options), ElementsAre("service: service", "span_name: name", "span_kind: kind",
                                         "status_code: status"));
  options.span_metrics.intrinsic_dimensions = {false, true, false, false, true};
  EXPECT_THAT(Plan(options), ElementsAre("span_name: name", "status_message: message"));
}

TEST(LabelPlanTest, HasJobAndInstanceWithTargetInfo) {
  GeneratorOptions options = NoIntrinsics({});
  options.span_metrics.enable_target_info = true;
  EXPECT_THAT(Plan(options), ElementsAre("job: job", "instance: instance"));
  options.span_metrics.enable_instance_label = false;
  EXPECT_THAT(Plan(options), ElementsAre("job: job"));
}

TEST(LabelPlanTest, SanitizesNamesAndKeepsThemApartFromIntrinsicLabels) {
  GeneratorOptions options = NoIntrinsics({"http.method", "1st", "span-kind"});
  options.span_metrics.dimension_mappings = {{"status.message", {"a"}, ""}, {"9 lives", {"b"}, ""}};
  EXPECT_THAT(Plan(options), ElementsAre("http_method: dimension[0]", "_1st: dimension[1]",
                                         "__span_kind: dimension[2]",
                                         "__status_message: mapping[0]", "_9_lives: mapping[1]"));
}

TEST(LabelPlanTest, OfDimensionsWithOneLabelTheLastConfiguredOneIsAskedFirst) {
  EXPECT_THAT(Plan(NoIntrinsics({"a.b", "other", "a_b", "a-b"})),
              ElementsAre("a_b: dimension[3] dimension[2] dimension[0]", "other: dimension[1]"));
}

TEST(LabelPlanTest, JobAndInstanceArePlainDimensionsWithoutTargetInfo) {
  EXPECT_THAT(Plan(NoIntrinsics({"job", "instance"})),
              ElementsAre("job: dimension[0]", "instance: dimension[1]"));
}

TEST(LabelPlanTest, TheResourcesOwnJobComesBeforeADimensionOfThatName) {
  GeneratorOptions options = NoIntrinsics({"instance"});
  options.span_metrics.dimension_mappings = {{"job", {"a"}, ""}};
  options.span_metrics.enable_target_info = true;
  EXPECT_THAT(Plan(options), ElementsAre("job: job mapping[0]", "instance: instance dimension[0]"));
}

TEST(LabelPlanTest, NamesAreCutAndMeetUnderTheCutName) {
  GeneratorOptions options = WithDimensions({"abcdefgh_one", "abcdefgh_two", "service_tier"});
  options.max_label_name_length = 8;
  options.span_metrics.dimension_mappings = {{"abcdefgh.three", {"x"}, ""}};
  EXPECT_THAT(
      Plan(options),
      ElementsAre("service: service", "span_name: name", "span_kind: kind", "status_code: status",
                  "abcdefgh: mapping[0] dimension[1] dimension[0]", "service_: dimension[2]"));
}

TEST(LabelPlanTest, ADimensionWhoseCutNameIsAnIntrinsicLabelLosesToIt) {
  GeneratorOptions options = WithDimensions({"service_tier"});
  options.span_metrics.intrinsic_dimensions = {true, false, false, false, false};
  options.max_label_name_length = 7;
  EXPECT_THAT(Plan(options), ElementsAre("service: service dimension[0]"));
}

TEST(LabelPlanTest, ThePrefixComesBeforeTheCut) {
  GeneratorOptions options = NoIntrinsics({"span_kind"});
  options.max_label_name_length = 4;
  EXPECT_THAT(Plan(options), ElementsAre("__sp: dimension[0]"));
}

TEST(LabelPlanTest, IntrinsicNamesAreNeverCut) {
  GeneratorOptions options;
  options.max_label_name_length = 2;
  options.span_metrics.enable_target_info = true;
  EXPECT_THAT(Plan(options),
              ElementsAre("service: service", "job: job", "instance: instance", "span_name: name",
                          "span_kind: kind", "status_code: status"));
}

TEST(LabelPlanTest, ExternalLabelsReplaceWhatHasTheirName) {
  GeneratorOptions options = WithDimensions({"region", "zone"});
  options.span_metrics.enable_target_info = true;
  options.span_metrics.dimension_mappings = {{"env", {"a"}, ""}};
  options.external_labels = {{"service", "s"}, {"instance", "i"}, {"span_kind", "k"},
                             {"region", "r"},  {"env", "e"},      {"zone", ""}};
  EXPECT_THAT(Plan(options), ElementsAre("job: job", "span_name: name", "status_code: status",
                                         "zone: dimension[1]"));
}

TEST(LabelPlanTest, ExternalLabelsReplaceByUncutAndByCutName) {
  GeneratorOptions options = NoIntrinsics({"abcdefgh", "abcdefgh_two", "ijklmnop_one", "ijklmnop"});
  options.max_label_name_length = 8;
  options.external_labels = {{"abcdefgh", "x"}, {"ijklmnop_one", "y"}};
  EXPECT_THAT(Plan(options), ElementsAre("ijklmnop: dimension[3]"));
}

TEST(ValidateSpanMetricsTest, TheDefaultsAreValid) {
  EXPECT_THAT(Problems(GeneratorOptions()), IsEmpty());
}

TEST(ValidateSpanMetricsTest, RefusesEmptyNames) {
  GeneratorOptions options = WithDimensions({"a", ""});
  options.span_metrics.dimension_mappings = {{"", {"a"}, ""}, {"m", {}, ""}, {"n", {"a", ""}, ""}};
  EXPECT_THAT(Problems(options),
              ElementsAre(HasSubstr("span_metrics.dimensions[1]: a dimension must not be empty"),
                          HasSubstr("span_metrics.dimension_mappings[0].name: a mapping must have"),
                          HasSubstr("span_metrics.dimension_mappings[1].source_labels: a mapping "
                                    "needs at least one source"),
                          HasSubstr("span_metrics.dimension_mappings[2].source_labels[1]: a source "
                                    "must not be empty")));
}

TEST(ValidateSpanMetricsTest, RefusesMappingsWhoseLabelIsTaken) {
  GeneratorOptions options = WithDimensions({"http.method", "service"});
  options.span_metrics.dimension_mappings = {
      {"http_method", {"a"}, ""}, {"o_k", {"a"}, ""}, {"o.k", {"b"}, ""}, {"__service", {"c"}, ""}};
  EXPECT_THAT(
      Problems(options),
      ElementsAre(HasSubstr("span_metrics.dimension_mappings[0].name: \"http_method\" becomes the "
                            "label \"http_method\", as does dimensions[0] (\"http.method\")"),
                  HasSubstr("dimension_mappings[2].name: \"o.k\" becomes the label \"o_k\""),
                  HasSubstr("dimension_mappings[3].name: \"__service\" becomes the label "
                            "\"__service\", as does dimensions[1] (\"service\")")));
}

TEST(ValidateSpanMetricsTest, DimensionsMayShareALabel) {
  EXPECT_THAT(Problems(WithDimensions({"deployment.environment", "deployment_environment"})),
              IsEmpty());
}

TEST(ValidateSpanMetricsTest, RefusesReservedLabels) {
  GeneratorOptions options = WithDimensions({"le", "metric.overflow", "quantile"});
  options.span_metrics.dimension_mappings = {{"--name--", {"a"}, ""}};
  EXPECT_THAT(Problems(options),
              ElementsAre(HasSubstr("span_metrics.dimensions[0]: \"le\" becomes the label \"le\", "
                                    "which is reserved"),
                          HasSubstr("span_metrics.dimensions[1]: \"metric.overflow\" becomes the "
                                    "label \"metric_overflow\""),
                          HasSubstr("span_metrics.dimension_mappings[0].name: \"--name--\" becomes "
                                    "the label \"__name__\"")));
}

TEST(ValidateSpanMetricsTest, RefusesLabelsThatAreReservedOnceTheyAreCut) {
  GeneratorOptions options = WithDimensions({"legacy.id"});
  options.max_label_name_length = 2;
  EXPECT_THAT(Problems(options),
              ElementsAre(HasSubstr("\"legacy.id\" becomes the label \"le\" when it is cut to "
                                    "max_label_name_length = 2, which is reserved")));
}

TEST(ValidateSpanMetricsTest, RefusesBucketsThatAreNoListOfBounds) {
  GeneratorOptions options;
  options.span_metrics.histogram_buckets = {1, 0.5, NAN, 1, -INFINITY};
  EXPECT_THAT(Problems(options),
              ElementsAre(HasSubstr("span_metrics.histogram_buckets[2]: a bucket's upper bound "
                                    "must be a number"),
                          HasSubstr("span_metrics.histogram_buckets[3]: is the same bound as "
                                    "histogram_buckets[0]"),
                          HasSubstr("span_metrics.histogram_buckets[4]: a bucket's upper bound")));
  options.span_metrics.histogram_buckets.clear();
  EXPECT_THAT(Problems(options), IsEmpty());
  options.span_metrics.histogram_buckets = {2, 1, INFINITY};
  EXPECT_THAT(Problems(options), IsEmpty());
  options.span_metrics.histogram_buckets.clear();
  for (int i = 0; i < 251; ++i) options.span_metrics.histogram_buckets.push_back(i);
  EXPECT_THAT(
      Problems(options),
      ElementsAre(HasSubstr("span_metrics.histogram_buckets: has 251 bounds; at most 250")));
}

TEST(ValidateSpanMetricsTest, FindsProblemsOfAllPartsInOneRun) {
  GeneratorOptions options = WithDimensions({""});
  options.span_metrics.histogram_buckets = {NAN};
  options.span_metrics.filter_policies = {FilterPolicy()};
  EXPECT_THAT(Problems(options), ElementsAre(HasSubstr("span_metrics.histogram_buckets[0]: "),
                                             HasSubstr("span_metrics.dimensions[0]: "),
                                             HasSubstr("span_metrics.filter_policies[0]: ")));
}

}  // namespace
}  // namespace spanmeter
