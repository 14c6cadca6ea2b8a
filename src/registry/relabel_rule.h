// One rule of relabelling, compiled.

#ifndef SPANMETER_REGISTRY_RELABEL_RULE_H_
#define SPANMETER_REGISTRY_RELABEL_RULE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>
#include <re2/re2.h>

#include "spanmeter/relabel.h"

namespace spanmeter {

// A text with references to groups of a regular expression: `$1`, `${1}`, `$name`, `${name}`, and
// `$$` for a dollar sign. What is no reference stands for itself, as does a lone dollar sign; a
// reference to a group that there is not stands for nothing. (Go's Regexp.Expand defines it.)
class RelabelTemplate {
 public:
  RelabelTemplate(std::string_view text, const re2::RE2& regex);

  // The highest group that is referred to.
  int last_group() const { return last_group_; }
  // Appends the text for a match with the groups up to last_group(), group 0 being all of it.
  void Append(std::span<const re2::StringPiece> groups, std::string* out) const;

 private:
  struct Piece {
    std::string text;  // stands before the group
    int group = -1;    // -1: none
  };

  std::vector<Piece> pieces_;
  int last_group_ = 0;
};

// The labels that rules work on. In the order in which Prometheus goes through them: those that are
// still as they came, sorted, then those that rules have set, in the order in which they did. It
// decides who wins when labelmap gives one name to several.
class RelabelBuilder {
 public:
  // `labels` must outlive the builder.
  explicit RelabelBuilder(LabelSet* labels) : labels_(*labels), untouched_(labels->size()) {}

  const LabelSet& labels() const { return labels_; }
  // Empty when there is no such label.
  std::string_view Get(std::string_view name) const;
  // An empty value removes the label.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name);
  template <typename Predicate>
  void RemoveIf(Predicate predicate);

  // Brings the labels into the order of their names.
  void Finish();

 private:
  LabelSet& labels_;
  size_t untouched_;  // so many of the first ones
};

// Immutable and thread-safe.
class Relabeler::Rule {
 public:
  // Reports what is wrong with `rule`, at `path`, to `problems`. `reserved` must outlive the rule.
  Rule(const RelabelRule& rule, const std::string& path, const std::vector<std::string>* reserved,
       std::vector<OptionProblem>* problems);

  // Returns false when the label set is dropped.
  bool Apply(RelabelBuilder* labels) const;

 private:
  using Action = RelabelRule::Action;
  struct FreeDigest {
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  };

  class Validator;

  bool MaySet(std::string_view name) const;
  bool Matches(std::string_view subject) const;
  // Sets the first `count` groups; returns false when the regular expression does not match.
  bool Match(std::string_view subject, std::span<re2::StringPiece> groups) const;
  void Replace(std::string_view subject, RelabelBuilder* labels) const;
  void MapNames(RelabelBuilder* labels) const;
  uint64_t HashMod(std::string_view subject) const;

  const RelabelRule rule_;
  const std::vector<std::string>& reserved_;
  const re2::RE2 regex_;
  // The default: matches everything, and its group 1 is all of it.
  const bool matches_all_;
  const RelabelTemplate replacement_;
  const RelabelTemplate target_;
  std::unique_ptr<EVP_MD, FreeDigest> md5_;  // of hashmod
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_RELABEL_RULE_H_
