#include "registry/relabel_rule.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "spanmeter/quote.h"

#include "registry/letter_case.h"

namespace spanmeter {

namespace {

constexpr std::string_view kDefaultRegex = "(.*)";
constexpr std::string_view kDefaultReplacement = "$1";
constexpr std::string_view kDefaultSeparator = ";";

re2::RE2::Options QuietOptions() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  return options;
}

// Prometheus anchors like this, which also gives sense to a regular expression like `a)|(b`.
std::string Anchored(const std::string& regex) { return "^(?s:" + regex + ")$"; }

re2::StringPiece ToPiece(std::string_view text) { return {text.data(), text.size()}; }
std::string_view ToView(const re2::StringPiece& text) { return {text.data(), text.size()}; }

// The number that a group's name is, or -1.
int GroupNumber(std::string_view name) {
  if (name.size() > 1 && name[0] == '0') return -1;
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  constexpr int kMost = 99'999'999;
  return error == std::errc() && end == name.data() + name.size() && number <= kMost ? number : -1;
}

std::string_view ActionName(RelabelRule::Action action) {
  constexpr std::array<std::string_view, 9> kNames = {"replace",   "keep",      "drop",
                                                      "labelmap",  "labeldrop", "labelkeep",
                                                      "lowercase", "uppercase", "hashmod"};
  return kNames[static_cast<size_t>(action)];
}

// Whether a regular expression matches single bytes, which could take characters apart.
bool MatchesBytes(std::string_view regex) {
  for (size_t i = 0; i + 1 < regex.size(); ++i) {
    if (regex[i] != '\\') continue;
    if (regex[i + 1] == 'C') return true;
    ++i;
  }
  return false;
}

}  // namespace

RelabelTemplate::RelabelTemplate(std::string_view text, const re2::RE2& regex) {
  if (text.find('$') == std::string_view::npos) {
    pieces_.push_back({std::string(text), -1});
    return;
  }
  // Go lets names be of all letters, although only groups with ASCII names can be found.
  const re2::RE2 reference("\\{([\\p{L}\\p{Nd}_]+)\\}|([\\p{L}\\p{Nd}_]+)");
  re2::StringPiece rest = ToPiece(text);
  std::string literal;
  while (!rest.empty()) {
    const size_t dollar = rest.find('$');
    literal += ToView(rest.substr(0, dollar));
    if (dollar == re2::StringPiece::npos) break;
    rest.remove_prefix(dollar + 1);
    std::string braced;
    std::string bare;
    if (rest.starts_with("$")) {
      literal += '$';
      rest.remove_prefix(1);
    } else if (RE2::Consume(&rest, reference, &braced, &bare)) {
      const std::string& name = braced.empty() ? bare : braced;
      int group = GroupNumber(name);
      if (group < 0) {
        const auto& named = regex.NamedCapturingGroups();
        const auto found = named.find(name);
        if (found == named.end()) continue;
        group = found->second;
      }
      if (group > regex.NumberOfCapturingGroups()) continue;
      last_group_ = std::max(last_group_, group);
      pieces_.push_back({std::move(literal), group});
      literal.clear();
    } else {
      literal += '$';
    }
  }
  if (!literal.empty()) pieces_.push_back({std::move(literal), -1});
}

void RelabelTemplate::Append(std::span<const re2::StringPiece> groups, std::string* out) const {
  for (const auto& [text, group] : pieces_) {
    out->append(text);
    if (group >= 0) out->append(ToView(groups[static_cast<size_t>(group)]));
  }
}

std::string_view RelabelBuilder::Get(std::string_view name) const {
  for (const Label& label : labels_) {
    if (label.name == name) return label.value;
  }
  return {};
}

void RelabelBuilder::Set(std::string_view name, std::string_view value) {
  if (value.empty()) return Remove(name);
  for (size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i].name != name) continue;
    labels_[i].value = value;
    if (i >= untouched_) return;
    std::rotate(labels_.begin() + static_cast<ptrdiff_t>(i),
                labels_.begin() + static_cast<ptrdiff_t>(i) + 1, labels_.end());
    --untouched_;
    return;
  }
  labels_.push_back({std::string(name), std::string(value)});
}

void RelabelBuilder::Remove(std::string_view name) {
  RemoveIf([name](const Label& label) { return label.name == name; });
}

template <typename Predicate>
void RelabelBuilder::RemoveIf(Predicate predicate) {
  const auto middle = labels_.begin() + static_cast<ptrdiff_t>(untouched_);
  untouched_ -= static_cast<size_t>(std::count_if(labels_.begin(), middle, predicate));
  std::erase_if(labels_, predicate);
}

