// What a registry hands on to the next process.

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "support/collecting_sink.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ReadFrom;
using testing::StateBytes;

constexpr std::string_view kKinds[] = {"ZERO", "ONE"};

FamilyMetric Histogram(std::string name, std::vector<double> bounds) {
  return {std::move(name), "A histogram.", MetricType::kHistogram, std::move(bounds)};
}

// A family with everything that there is: classic, native and both; a metric that joins.
FamilyOptions Everything() {
  FamilyOptions family;
  family.labels = {{"a", {}}, {"kind", kKinds}};
  family.metrics.push_back(Histogram("classic", {0.1, 1, 10}));
  family.metrics.push_back(Histogram("native", {}));
  family.metrics.back().classic = false;
  family.metrics.back().native = {.schema = 3, .max_buckets = 4, .min_reset_nanos = 1};
  family.metrics.push_back(Histogram("both", {1}));
  family.metrics.back().native = {.schema = 3, .max_buckets = 100, .min_reset_nanos = 0};
  family.metrics.push_back({"calls_total", "Calls.", MetricType::kCounter, {}});
  family.metrics.push_back({"failed_total", "Failures.", MetricType::kCounter, {}});
  family.metrics.back().joins = true;
  family.metrics.push_back({"last", "A gauge.", MetricType::kGauge, {}});
  return family;
}

FamilyOptions Info() {
  FamilyOptions info;
  info.own_labels = true;
  info.metrics = {{"info", "Info.", MetricType::kGauge, {}}};
  info.metrics[0].info = true;
  return info;
}

std::string Bits(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return std::to_string(bits);
}

std::string Text(const std::vector<Exemplar>& exemplars) {
  std::string text;
  for (const Exemplar& e : exemplars) {
    text += " #" + std::to_string(e.bucket) + ":" + Bits(e.value) + "@" +
            std::to_string(e.timestamp_ms) + ":" +
            std::string(reinterpret_cast<const char*>(e.trace_id), kTraceIdSize);
  }
  return text;
}

class RegistryStateTest : public ::testing::Test {
 protected:
  RegistryStateTest() {
    options_.stale_duration = 60 * kNanosPerSecond;
    Create();
  }

  void Create() {
    registry_ = std::make_unique<Registry>(options_, &clock_);
    family_ = registry_->AddFamily(everything_);
    info_ = registry_->AddFamily(Info());
  }

  std::string Save() {
    return StateBytes(clock_, [this](StateWriter* writer) { registry_->Save(writer); });
  }
  // The registry of the next process; returns what is wrong with the state.
  std::string Restore(const std::string& bytes) {
    Create();
    StateReader reader(&clock_, ReadFrom(bytes));
    restored_ = {};
    registry_->Restore(&reader, &restored_);
    return reader.error();
  }
  void Restart(int64_t pause_nanos = 0) {
    const std::string bytes = Save();
    clock_.Advance(pause_nanos);
    EXPECT_EQ("", Restore(bytes));
  }

  void Observe(const std::string& a, double value, double weight = 1, uint8_t metrics = 0b101111) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(a);
    batch.AppendEnum(1);
    Update& update = batch.Add(family_);
    update.metrics = metrics;
    update.weight = weight;
    update.values = {value, value, value, weight, weight, value};
    const std::string trace_id = "trace-" + std::to_string(1'000'000'000 + ++traces_);
    update.trace_id = trace_id.data();
    registry_->Apply(&batch);
  }
  void Tell(const std::string& host) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText("host");
    batch.AppendText(host);
    Update& update = batch.Add(info_);
    update.metrics = 1;
    update.values[0] = 1;
    registry_->Apply(&batch);
  }

  // Everything that a visit presents, bit by bit.
  std::map<std::string, std::string> Present() {
    CollectingSink sink;
    EXPECT_TRUE(registry_->Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    std::map<std::string, std::string> result;
    for (const auto& [metric, all] : sink.metrics()) {
      for (const auto& [labels, series] : all) {
        std::string& text = result[metric + "{" + labels + "}"];
        text = Bits(series.value) + " since " + std::to_string(series.created_ms);
        for (const double count : series.cumulative) text += " " + Bits(count);
        text += Text(series.exemplars);
        if (!series.native) continue;
        text += " native " + std::to_string(series.native->schema) + " " +
                Bits(series.native->zero_count);
        for (const auto& [index, count] : series.native->buckets) {
          text += " " + std::to_string(index) + "=" + Bits(count);
        }
        text += Text(series.native->exemplars);
      }
    }
    return result;
  }
  double Calls(const std::string& a) {
    CollectingSink sink;
    registry_->Visit(&sink);
    const CollectedSeries* calls = sink.Find("calls_total", "a=\"" + a + "\",kind=\"ONE\"");
    return calls == nullptr ? 0 : calls->value;
  }

  FakeClock clock_;
  GeneratorOptions options_;
  FamilyOptions everything_ = Everything();
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  FamilyId info_ = 0;
  RestoredState restored_;
  int traces_ = 0;
};

