// Answers against those that a naive computation gives.

#include "admin/analysis.h"

#include <set>

#include <gtest/gtest.h>

#include "admin/filled_registry.h"

namespace spanmeter {
namespace {

constexpr unsigned kSeeds = 20;

class AnalysisTest : public ::testing::Test {
 protected:
  AnalysisLimits limits_;
};

TEST_F(AnalysisTest, MetricsHaveTheirLabelSetsAndSeries) {
  FilledRegistry filled(LongLived());
  filled.FillAtRandom(1);
  const uint64_t spans = filled.spans.size();
  const uint64_t infos = filled.infos.size();
  EXPECT_EQ(AnalyzeMetrics(&filled.registry, &filled.clock, limits_),
            Json({{"metrics",
                   {{{"name", "traces_spanmetrics_latency"},
                     {"type", "histogram"},
                     {"help", "Latency."},
                     {"label_sets", spans},
                     {"series", spans * 5}},
                    {{"name", "traces_spanmetrics_calls_total"},
                     {"type", "counter"},
                     {"help", "Calls."},
                     {"label_sets", spans},
                     {"series", spans}},
                    {{"name", "traces_target_info"},
                     {"type", "gauge"},
                     {"help", "Info."},
                     {"label_sets", infos},
                     {"series", infos}}}},
                  {"label_sets", spans + infos},
                  {"truncated", false}}));
  EXPECT_EQ(filled.registry.GetStats().active_series, spans * 6 + infos);
}

TEST_F(AnalysisTest, LabelsAreCountedAsTheNaiveComputationDoesIt) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    FilledRegistry filled(LongLived());
    filled.FillAtRandom(seed);
    std::map<std::string, std::pair<std::set<std::string>, uint64_t>> expected;
    for (const auto* sets : {&filled.spans, &filled.infos}) {
      for (const auto& [labels, set] : *sets) {
        for (const auto& [name, value] : labels) {
          expected[name].first.insert(value);
          ++expected[name].second;
        }
      }
    }
    const Json answer = AnalyzeLabels(&filled.registry, &filled.clock, limits_);
    EXPECT_EQ(answer["truncated"], false);
    ASSERT_EQ(answer["labels"].size(), expected.size());
    uint64_t last = UINT64_MAX;
    for (const Json& label : answer["labels"]) {
      const auto& [values, label_sets] = expected.at(label["name"]);
      EXPECT_EQ(label["values"], values.size());
      EXPECT_EQ(label["label_sets"], label_sets);
      EXPECT_LE(label["values"].get<uint64_t>(), last);
      last = label["values"];
    }
  }
}

TEST_F(AnalysisTest, ValuesAreCountedAsTheNaiveComputationDoesIt) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    FilledRegistry filled(LongLived());
    filled.FillAtRandom(seed);
    std::map<std::string, uint64_t> expected;
    for (const auto& [labels, set] : filled.spans) ++expected[labels.at("service")];
    const Json answer = AnalyzeValues(&filled.registry, &filled.clock, limits_, "service", 1000);
    EXPECT_EQ(answer["distinct"], expected.size());
    ASSERT_EQ(answer["values"].size(), expected.size());
    uint64_t last = UINT64_MAX;
    for (const Json& value : answer["values"]) {
      EXPECT_EQ(value["label_sets"], expected.at(value["value"])) << value;
      EXPECT_EQ(value["series"], expected.at(value["value"]) * FilledRegistry::kSpanSeries);
      EXPECT_LE(value["label_sets"].get<uint64_t>(), last);
      last = value["label_sets"];
    }
    const Json first = AnalyzeValues(&filled.registry, &filled.clock, limits_, "service", 2);
    EXPECT_EQ(first["values"].size(), 2u);
    EXPECT_EQ(first["values"][0], answer["values"][0]);
    EXPECT_EQ(first["distinct"], expected.size());
  }
}

TEST_F(AnalysisTest, TopIsAsTheNaiveComputationHasIt) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    FilledRegistry filled(LongLived());
    filled.FillAtRandom(seed);
    for (const bool by_operation : {false, true}) {
      for (const bool by_churn : {false, true}) {
        struct Counts {
          uint64_t label_sets = 0;
          uint64_t born = 0;
        };
        std::map<std::pair<std::string, std::string>, Counts> expected;
        for (const auto& [labels, set] : filled.spans) {
          Counts& counts =
              expected[{labels.at("service"), by_operation ? labels.at("span_name") : ""}];
          ++counts.label_sets;
          if (set.born_ms > filled.NowMs() - 3'600'000) ++counts.born;
        }
        const Json answer =
            AnalyzeTop(&filled.registry, &filled.clock, limits_, {by_operation, by_churn, 1000});
        ASSERT_EQ(answer["entries"].size(), expected.size());
        uint64_t last = UINT64_MAX;
        for (const Json& entry : answer["entries"]) {
          const Counts& counts =
              expected.at({entry["service"], by_operation ? entry["span_name"] : Json("")});
          EXPECT_EQ(entry["label_sets"], counts.label_sets);
          EXPECT_EQ(entry["series"], counts.label_sets * FilledRegistry::kSpanSeries);
          EXPECT_EQ(entry["born_last_hour"], counts.born);
          EXPECT_EQ(entry.contains("span_name"), by_operation);
          const uint64_t rank = entry[by_churn ? "born_last_hour" : "series"];
          EXPECT_LE(rank, last);
          last = rank;
        }
      }
    }
  }
}

