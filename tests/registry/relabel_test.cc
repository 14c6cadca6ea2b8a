#include "spanmeter/relabel.h"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/naive_relabel.h"

namespace spanmeter {
namespace {

using Action = RelabelRule::Action;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Map = std::map<std::string, std::string>;

RelabelRule Rule(Action action) {
  RelabelRule rule;
  rule.action = action;
  return rule;
}
RelabelRule Rule(Action action, std::vector<std::string> sources, std::string regex) {
  RelabelRule rule = Rule(action);
  rule.source_labels = std::move(sources);
  rule.regex = std::move(regex);
  return rule;
}
RelabelRule Replace(std::vector<std::string> sources, std::string regex, std::string target,
                    std::string replacement) {
  RelabelRule rule = Rule(Action::kReplace, std::move(sources), std::move(regex));
  rule.target_label = std::move(target);
  rule.replacement = std::move(replacement);
  return rule;
}
RelabelRule SetBy(Action action, std::vector<std::string> sources, std::string target) {
  RelabelRule rule = Rule(action, std::move(sources), "(.*)");
  rule.target_label = std::move(target);
  return rule;
}

// Nothing when the label set is dropped.
std::optional<Map> Apply(const std::vector<RelabelRule>& rules, const Map& labels,
                         const std::vector<std::string_view>& reserved = {}) {
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(rules, "relabel", reserved, &problems);
  for (const OptionProblem& problem : problems) {
    ADD_FAILURE() << problem.path << ": " << problem.problem;
  }
  LabelSet set;
  for (const auto& [name, value] : labels) set.push_back({name, value});
  if (!relabeler.Apply(&set)) return std::nullopt;
  Map result;
  for (size_t i = 0; i < set.size(); ++i) {
    EXPECT_FALSE(set[i].value.empty());
    EXPECT_TRUE(i == 0 || set[i - 1].name < set[i].name);
    result[set[i].name] = set[i].value;
  }
  return result;
}

std::vector<std::string> Problems(const RelabelRule& rule,
                                  const std::vector<std::string_view>& reserved = {}) {
  std::vector<OptionProblem> problems;
  const Relabeler relabeler({RelabelRule(Replace({}, "(.*)", "fine", "x")), rule}, "relabel",
                            reserved, &problems);
  std::vector<std::string> texts;
  for (const OptionProblem& problem : problems)
    texts.push_back(problem.path + ": " + problem.problem);
  return texts;
}

TEST(RelabelTest, NoRulesChangeNothing) {
  EXPECT_EQ((Map{{"a", "1"}}), Apply({}, {{"a", "1"}}));
  EXPECT_EQ(Map(), Apply({}, {}));
}

TEST(RelabelTest, ReplaceCopiesByDefault) {
  EXPECT_EQ((Map{{"a", "foo"}, {"b", "foo"}}),
            Apply({Replace({"a"}, "(.*)", "b", "$1")}, {{"a", "foo"}}));
}

TEST(RelabelTest, ReplaceNeedsAMatchOfTheWholeSubject) {
  const std::vector<RelabelRule> rules = {Replace({"a"}, "f", "b", "x")};
  EXPECT_EQ((Map{{"a", "foo"}}), Apply(rules, {{"a", "foo"}}));
  EXPECT_EQ((Map{{"a", "f"}, {"b", "x"}}), Apply(rules, {{"a", "f"}}));
  // A line break is a character like others, and the end is the very end.
  EXPECT_EQ((Map{{"a", "f\n"}}), Apply(rules, {{"a", "f\n"}}));
  EXPECT_EQ((Map{{"a", "f\ng"}, {"b", "f\ng"}}),
            Apply({Replace({"a"}, "(f.g)", "b", "$1")}, {{"a", "f\ng"}}));
}

TEST(RelabelTest, AlternativesAreAnchoredTogether) {
  const std::vector<RelabelRule> rules = {Rule(Action::kKeep, {"a"}, "x|y")};
  EXPECT_TRUE(Apply(rules, {{"a", "x"}}).has_value());
  EXPECT_FALSE(Apply(rules, {{"a", "xy"}}).has_value());
}

TEST(RelabelTest, SourcesAreJoinedAndMissingOnesAreEmpty) {
  EXPECT_EQ((Map{{"a", "1"}, {"c", "3"}, {"d", "1;;3"}}),
            Apply({Replace({"a", "b", "c"}, "(.*)", "d", "$1")}, {{"a", "1"}, {"c", "3"}}));
  RelabelRule rule = Replace({"a", "c"}, "(.*)", "d", "$1");
  rule.separator = "--";
  EXPECT_EQ((Map{{"a", "1"}, {"c", "3"}, {"d", "1--3"}}), Apply({rule}, {{"a", "1"}, {"c", "3"}}));
}

TEST(RelabelTest, ReferencesAreFilledIn) {
  const auto replaced = [](std::string regex, std::string replacement) {
    const auto result =
        Apply({Replace({"a"}, std::move(regex), "b", std::move(replacement))}, {{"a", "foo-bar"}});
    return result->contains("b") ? result->at("b") : "(none)";
  };
  const std::string regex = "(\\w+)-(?P<second>\\w+)";
  EXPECT_EQ("bar.foo", replaced(regex, "$2.$1"));
  EXPECT_EQ("foox", replaced(regex, "${1}x"));
  EXPECT_EQ("(none)", replaced(regex, "$1x"));  // a group named 1x
  EXPECT_EQ("bar", replaced(regex, "$second"));
  EXPECT_EQ("bars", replaced(regex, "${second}s"));
  EXPECT_EQ("foo-bar", replaced(regex, "$0"));
  EXPECT_EQ("$1", replaced(regex, "$$1"));
  EXPECT_EQ("foo$", replaced(regex, "$1$"));
  EXPECT_EQ("$-foo", replaced(regex, "$-$1"));
  EXPECT_EQ("${1", replaced(regex, "${1"));
  EXPECT_EQ("${}", replaced(regex, "${}"));
  EXPECT_EQ("x", replaced(regex, "x$7${none}$01"));
  EXPECT_EQ("x", replaced(regex, "x$99999999999999999999"));
  // A group that took no part.
  EXPECT_EQ("[foo-bar]", replaced("(x)?(.*)", "[$1$2]"));
}

TEST(RelabelTest, AnEmptyReplacementRemovesTheTarget) {
  EXPECT_EQ((Map{{"a", "1"}}), Apply({Replace({"a"}, "1", "b", "")}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ((Map{{"b", "2"}}), Apply({Replace({}, "(.*)", "a", "")}, {{"a", "1"}, {"b", "2"}}));
}

TEST(RelabelTest, WithoutSourcesTheSubjectIsEmpty) {
  EXPECT_EQ((Map{{"a", "x"}}), Apply({Replace({}, "(.*)", "a", "x")}, {}));
  EXPECT_EQ(Map(), Apply({Replace({}, ".+", "a", "x")}, {}));
}

TEST(RelabelTest, TheTargetMayBeATemplate) {
  const std::vector<RelabelRule> rules = {Replace({"a"}, "(.*)=(.*)", "l_${1}", "$2")};
  EXPECT_EQ((Map{{"a", "x=1"}, {"l_x", "1"}}), Apply(rules, {{"a", "x=1"}}));
  // Skipped where that is no label name.
  EXPECT_EQ((Map{{"a", "x-y=1"}}), Apply(rules, {{"a", "x-y=1"}}));
  EXPECT_EQ((Map{{"a", "1x"}}), Apply({Replace({"a"}, "(.*)", "$1", "v")}, {{"a", "1x"}}));
}

TEST(RelabelTest, ReservedLabelsAreNotSet) {
  const std::vector<std::string_view> reserved = {"le"};
  EXPECT_EQ((Map{{"a", "le"}}),
            Apply({Replace({"a"}, "(.*)", "$1", "v")}, {{"a", "le"}}, reserved));
  RelabelRule map = Rule(Action::kLabelMap, {}, "x_(.*)");
  EXPECT_EQ((Map{{"x_le", "1"}}), Apply({map}, {{"x_le", "1"}}, reserved));
}

TEST(RelabelTest, KeepAndDrop) {
  const std::vector<RelabelRule> keep = {Rule(Action::kKeep, {"a"}, "f.*")};
  EXPECT_EQ((Map{{"a", "foo"}}), Apply(keep, {{"a", "foo"}}));
  EXPECT_EQ(std::nullopt, Apply(keep, {{"a", "bar"}}));
  EXPECT_EQ(std::nullopt, Apply(keep, {{"b", "foo"}}));
  const std::vector<RelabelRule> drop = {Rule(Action::kDrop, {"a"}, "f.*")};
  EXPECT_EQ(std::nullopt, Apply(drop, {{"a", "foo"}}));
  EXPECT_EQ((Map{{"a", "bar"}}), Apply(drop, {{"a", "bar"}}));
}

TEST(RelabelTest, LaterRulesSeeWhatEarlierOnesDid) {
  EXPECT_EQ(
      std::nullopt,
      Apply({Replace({"a"}, "(.*)", "b", "x$1"), Rule(Action::kDrop, {"b"}, "xy")}, {{"a", "y"}}));
  EXPECT_EQ((Map{{"b", "1"}}),
            Apply({Replace({"a"}, "(.*)", "b", "$1"), Replace({}, "(.*)", "a", "")}, {{"a", "1"}}));
}

TEST(RelabelTest, HashModIsThatOfPrometheus) {
  // int.from_bytes(hashlib.md5(subject).digest()[8:], "big") % modulus
  const auto hash_mod = [](const Map& labels, std::vector<std::string> sources, uint64_t modulus) {
    RelabelRule rule = SetBy(Action::kHashMod, std::move(sources), "d");
    rule.modulus = modulus;
    return Apply({rule}, labels)->at("d");
  };
  const Map labels = {{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};
  EXPECT_EQ("719", hash_mod(labels, {"a", "b", "c"}, 1000));
  EXPECT_EQ("1", hash_mod({}, {"a"}, 7));
  EXPECT_EQ("15", hash_mod({{"a", "checkout"}}, {"a"}, 16));
  EXPECT_EQ("2420134994223480074",
            hash_mod({{"a", "a"}, {"b", "b"}}, {"a", "b"}, 18446744073709551615U));
  EXPECT_EQ("15", hash_mod({{"a", "\u00e9"}}, {"a"}, 97));
}

TEST(RelabelTest, LowercaseAndUppercaseKnowAllScripts) {
  const auto set_by = [](Action action, const std::string& value) {
    return Apply({SetBy(action, {"a"}, "b")}, {{"a", value}})->at("b");
  };
  EXPECT_EQ("get /x-1 \u00e9\u03c3\u0436i",
            set_by(Action::kLowercase, "GeT /X-1 \u00c9\u03a3\u0416\u0130"));
  EXPECT_EQ("GET /X-1 \u00c9\u03a3\u0416\u00df",
            set_by(Action::kUppercase, "GeT /x-1 \u00e9\u03c3\u0436\u00df"));
  // Simple mappings: one character each, of another length where need be.
  EXPECT_EQ("\u1f88\u0178\u2c62", set_by(Action::kUppercase, "\u1f80\u00ff\u026b"));
  EXPECT_EQ("\U00010428", set_by(Action::kLowercase, "\U00010400"));
}

TEST(RelabelTest, LowercaseOfNothingRemovesTheTarget) {
  EXPECT_EQ(Map(), Apply({SetBy(Action::kLowercase, {"a"}, "b")}, {{"b", "1"}}));
}

TEST(RelabelTest, LabelMapCopiesUnderOtherNames) {
  EXPECT_EQ((Map{{"k8s_app", "1"}, {"k8s_pod", "2"}, {"app", "1"}, {"pod", "2"}, {"x", "3"}}),
            Apply({Rule(Action::kLabelMap, {}, "k8s_(.*)")},
                  {{"k8s_app", "1"}, {"k8s_pod", "2"}, {"x", "3"}}));
  RelabelRule rule = Rule(Action::kLabelMap, {}, "(.)_(.)");
  rule.replacement = "${2}_$1";
  EXPECT_EQ((Map{{"a_b", "1"}, {"b_a", "1"}}), Apply({rule}, {{"a_b", "1"}}));
}

TEST(RelabelTest, OfLabelsThatAreMappedToOneNameTheLastWins) {
  RelabelRule rule = Rule(Action::kLabelMap, {}, "[ab]");
  rule.replacement = "z";
  EXPECT_EQ((Map{{"a", "1"}, {"b", "2"}, {"z", "2"}}), Apply({rule}, {{"a", "1"}, {"b", "2"}}));
  // Labels that a rule has set come after those that are as they were.
  EXPECT_EQ((Map{{"a", "3"}, {"b", "2"}, {"z", "3"}}),
            Apply({Replace({}, "(.*)", "a", "3"), rule}, {{"a", "1"}, {"b", "2"}}));
}

TEST(RelabelTest, LabelDropAndLabelKeep) {
  const Map labels = {{"a", "1"}, {"b", "2"}, {"bc", "3"}};
  EXPECT_EQ((Map{{"a", "1"}, {"bc", "3"}}), Apply({Rule(Action::kLabelDrop, {}, "b")}, labels));
  EXPECT_EQ((Map{{"b", "2"}}), Apply({Rule(Action::kLabelKeep, {}, "b")}, labels));
  EXPECT_EQ(Map(), Apply({Rule(Action::kLabelDrop, {}, ".*")}, labels));
}

TEST(RelabelModelTest, RandomRulesDoWhatThePlainImplementationDoes) {
  constexpr std::string_view kNames[] = {"a", "b", "ab", "a_b", "c"};
  constexpr std::string_view kValues[] = {"x", "X-y", "1", "a=b", "x;y"};
  constexpr std::string_view kRegexes[] = {"(.*)",   "a.*",           "(a)(b)?",
                                           "x|1;?x", "([a-z])_?(.*)", "(?P<n>.)(.*)"};
  constexpr std::string_view kTemplates[] = {"$1", "${1}_x", "$2", "c", "${n}b", "_$1_$2"};
  std::mt19937_64 random(5);
  const auto pick = [&random](const auto& list) {
    return std::string(list[random() % std::size(list)]);
  };
  int changed = 0;
  int dropped = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::vector<RelabelRule> rules;
    for (size_t k = 1 + random() % 4; k > 0; --k) {
      RelabelRule& rule = rules.emplace_back();
      rule.action = static_cast<Action>(random() % 8);  // without hashmod
      rule.regex = pick(kRegexes);
      if (rule.action == Action::kLabelDrop || rule.action == Action::kLabelKeep) continue;
      for (size_t n = random() % 3; n > 0; --n) rule.source_labels.push_back(pick(kNames));
      rule.target_label = pick(kNames);
      if (rule.action == Action::kReplace && random() % 3 == 0) rule.target_label = "${1}_t";
      if (rule.action == Action::kReplace || rule.action == Action::kLabelMap) {
        rule.replacement = pick(kTemplates);
      }
    }
    std::map<std::string, std::string> labels;
    for (size_t n = random() % 5; n > 0; --n) labels[pick(kNames)] = pick(kValues);
    LabelSet set;
    for (const auto& [name, value] : labels) set.push_back({name, value});
    const std::optional<Map> expected = testing::NaiveRelabel::Apply(rules, set);
    ASSERT_EQ(expected, Apply(rules, labels)) << i;
    if (!expected) {
      ++dropped;
    } else if (*expected != labels) {
      ++changed;
    }
  }
  EXPECT_GT(changed, 1250);
  EXPECT_GT(dropped, 500);
}

TEST(RelabelValidationTest, MessagesNameTheValueAndTheRemedy) {
  EXPECT_THAT(Problems(Rule(Action::kKeep, {"a"}, "(")),
              ElementsAre(AllOf(HasSubstr("relabel[1].regex: cannot compile"), HasSubstr("\"(\""),
                                HasSubstr("RE2"))));
  EXPECT_THAT(Problems(Rule(Action::kKeep, {"a"}, "\\\\\\C")),
              ElementsAre(HasSubstr("relabel[1].regex: cannot use")));
  EXPECT_THAT(Problems(Rule(Action::kKeep, {"a"}, "\\\\C")), IsEmpty());
  EXPECT_THAT(Problems(Rule(Action::kKeep, {"a", "b.c"}, "x")),
              ElementsAre(HasSubstr("relabel[1].source_labels[1]: \"b.c\" is no label name")));
  EXPECT_THAT(Problems(Rule(Action::kReplace)),
              ElementsAre(HasSubstr("relabel[1].target_label: replace needs a target_label")));
  EXPECT_THAT(Problems(Replace({}, ".*", "a.b", "x")),
              ElementsAre(HasSubstr("relabel[1].target_label: \"a.b\" is no label name")));
  EXPECT_THAT(Problems(Replace({}, ".*", "$1.b", "x")),
              ElementsAre(HasSubstr("\"$1.b\" can never become a label name")));
  EXPECT_THAT(Problems(Replace({}, ".*", "${1}_b", "x")), IsEmpty());
}

TEST(RelabelValidationTest, ReservedLabelsAreRefused) {
  const std::vector<std::string_view> reserved(kLabelsOfTheRegistry.begin(),
                                               kLabelsOfTheRegistry.end());
  for (const char* name : {"le", "__name__", "metric_overflow"}) {
    EXPECT_THAT(Problems(Replace({}, ".*", name, "x"), reserved),
                ElementsAre(HasSubstr("is reserved; choose another label")));
    RelabelRule map = Rule(Action::kLabelMap, {}, "x");
    map.replacement = name;
    EXPECT_THAT(Problems(map, reserved), ElementsAre(HasSubstr("relabel[1].replacement")));
    EXPECT_THAT(Problems(Replace({}, ".*", name, "x")), IsEmpty());
  }
}

TEST(RelabelValidationTest, HashModNeedsAModulusAndATarget) {
  EXPECT_THAT(Problems(Rule(Action::kHashMod)),
              ElementsAre(HasSubstr("relabel[1].modulus: hashmod needs a modulus"),
                          HasSubstr("relabel[1].target_label: hashmod needs a target_label")));
}

TEST(RelabelValidationTest, OnlyReplaceKnowsTemplatesAsTarget) {
  for (const Action action : {Action::kHashMod, Action::kLowercase, Action::kUppercase}) {
    RelabelRule rule = SetBy(action, {"a"}, "$1");
    rule.modulus = 1;
    EXPECT_THAT(Problems(rule), ElementsAre(HasSubstr("Only replace knows")));
  }
}

TEST(RelabelValidationTest, FieldsWithoutEffectAreRefusedWherePrometheusDoes) {
  for (const Action action : {Action::kLabelDrop, Action::kLabelKeep}) {
    RelabelRule rule = Rule(action, {"a"}, "x");
    rule.separator = ",";
    rule.modulus = 3;
    rule.target_label = "b";
    rule.replacement = "c";
    EXPECT_THAT(Problems(rule),
                ElementsAre(HasSubstr("].source_labels: label"), HasSubstr("].separator: label"),
                            HasSubstr("].modulus: label"), HasSubstr("].target_label: label"),
                            HasSubstr("].replacement: label")));
  }
  RelabelRule lowercase = SetBy(Action::kLowercase, {"a"}, "b");
  lowercase.replacement = "$2";
  EXPECT_THAT(Problems(lowercase),
              ElementsAre(HasSubstr("].replacement: lowercase does not use replacement")));
  RelabelRule keep = Rule(Action::kKeep, {"a"}, "x");
  keep.target_label = "b";
  EXPECT_THAT(Problems(keep), IsEmpty());
}

TEST(RelabelValidationTest, LabelMapNeedsAReplacementThatMayBecomeAName) {
  RelabelRule rule = Rule(Action::kLabelMap, {}, "x");
  rule.replacement = "a-b";
  EXPECT_THAT(Problems(rule), ElementsAre(HasSubstr("\"a-b\" can never become a label name")));
  rule.replacement = "a_$1";
  EXPECT_THAT(Problems(rule), IsEmpty());
}

TEST(LabelNameTest, LettersDigitsAndUnderscores) {
  for (const char* name : {"a", "_", "__x9", "Az"}) EXPECT_TRUE(IsLabelName(name)) << name;
  for (const char* name : {"", "9a", "a.b", "a-b", "\u00e9", "a "}) {
    EXPECT_FALSE(IsLabelName(name)) << name;
  }
}

}  // namespace
}  // namespace spanmeter