TEST_F(RegistryStateTest, EverythingThatAVisitPresentsIsTheSameBitByBit) {
  for (const double value : {0.05, 0.5, 0.5, 5.0, 50.0, 0.0, 1e-300, 1e300}) {
    Observe("plain", value);
    clock_.Advance(kNanosPerMilli * 7);
  }
  Observe("fractional", 0.3, 0.1);
  Observe("fractional", 0.3, 0.2);
  Observe("large", 0.3, 5e9);
  Observe("none", HUGE_VAL);
  Observe("odd \"\\\n", 1);
  Observe("", 1);
  clock_.Advance(kNanosPerSecond);
  Observe("plain", 2, 1, 0b111111);  // joins
  Tell("a");
  const auto before = Present();
  ASSERT_EQ(6u * 5 + 1 + 1, before.size());
  Restart(kNanosPerSecond);
  EXPECT_EQ(before, Present());
  EXPECT_EQ(7u, restored_.label_sets);
  EXPECT_THAT(restored_.left_out, IsEmpty());
}

TEST_F(RegistryStateTest, WhatGoesOnIsWhatItWouldHaveBeen) {
  // Among these, the native histogram starts over and exemplars replace older ones.
  const auto observe = [this](int i) {
    Observe("a", std::ldexp(1.0, i % 11), 1 + (i % 5 == 0 ? 0.5 : 0), i > 20 ? 0b111111 : 0b101111);
    clock_.Advance(kNanosPerMilli);
  };
  for (int i = 0; i < 40; ++i) observe(i);
  const auto expected = Present();

  clock_.SetWallNanos(FakeClock::kStartWallNanos);
  traces_ = 0;
  Create();
  for (int i = 0; i < 40; ++i) {
    // The state was written and read within one instant.
    if (i % 3 == 0) Restart();
    observe(i);
  }
  EXPECT_EQ(expected, Present());
}

TEST_F(RegistryStateTest, OverflowSeriesAndLimitsGoOn) {
  options_.limiter_type = LimiterType::kEntity;
  options_.max_active_entities = 2;
  Create();
  for (const char* a : {"1", "2", "3", "4"}) Observe(a, 1);
  const auto before = Present();
  const RegistryStats stats = registry_->GetStats();
  ASSERT_EQ(2u, stats.active_entities);
  ASSERT_EQ(2u, stats.updates_limited);
  ASSERT_EQ(4u, stats.entity_demand);
  Restart(kNanosPerSecond);
  EXPECT_EQ(before, Present());
  const RegistryStats after = registry_->GetStats();
  EXPECT_EQ(2u, after.active_entities);
  EXPECT_EQ(stats.active_series, after.active_series);
  EXPECT_EQ(stats.series_created, after.series_created);
  EXPECT_EQ(0u, after.series_expired);
  EXPECT_EQ(2u, after.updates_limited);
  // The same label sets are refused as before: that there are no more of them shows that the sketch
  // knows them.
  EXPECT_EQ(4u, after.entity_demand);
  for (const char* a : {"3", "4"}) Observe(a, 1);
  EXPECT_EQ(4u, registry_->GetStats().entity_demand);
}