TEST_F(AnalysisTest, CostsAreTheCombinationsThatAreLeft) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    FilledRegistry filled(LongLived());
    filled.FillAtRandom(seed);
    const std::vector<std::string> names = {"service", "span_name", "zone"};
    for (unsigned chosen = 0; chosen < 8; ++chosen) {
      CostQuestion question;
      question.keep.emplace();
      for (unsigned i = 0; i < 3; ++i) {
        if ((chosen >> i & 1) != 0) question.keep->push_back(names[i]);
      }
      question.keep->push_back("not_there");
      std::set<std::map<std::string, std::string>> left;
      for (const auto& [labels, set] : filled.spans) {
        std::map<std::string, std::string> kept = labels;
        for (unsigned i = 0; i < 3; ++i) {
          if ((chosen >> i & 1) == 0) kept.erase(names[i]);
        }
        left.insert(kept);
      }
      const Json answer = AnalyzeCost(&filled.registry, &filled.clock, limits_, question);
      EXPECT_EQ(answer["current"]["label_sets"], filled.spans.size());
      EXPECT_EQ(answer["current"]["series"], filled.spans.size() * FilledRegistry::kSpanSeries);
      EXPECT_EQ(answer["estimate"]["label_sets"], left.size());
      EXPECT_EQ(answer["estimate"]["series"], left.size() * FilledRegistry::kSpanSeries);
      for (unsigned i = 0; i < 3; ++i) {
        EXPECT_EQ(answer["labels"][i]["name"], names[i]);
        EXPECT_EQ(answer["labels"][i]["kept"], (chosen >> i & 1) != 0);
      }
    }
  }
}