void RelabelBuilder::Finish() {
  if (untouched_ == labels_.size()) return;
  std::sort(labels_.begin(), labels_.end(),
            [](const Label& a, const Label& b) { return a.name < b.name; });
}

// Says what is wrong with a rule.
class Relabeler::Rule::Validator {
 public:
  Validator(const Rule& rule, const std::string& path, std::vector<OptionProblem>* problems)
      : rule_(rule.rule_), compiled_(rule), path_(path), problems_(problems) {}

  void Validate() {
    CheckRegex();
    for (size_t i = 0; i < rule_.source_labels.size(); ++i) {
      if (IsLabelName(rule_.source_labels[i])) continue;
      Report(".source_labels[" + std::to_string(i) + "]",
             Quoted(rule_.source_labels[i]) + " is no label name; " + std::string(kNameHint));
    }
    CheckFields();
    switch (rule_.action) {
      case Action::kReplace:
        return CheckTarget(/*may_be_template=*/true);
      case Action::kHashMod:
        if (rule_.modulus == 0) {
          Report(".modulus",
                 "hashmod needs a modulus of at least 1: the number of different values");
        }
        return CheckTarget(/*may_be_template=*/false);
      case Action::kLowercase:
      case Action::kUppercase:
        return CheckTarget(/*may_be_template=*/false);
      case Action::kLabelMap:
        return CheckMapped();
      case Action::kKeep:
      case Action::kDrop:
      case Action::kLabelDrop:
      case Action::kLabelKeep:
        return;
    }
  }

 private:
  static constexpr std::string_view kNameHint =
      "it must be letters, digits and underscores, and not begin with a digit";

  void Report(const std::string& field, const std::string& problem) {
    problems_->push_back({path_ + field, problem});
  }

  void CheckRegex() {
    if (!compiled_.regex_.ok()) {
      Report(".regex", "cannot compile the regular expression " + Quoted(rule_.regex) + ": " +
                           compiled_.regex_.error() + "; the syntax is that of RE2");
    } else if (MatchesBytes(rule_.regex)) {
      Report(".regex", "cannot use " + Quoted(rule_.regex) +
                           ": \\C could take characters apart; use . instead");
    }
  }

  // As Prometheus: some fields are refused where they would have no effect.
  void CheckFields() {
    const std::string action(ActionName(rule_.action));
    const auto refuse = [&](bool is_set, const std::string& field) {
      if (is_set) Report("." + field, action + " does not use " + field + "; leave it out");
    };
    const bool replacement_is_set = rule_.replacement != kDefaultReplacement;
    if (rule_.action == Action::kLabelDrop || rule_.action == Action::kLabelKeep) {
      refuse(!rule_.source_labels.empty(), "source_labels");
      refuse(rule_.separator != kDefaultSeparator, "separator");
      refuse(rule_.modulus != 0, "modulus");
      refuse(!rule_.target_label.empty(), "target_label");
      refuse(replacement_is_set, "replacement");
    } else if (rule_.action == Action::kLowercase || rule_.action == Action::kUppercase) {
      refuse(replacement_is_set, "replacement");
    }
  }

  void CheckTarget(bool may_be_template) {
    const std::string& target = rule_.target_label;
    const std::string action(ActionName(rule_.action));
    if (target.empty()) {
      return Report(".target_label", action + " needs a target_label: the label that it sets");
    }
    if (target.find('$') == std::string::npos) {
      if (!IsLabelName(target)) {
        Report(".target_label", Quoted(target) + " is no label name; " + std::string(kNameHint));
      } else if (!compiled_.MaySet(target)) {
        Report(".target_label", Quoted(target) + " is reserved; choose another label");
      }
    } else if (!may_be_template) {
      Report(".target_label", Quoted(target) + " is no label name; " + std::string(kNameHint) +
                                  ". Only replace knows $1 and the like there");
    } else if (!MayBecomeName(target)) {
      Report(".target_label", Quoted(target) +
                                  " can never become a label name; besides $1, ${1} "
                                  "and ${name}, " +
                                  std::string(kNameHint));
    }
  }

  void CheckMapped() {
    const std::string& replacement = rule_.replacement;
    if (!MayBecomeName(replacement)) {
      Report(".replacement", Quoted(replacement) +
                                 " can never become a label name, which labelmap makes of it; "
                                 "besides $1, ${1} and ${name}, " +
                                 std::string(kNameHint));
    } else if (!compiled_.MaySet(replacement)) {
      Report(".replacement", Quoted(replacement) + " is reserved; choose another label");
    }
  }