TEST_F(RegistryStateTest, ALowerLimitLetsStayWhatIsThere) {
  for (const char* a : {"1", "2", "3"}) Observe(a, 1);
  const auto before = Present();
  options_.limiter_type = LimiterType::kEntity;
  options_.max_active_entities = 1;
  Restart();
  EXPECT_EQ(before, Present());
  EXPECT_EQ(3u, registry_->GetStats().active_entities);
  Observe("4", 1);
  EXPECT_EQ(0, Calls("4"));
  // And its places are given back as always.
  clock_.Advance(options_.stale_duration);
  registry_->Expire();
  EXPECT_EQ(0u, registry_->GetStats().active_entities);
  EXPECT_EQ(0u, registry_->GetStats().active_series);
  EXPECT_EQ(registry_->GetStats().series_created, registry_->GetStats().series_expired);
}

TEST_F(RegistryStateTest, ValuesOfLabelsKeepTheirPlaces) {
  options_.max_cardinality_per_label = 2;
  Create();
  Observe("1", 1);
  clock_.Advance(kNanosPerSecond);
  for (const char* a : {"2", "3", "4", "3"}) Observe(a, 1);
  const auto before = Present();
  const std::vector<LabelStats> labels = registry_->GetStats().labels;
  ASSERT_EQ(2u, labels.size());
  ASSERT_EQ(2u, labels[0].values);
  ASSERT_EQ(3u, labels[0].refusals);
  ASSERT_EQ(4u, labels[0].demand);
  Restart(kNanosPerSecond);
  EXPECT_EQ(before, Present());
  const std::vector<LabelStats> after = registry_->GetStats().labels;
  ASSERT_EQ(2u, after.size());
  EXPECT_EQ("a", after[0].name);
  EXPECT_EQ(2u, after[0].values);
  EXPECT_EQ(3u, after[0].refusals);
  EXPECT_EQ(4u, after[0].demand);
  Observe("5", 1);
  EXPECT_EQ(0, Calls("5"));
  // "1" makes room a stale duration after it was seen, not after the restart.
  clock_.Advance(options_.stale_duration - 2 * kNanosPerSecond);
  registry_->Expire();
  Observe("6", 1);
  EXPECT_EQ(1, Calls("6"));
}

TEST_F(RegistryStateTest, ALimitOfValuesThatIsNewKnowsWhatIsThere) {
  for (const char* a : {"1", "2", "3"}) Observe(a, 1);
  options_.max_cardinality_per_label = 2;
  Restart();
  EXPECT_EQ(3u, registry_->GetStats().labels.at(0).values);
  Observe("4", 1);
  EXPECT_EQ(0, Calls("4"));
  EXPECT_EQ(1, Calls("3"));
}

TEST_F(RegistryStateTest, WhatGotStaleMeanwhileEnds) {
  Observe("old", 1);
  clock_.Advance(50 * kNanosPerSecond);
  Observe("young", 1);
  const int64_t born_ms = clock_.WallNanos() / kNanosPerMilli - 50'000;
  Restart(10 * kNanosPerSecond);
  registry_->KeepEnded(true);
  EXPECT_EQ(0, Calls("old"));
  EXPECT_EQ(1, Calls("young"));
  registry_->Expire();
  CollectingSink ended;
  registry_->VisitEnded(&ended);
  ASSERT_EQ(5u, ended.ended().size());
  EXPECT_EQ("classic{a=\"old\",kind=\"ONE\"}", ended.ended()[0].first);
  EXPECT_EQ(born_ms, ended.ended()[0].second);
  clock_.Advance(50 * kNanosPerSecond - 1);
  EXPECT_EQ(1, Calls("young"));
  clock_.Advance(1);
  EXPECT_EQ(0, Calls("young"));
}

TEST_F(RegistryStateTest, OtherHelpTextsDoNotMatter) {
  Observe("a", 1);
  everything_.metrics[3].help = "How often.";
  Restart();
  EXPECT_EQ(1, Calls("a"));
}

