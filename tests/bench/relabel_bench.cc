// Relabelling: applying rules to a label set, and looking up what they made of a key before.

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/relabel.h"

#include "registry/key_rewriter.h"

namespace spanmeter {
namespace {

// Three rules as people have them: a label copied under another name, one cut down, one left out.
std::vector<RelabelRule> Rules() {
  std::vector<RelabelRule> rules(3);
  rules[0].source_labels = {"service"};
  rules[0].target_label = "app";
  rules[1].source_labels = {"span_name"};
  rules[1].regex = "(GET|POST) (/[^/]*).*";
  rules[1].replacement = "$1 $2";
  rules[1].target_label = "span_name";
  rules[2].action = RelabelRule::Action::kLabelDrop;
  rules[2].regex = "span_kind";
  return rules;
}

LabelSet Labels() {
  return {{"service", "shop-service-17"},
          {"span_kind", "SPAN_KIND_SERVER"},
          {"span_name", "GET /api/v1/orders/{orderId}/items-12"},
          {"status_code", "STATUS_CODE_UNSET"}};
}

void Apply(benchmark::State& state) {
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(Rules(), "relabel", kLabelsOfTheRegistry, &problems);
  for (auto _ : state) {
    LabelSet labels = Labels();
    benchmark::DoNotOptimize(relabeler.Apply(&labels));
    benchmark::DoNotOptimize(labels.data());
  }
}
BENCHMARK(Apply);

void HashMod(benchmark::State& state) {
  std::vector<RelabelRule> rules(1);
  rules[0].action = RelabelRule::Action::kHashMod;
  rules[0].source_labels = {"service", "span_name"};
  rules[0].target_label = "shard";
  rules[0].modulus = 16;
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(rules, "relabel", kLabelsOfTheRegistry, &problems);
  for (auto _ : state) {
    LabelSet labels = Labels();
    benchmark::DoNotOptimize(relabeler.Apply(&labels));
    benchmark::DoNotOptimize(labels.data());
  }
}
BENCHMARK(HashMod);

// Keys that are looked up at random, all known already while they fit.
void Rewrite(benchmark::State& state) {
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(Rules(), "relabel", kLabelsOfTheRegistry, &problems);
  KeyRewriter rewriter(&relabeler,
                       {{"service", {}}, {"span_kind", {}}, {"span_name", {}}, {"status_code", {}}},
                       /*own_labels=*/false, {}, 2048, 42);
  std::vector<std::string> keys;
  UpdateBatch batch;
  for (int64_t i = 0; i < state.range(0); ++i) {
    batch.Clear();
    batch.BeginKey();
    for (const Label& label : Labels()) {
      batch.AppendText(label.value + (label.name == "span_name" ? std::to_string(i) : ""));
    }
    keys.emplace_back(batch.EncodedKey());
  }
  std::string out;
  for (const std::string& key : keys) rewriter.Rewrite(key, &out);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(rewriter.Rewrite(keys[random() % keys.size()], &out));
  }
}
BENCHMARK(Rewrite)->Arg(500)->Arg(50'000)->Arg(1'000'000);

}  // namespace
}  // namespace spanmeter