  static bool MayBecomeName(const std::string& text) {
    static constexpr char kPattern[] = "(?:(?:[a-zA-Z_]|\\$(?:\\{\\w+\\}|\\w+))+\\w*)+";
    return RE2::FullMatch(text, kPattern);
  }

  const RelabelRule& rule_;
  const Rule& compiled_;
  const std::string& path_;
  std::vector<OptionProblem>* const problems_;
};

Relabeler::Rule::Rule(const RelabelRule& rule, const std::string& path,
                      const std::vector<std::string>* reserved,
                      std::vector<OptionProblem>* problems)
    : rule_(rule),
      reserved_(*reserved),
      regex_(Anchored(rule.regex), QuietOptions()),
      matches_all_(rule.regex == kDefaultRegex),
      replacement_(rule.replacement, regex_),
      target_(rule.target_label, regex_) {
  Validator(*this, path, problems).Validate();
  if (rule.action != Action::kHashMod) return;
  md5_.reset(EVP_MD_fetch(nullptr, "MD5", nullptr));
  if (md5_ == nullptr) {
    problems->push_back({path + ".action",
                         "cannot use hashmod: this system's OpenSSL does not "
                         "allow MD5"});
  }
}

bool Relabeler::Rule::Apply(RelabelBuilder* labels) const {
  std::string subject;
  bool first = true;
  for (const std::string& name : rule_.source_labels) {
    if (!first) subject += rule_.separator;
    first = false;
    subject += labels->Get(name);
  }
  switch (rule_.action) {
    case Action::kKeep:
      return Matches(subject);
    case Action::kDrop:
      return !Matches(subject);
    case Action::kReplace:
      Replace(subject, labels);
      break;
    case Action::kLowercase:
      labels->Set(rule_.target_label, ToLowercase(subject));
      break;
    case Action::kUppercase:
      labels->Set(rule_.target_label, ToUppercase(subject));
      break;
    case Action::kHashMod:
      labels->Set(rule_.target_label, std::to_string(HashMod(subject)));
      break;
    case Action::kLabelMap:
      MapNames(labels);
      break;
    case Action::kLabelDrop:
      labels->RemoveIf([this](const Label& label) { return Matches(label.name); });
      break;
    case Action::kLabelKeep:
      labels->RemoveIf([this](const Label& label) { return !Matches(label.name); });
      break;
  }
  return true;
}

bool Relabeler::Rule::MaySet(std::string_view name) const {
  return std::find(reserved_.begin(), reserved_.end(), name) == reserved_.end();
}

bool Relabeler::Rule::Matches(std::string_view subject) const { return Match(subject, {}); }

bool Relabeler::Rule::Match(std::string_view subject, std::span<re2::StringPiece> groups) const {
  if (matches_all_) {
    for (re2::StringPiece& group : groups) group = ToPiece(subject);
    return true;
  }
  return regex_.Match(ToPiece(subject), 0, subject.size(), RE2::ANCHOR_BOTH, groups.data(),
                      static_cast<int>(groups.size()));
}

void Relabeler::Rule::Replace(std::string_view subject, RelabelBuilder* labels) const {
  const int last_group = std::max(replacement_.last_group(), target_.last_group());
  std::vector<re2::StringPiece> groups(static_cast<size_t>(last_group) + 1);
  if (!Match(subject, groups)) return;
  std::string target;
  target_.Append(groups, &target);
  if (!IsLabelName(target) || !MaySet(target)) return;
  std::string value;
  replacement_.Append(groups, &value);
  labels->Set(target, value);
}

void Relabeler::Rule::MapNames(RelabelBuilder* labels) const {
  const LabelSet before = labels->labels();
  std::vector<re2::StringPiece> groups(static_cast<size_t>(replacement_.last_group()) + 1);
  for (const Label& label : before) {
    if (!Match(label.name, groups)) continue;
    std::string name;
    replacement_.Append(groups, &name);
    if (IsLabelName(name) && MaySet(name)) labels->Set(name, label.value);
  }
}

// The remainder of the last 8 bytes of the MD5 sum, which is how Prometheus shards.
uint64_t Relabeler::Rule::HashMod(std::string_view subject) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  EVP_Digest(subject.data(), subject.size(), digest.data(), &size, md5_.get(), nullptr);
  uint64_t hash = 0;
  for (size_t i = 8; i < 16; ++i) hash = hash << 8 | digest[i];
  return hash % rule_.modulus;
}

}  // namespace spanmeter