TEST_F(AnalysisTest, LabelsThatComeMultiplyTheCost) {
  FilledRegistry filled(LongLived());
  filled.FillAtRandom(1);
  CostQuestion question;
  question.add = {{"region", 5}, {"pod", 40}};
  const Json answer = AnalyzeCost(&filled.registry, &filled.clock, limits_, question);
  EXPECT_EQ(answer["estimate"]["label_sets"], filled.spans.size() * 200);
  question.add.assign(10, {"x", 1'000'000'000});
  EXPECT_EQ(
      AnalyzeCost(&filled.registry, &filled.clock, limits_, question)["estimate"]["label_sets"],
      1'000'000'000'000'000);
}

TEST_F(AnalysisTest, ServicesAndCostsAreFoundUnderTheCollectorsNames) {
  GeneratorOptions options = LongLived();
  options.naming = Naming::kOtel;
  FilledRegistry filled(options);
  filled.Count("cart", "GET /", "a");
  filled.Count("cart", "GET /", "b");
  filled.Count("shop", "buy", "a");
  TopQuestion question = {true, false, 10};
  question.naming = Naming::kOtel;
  const Json top = AnalyzeTop(&filled.registry, &filled.clock, limits_, question);
  EXPECT_EQ(top["service_label"], "service_name");
  ASSERT_EQ(top["entries"].size(), 2u);
  EXPECT_EQ(top["entries"][0]["service"], "cart");
  EXPECT_EQ(top["entries"][0]["span_name"], "GET /");
  EXPECT_EQ(top["entries"][0]["label_sets"], 2);
  EXPECT_EQ(AnalyzeCost(&filled.registry, &filled.clock, limits_, {})["current"],
            Json({{"label_sets", 3}, {"series", 3 * FilledRegistry::kSpanSeries}}));
}

TEST_F(AnalysisTest, NothingAliveGivesEmptyAnswers) {
  FilledRegistry filled;
  filled.Count("a", "b", "c");
  filled.clock.Advance(GeneratorOptions().stale_duration);
  EXPECT_EQ(AnalyzeMetrics(&filled.registry, &filled.clock, limits_)["metrics"], Json::array());
  EXPECT_EQ(AnalyzeLabels(&filled.registry, &filled.clock, limits_)["labels"], Json::array());
  EXPECT_EQ(AnalyzeTop(&filled.registry, &filled.clock, limits_, {})["entries"], Json::array());
  EXPECT_EQ(AnalyzeCost(&filled.registry, &filled.clock, limits_, {})["estimate"],
            Json({{"label_sets", 0}, {"series", 0}}));
}

TEST_F(AnalysisTest, OverflowIsShownApartAndNotCounted) {
  GeneratorOptions options = LongLived();
  options.max_active_series = 2 * FilledRegistry::kSpanSeries;
  FilledRegistry filled(options);
  for (int i = 0; i < 5; ++i) filled.Count("s" + std::to_string(i), "op", "");
  EXPECT_EQ(AnalyzeMetrics(&filled.registry, &filled.clock, limits_)["label_sets"], 2);
  const Json overflow = DescribeOverflow(&filled.registry, &filled.clock, limits_, 0);
  EXPECT_EQ(overflow["series_overflow"], true);
  EXPECT_EQ(overflow["limited_updates"], 3);
  EXPECT_EQ(overflow["metrics"],
            Json({{{"metric", "traces_spanmetrics_latency"}, {"count", 3.0}},
                  {{"metric", "traces_spanmetrics_calls_total"}, {"value", 3.0}}}));
}

TEST_F(AnalysisTest, FoldedValuesAreShownWithTheirLabel) {
  GeneratorOptions options = LongLived();
  options.max_cardinality_per_label = 2;
  FilledRegistry filled(options);
  for (int i = 0; i < 6; ++i) filled.Count("s" + std::to_string(i), "op", "");
  const Json overflow = DescribeOverflow(&filled.registry, &filled.clock, limits_, 2);
  EXPECT_EQ(overflow["series_overflow"], false);
  EXPECT_EQ(overflow["labels"][0]["name"], "service");
  EXPECT_EQ(overflow["labels"][0]["limit"], 2);
  EXPECT_EQ(overflow["labels"][0]["values"], 2);
  EXPECT_EQ(overflow["labels"][0]["replaced"], 4);
  const Json labels = AnalyzeLabels(&filled.registry, &filled.clock, limits_);
  EXPECT_EQ(labels["labels"][0]["name"], "service");
  EXPECT_EQ(labels["labels"][0]["limited"], 4);
  EXPECT_EQ(labels["labels"][0]["overflow_label_sets"], 1);
}

TEST_F(AnalysisTest, WhenThereIsTooMuchAnswersAreLowerBoundsAndSaySo) {
  FilledRegistry filled(LongLived());
  for (int i = 0; i < 500; ++i) {
    filled.Count("big", "op" + std::to_string(i), "");
    filled.Count("s" + std::to_string(i), "op", "");
  }
  limits_.exact_values = 100;
  const Json top = AnalyzeTop(&filled.registry, &filled.clock, limits_, {false, false, 1});
  EXPECT_EQ(top["truncated"], true);
  EXPECT_EQ(top["entries"][0]["service"], "big");
  const Json values = AnalyzeValues(&filled.registry, &filled.clock, limits_, "service", 1);
  EXPECT_EQ(values["truncated"], true);
  EXPECT_NEAR(values["distinct"].get<double>(), 501, 50);
}

// Time goes by while a walk looks at it.
class SlowClock final : public Clock {
 public:
  int64_t WallNanos() const override { return FakeClock::kStartWallNanos; }
  int64_t MonotonicNanos() const override { return now_ += 100 * kNanosPerMilli; }

 private:
  mutable int64_t now_ = 0;
};

TEST_F(AnalysisTest, AWalkThatTakesTooLongEndsEarlyAndSaysSo) {
  FilledRegistry filled(LongLived());
  for (int i = 0; i < 10'000; ++i) filled.Count("s", "op" + std::to_string(i), "");
  SlowClock slow;
  const Json answer = AnalyzeMetrics(&filled.registry, &slow, limits_);
  EXPECT_EQ(answer["truncated"], true);
  EXPECT_GT(answer["label_sets"], 1'000);
  EXPECT_LT(answer["label_sets"], 9'000);
  EXPECT_EQ(AnalyzeLabels(&filled.registry, &slow, limits_)["truncated"], true);
  EXPECT_EQ(AnalyzeTop(&filled.registry, &slow, limits_, {})["truncated"], true);
  EXPECT_EQ(AnalyzeCost(&filled.registry, &slow, limits_, {})["truncated"], true);
}

TEST(UnescapedTest, UndoesWhatLabelSetsDoToValues) {
  EXPECT_EQ(Unescaped(R"(a\"b\\c\nd)"), "a\"b\\c\nd");
  EXPECT_EQ(Unescaped(""), "");
}

}  // namespace
}  // namespace spanmeter
