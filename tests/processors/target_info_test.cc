#include "processors/target_info.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "processors/span_builder.h"

namespace spanmeter {
namespace {

using testing::Attributes;

class TargetInfoTest : public ::testing::Test {
 protected:
  // The labels as "name=value,name=value" in the order of the key; "none" without target_info.
  std::string Labels(const Attributes& attributes, std::string_view job = "j",
                     std::string_view instance = "") {
    const TargetInfo target_info(options_);
    const auto made = target_info.MakeKey(attributes.all(), job, instance, &scratch_);
    if (!made) return "none";
    std::string_view key = *made;
    std::string labels;
    // A key is made of texts of fewer than 128 bytes here, each after its length.
    const auto take = [&key] {
      const size_t size = static_cast<unsigned char>(key[0]);
      const std::string text(key.substr(1, size));
      key.remove_prefix(1 + size);
      return text;
    };
    while (!key.empty()) {
      if (!labels.empty()) labels += ',';
      labels += take() + "=";
      labels += take();
    }
    return labels;
  }

  GeneratorOptions options_;
  TargetInfo::Scratch scratch_;
};

TEST_F(TargetInfoTest, HasTheResourcesAttributesSortedByLabelName) {
  EXPECT_EQ(Labels({{"telemetry.sdk.version", "1.2.3"}, {"host.name", "h1"}, {"Z", "z"}},
                   "shop/cart", "i-1"),
            "Z=z,host_name=h1,instance=i-1,job=shop/cart,telemetry_sdk_version=1.2.3");
}

TEST_F(TargetInfoTest, LeavesTheIdentityOut) {
  EXPECT_EQ(Labels({{"service.name", "s"},
                    {"service.namespace", "n"},
                    {"service.instance.id", "i"},
                    {"service.version", "1"}}),
            "job=j,service_version=1");
}

TEST_F(TargetInfoTest, NeedsAnIdentityAndOneOtherLabel) {
  EXPECT_EQ(Labels({{"cluster", "c"}}, "", ""), "none");
  EXPECT_EQ(Labels({}, "j", "i"), "none");
  EXPECT_EQ(Labels({{"cluster", ""}}, "j", "i"), "none");
  EXPECT_EQ(Labels({{"cluster", "c"}}, "", "i"), "cluster=c,instance=i");
}

TEST_F(TargetInfoTest, WritesEveryTypeOfValue) {
  Attributes attributes;
  attributes.Add("int", AnyValue::Int(5))
      .Add("ok", AnyValue::Bool(true))
      .Add("dbl", AnyValue::Double(2.5))
      .Add("bytes", AnyValue::Bytes("x"))
      .Add("arr", AnyValue::Array(""))
      .Add("none", AnyValue());
  EXPECT_EQ(Labels(attributes), "arr=[],dbl=2.5,int=5,job=j,ok=true");
}

TEST_F(TargetInfoTest, LeavesExcludedKeysOutAsTheyAreSent) {
  options_.span_metrics.target_info_excluded_dimensions = {"host_name", "cluster", "job"};
  EXPECT_EQ(Labels({{"host.name", "h"}, {"cluster", "c"}, {"job", "x"}, {"os.type", "linux"}}),
            "host_name=h,job=j,os_type=linux");
  EXPECT_EQ(Labels({{"cluster", "c"}}), "none");
}

TEST_F(TargetInfoTest, LeavesKeysOutThatAreEmptyOrBeginWithADigit) {
  EXPECT_EQ(Labels({{"", "a"}, {"1st", "b"}, {"9", "c"}, {"_9", "d"}, {"x1", "e"}}),
            "_9=d,job=j,x1=e");
}

TEST_F(TargetInfoTest, LeavesReservedNamesOut) {
  EXPECT_EQ(Labels({{"le", "a"}, {"__name__", "b"}, {"metric.overflow", "c"}, {"lee", "d"}}),
            "job=j,lee=d");
  options_.max_label_name_length = 2;
  EXPECT_EQ(Labels({{"legacy", "a"}, {"lab", "b"}}), "job=j,la=b");
}

TEST_F(TargetInfoTest, PrefixesNamesThatCollideWithALabelOfOurs) {
  EXPECT_EQ(Labels({{"job", "a"},
                    {"instance", "b"},
                    {"service", "c"},
                    {"span.name", "d"},
                    {"span_kind", "e"},
                    {"status-code", "f"},
                    {"status_message", "g"}}),
            "__instance=b,__job=a,__service=c,__span_kind=e,__span_name=d,__status_code=f,"
            "__status_message=g,job=j");
}

TEST_F(TargetInfoTest, OfEqualNamesTheLastAttributeCounts) {
  EXPECT_EQ(Labels({{"a.b", "1"}, {"c", "x"}, {"a_b", "2"}}), "a_b=2,c=x,job=j");
  EXPECT_EQ(Labels({{"a", "1"}, {"c", "x"}, {"a", ""}}), "c=x,job=j");
  EXPECT_EQ(Labels({{"a", "1"}, {"a", ""}}), "none");
}

TEST_F(TargetInfoTest, CutsNamesAndValuesButNotJobAndInstance) {
  options_.max_label_name_length = 4;
  options_.max_label_value_length = 5;
  EXPECT_EQ(Labels({{"abcdef", "1234567"}, {"short", "☃☃"}}, "long-job", "long-instance"),
            "abcd=12345,instance=long-,job=long-,shor=☃");
}

TEST_F(TargetInfoTest, NamesThatBecomeEqualByCuttingCountAsOne) {
  options_.max_label_name_length = 3;
  EXPECT_EQ(Labels({{"abc1", "1"}, {"abc2", "2"}}), "abc=2,job=j");
  EXPECT_EQ(Labels({{"jobs", "1"}, {"x", "2"}}), "job=j,x=2");
  EXPECT_EQ(Labels({{"jobs", "1"}}), "none");
}

TEST_F(TargetInfoTest, LeavesOutWhatIsNotUtf8AndKeepsTheRest) {
  EXPECT_EQ(Labels({{"bad", "\xff"}, {"good", "g"}}), "good=g,job=j");
  EXPECT_EQ(Labels({{"bad", "\xff"}}), "none");
}

TEST_F(TargetInfoTest, ExternalLabelsReplaceWhatHasTheirName) {
  options_.external_labels = {{"cluster", "external"}, {"job", "x"}, {"zone", ""}};
  EXPECT_EQ(Labels({{"cluster", "c"}, {"host", "h"}, {"zone", "z"}}), "host=h,zone=z");
  options_.max_label_name_length = 4;
  EXPECT_EQ(Labels({{"cluster", "c"}, {"clusters", "h"}}), "clus=h");
  // The external labels are all that is left, but the resource has a target_info.
  EXPECT_EQ(Labels({{"cluster", "c"}}), "");
}

TEST_F(TargetInfoTest, LeavesNothingBehindForTheNextResource) {
  EXPECT_EQ(Labels({{"a", "1"}, {"b", "2"}}, "j1", "i1"), "a=1,b=2,instance=i1,job=j1");
  EXPECT_EQ(Labels({{"c", "3"}}, "j2", ""), "c=3,job=j2");
}

}  // namespace
}  // namespace spanmeter