TEST_F(RegistryStateTest, WhatHasOtherLabelsOrBucketsIsLeftOutAndNamed) {
  const auto left_out = [this](auto change) {
    options_ = {};
    options_.stale_duration = 60 * kNanosPerSecond;
    everything_ = Everything();
    Create();
    Observe("a", 1);
    Tell("b");
    change();
    Restart();
    EXPECT_EQ(restored_.left_out.empty() ? 1 : 0, Calls("a"));
    const RegistryStats stats = registry_->GetStats();
    EXPECT_EQ(stats.active_series, stats.series_created - stats.series_expired);
    return restored_.left_out;
  };
  const auto all = ElementsAre("classic", "native", "both", "calls_total", "failed_total", "last");
  EXPECT_THAT(left_out([] {}), IsEmpty());
  EXPECT_THAT(left_out([this] { everything_.labels[0].name = "b"; }), all);
  EXPECT_THAT(left_out([this] { everything_.metrics[0].bounds = {0.1, 1, 11}; }), all);
  EXPECT_THAT(left_out([this] { everything_.metrics[1].native->max_buckets = 5; }), all);
  EXPECT_THAT(left_out([this] { everything_.metrics[4].joins = false; }), all);
  EXPECT_THAT(left_out([this] { everything_.metrics[3].type = MetricType::kGauge; }), all);
  const auto everything =
      ElementsAre("classic", "native", "both", "calls_total", "failed_total", "last", "info");
  EXPECT_THAT(left_out([this] { options_.external_labels = {{"cluster", "eu"}}; }), everything);
  EXPECT_THAT(left_out([this] { options_.relabel = {RelabelRule()}; }), everything);
  EXPECT_THAT(left_out([this] { options_.external_labels = {{"cluster", ""}}; }), IsEmpty());
}

TEST_F(RegistryStateTest, RelabelledSeriesGoOn) {
  RelabelRule rule;
  rule.action = RelabelRule::Action::kLabelDrop;
  rule.regex = "kind";
  options_.relabel = {rule};
  Create();
  Observe("a", 1);
  Restart();
  Observe("a", 1);
  CollectingSink sink;
  registry_->Visit(&sink);
  ASSERT_NE(nullptr, sink.Find("calls_total", "a=\"a\""));
  EXPECT_EQ(2, sink.Find("calls_total", "a=\"a\"")->value);
}

// Checksums are another layer's: whatever the values are, nothing worse comes of it than an error.
TEST_F(RegistryStateTest, NoContentDoesHarm) {
  Observe("a", 1);
  Observe("a", 1, 0.5, 0b111111);
  Tell("b");
  const std::string bytes = Save();
  int refused = 0;
  for (size_t i = 20; i + 16 < bytes.size(); ++i) {
    for (const char byte : {'\0', '\1', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = byte;
      refused += Restore(damaged).empty() ? 0 : 1;
      Observe("a", 1);
      Present();
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(RegistryStateTest, AKeyThatIsNoneIsRefused) {
  const auto restore = [this](const std::string& key) {
    FamilyOptions plain;
    plain.labels = {{"a", {}}, {"kind", kKinds}};
    plain.metrics = {{"calls_total", "Calls.", MetricType::kCounter, {}}};
    everything_ = plain;
    Create();
    const std::string families =
        StateBytes(clock_, [this](StateWriter* writer) { registry_->Save(writer); });
    // What the first family is described by stands in its record.
    StateReader description(&clock_, ReadFrom(families));
    description.Next();
    const std::string spec(description.Bytes());
    const std::string bytes = StateBytes(clock_, [&](StateWriter* writer) {
      writer->Begin(StateRecord::kRegistry);
      writer->Number(0);
      writer->Number(0);
      writer->End();
      writer->Begin(StateRecord::kFamily);
      writer->Bytes(spec);
      writer->Number(0);
      writer->End();
      writer->Begin(StateRecord::kLabelSet);
      writer->Bytes(key);
      writer->Signed(1);
      writer->Number(0);
      writer->Number(1);
      writer->Double(1);
      writer->End();
    });
    return Restore(bytes);
  };
  EXPECT_EQ("", restore(std::string("\1a\1", 3)));
  for (const std::string& key :
       {std::string(), std::string("\1a", 2), std::string("\2a", 2), std::string("\1a\1\1", 4),
        std::string("\x81\0a\1", 4), std::string("\1a\xff\xff\xff\xff\xff\1", 8),
        std::string("\xff\xff\xff\xff\x0f", 5)}) {
    EXPECT_THAT(restore(key), HasSubstr("without a proper key"));
  }
}

}  // namespace
}  // namespace spanmeter
