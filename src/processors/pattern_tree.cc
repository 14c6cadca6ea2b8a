#include "processors/pattern_tree.h"

#include <algorithm>

#include "processors/span_name_tokens.h"
#include "processors/utf8.h"

namespace spanmeter {

namespace {

// Patterns are forgotten in portions of this part of all.
constexpr size_t kPortions = 32;

// What a token and a branch take besides the token's text: their records and slots in hash tables
// that are on average two thirds full.
constexpr size_t kTokenBytes = 96;
constexpr size_t kNodeBytes = 72;
constexpr size_t kPatternBytes = sizeof(PatternTree::Pattern) + 64;

}  // namespace

PatternTree::PatternTree(const PatternTreeLimits& limits, PatternVersions* versions)
    : limits_(limits), versions_(versions) {
  tokens_.push_back({std::string(kPlaceholder), 1});
  nodes_.emplace_back();
}

PatternTree::~PatternTree() = default;

const PatternTree::Pattern* PatternTree::Learn(std::string_view name,
                                               std::span<const std::string_view> tokens,
                                               uint64_t spans, int64_t now_nanos,
                                               Outcome* outcome) {
  name_.clear();
  for (const std::string_view token : tokens) name_.push_back(FindToken(token));

  Match match;
  const uint32_t root = first_level_[tokens.size()];
  if (root != kNoNode) {
    size_t steps = limits_.max_steps;
    match = Find(root, 0, &steps);
  }
  *outcome = Outcome::kKnown;
  if (match.pattern == nullptr) {
    const uint32_t leaf = FindPath(tokens);
    if (leaf != kNoNode && nodes_[leaf].patterns >= limits_.max_leaf_patterns) {
      size_t steps = limits_.max_leaf_patterns;
      match = BestOf(leaf, &steps);
    } else if (IsFull()) {
      return nullptr;
    } else {
      match.pattern = AddPattern(tokens, MakePath(tokens));
      *outcome = Outcome::kBorn;
    }
  }
  Pattern* const pattern = match.pattern;
  if (*outcome != Outcome::kBorn) {
    if (Generalize(pattern)) *outcome = Outcome::kGeneralized;
    AddExample(name, pattern);
  }
  pattern->spans += spans;
  pattern->last_seen_nanos = std::max(pattern->last_seen_nanos, now_nanos);
  return pattern;
}

void PatternTree::Saw(uint64_t id, uint64_t spans, int64_t last_nanos) {
  const auto found = patterns_.find(id);
  if (found == patterns_.end()) return;
  Pattern* const pattern = found->second.get();
  pattern->spans += spans;
  pattern->last_seen_nanos = std::max(pattern->last_seen_nanos, last_nanos);
}

void PatternTree::MakeRoom() {
  while (IsFull() && !patterns_.empty()) {
    std::vector<Pattern*> all;
    all.reserve(patterns_.size());
    for (const auto& [id, pattern] : patterns_) all.push_back(pattern.get());
    const size_t portion = std::max<size_t>(all.size() / kPortions, 1);
    std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(portion - 1), all.end(),
                     [](const Pattern* a, const Pattern* b) {
                       return std::pair(a->last_seen_nanos, a->id) <
                              std::pair(b->last_seen_nanos, b->id);
                     });
    for (size_t i = 0; i < portion; ++i) Remove(all[i]);
  }
}

std::vector<const PatternTree::Pattern*> PatternTree::MostSeenTemplates(size_t limit) const {
  std::vector<const Pattern*> templates;
  templates.reserve(templates_);
  for (const auto& [id, pattern] : patterns_) {
    if (pattern->has_placeholder) templates.push_back(pattern.get());
  }
  limit = std::min(limit, templates.size());
  std::partial_sort(templates.begin(), templates.begin() + static_cast<ptrdiff_t>(limit),
                    templates.end(), [](const Pattern* a, const Pattern* b) {
                      return std::pair(b->spans, a->id) < std::pair(a->spans, b->id);
                    });
  templates.resize(limit);
  return templates;
}

uint32_t PatternTree::FindToken(std::string_view text) const {
  const auto found = token_ids_.find(text);
  return found == token_ids_.end() ? kNoToken : found->second;
}

uint32_t PatternTree::UseToken(std::string_view text) {
  uint32_t id = FindToken(text);
  if (id == kNoToken) {
    if (free_tokens_.empty()) {
      id = static_cast<uint32_t>(tokens_.size());
      tokens_.emplace_back();
    } else {
      id = free_tokens_.back();
      free_tokens_.pop_back();
    }
    tokens_[id].text = text;
    token_ids_.emplace(tokens_[id].text, id);
    bytes_ += kTokenBytes + text.size();
  }
  ++tokens_[id].uses;
  return id;
}

void PatternTree::ReleaseToken(uint32_t id) {
  if (id == kAnyToken) return;
  Token& token = tokens_[id];
  if (--token.uses > 0) return;
  bytes_ -= kTokenBytes + token.text.size();
  token_ids_.erase(token.text);
  token.text = std::string();
  free_tokens_.push_back(id);
}

uint32_t PatternTree::FindChild(uint32_t node, uint32_t token) const {
  const auto found = edges_.find(EdgeKey(node, token));
  return found == edges_.end() ? kNoNode : found->second;
}

// Takes over the use of `token`.
uint32_t PatternTree::AddNode(uint32_t parent, uint32_t token) {
  uint32_t id = 0;
  if (free_nodes_.empty()) {
    id = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = free_nodes_.back();
    free_nodes_.pop_back();
    nodes_[id] = {};
  }
  nodes_[id].parent = parent;
  nodes_[id].token = token;
  bytes_ += kNodeBytes;
  return id;
}

// Removes the node and those above it that lead nowhere any more, of the tree for `tokens` tokens.
void PatternTree::RemoveNodesUpFrom(uint32_t node, size_t tokens) {
  while (node != kNoNode && nodes_[node].children == 0 && nodes_[node].patterns == 0) {
    const uint32_t parent = nodes_[node].parent;
    if (parent == kNoNode) {
      first_level_[tokens] = kNoNode;
    } else {
      edges_.erase(EdgeKey(parent, nodes_[node].token));
      --nodes_[parent].children;
      ReleaseToken(nodes_[node].token);
    }
    free_nodes_.push_back(node);
    bytes_ -= kNodeBytes;
    node = parent;
  }
}

// Looks for the pattern of name_ below `node`, to which its first `depth` tokens have led.
PatternTree::Match PatternTree::Find(uint32_t node, size_t depth, size_t* steps) const {
  if (*steps == 0) return {};
  --*steps;
  if (depth == PathLength(name_.size())) {
    const Match match = BestOf(node, steps);
    return IsSimilar(match) ? match : Match();
  }
  for (const uint32_t token : {kAnyToken, name_[depth]}) {
    if (token == kNoToken) continue;
    const uint32_t child = FindChild(node, token);
    if (child == kNoNode) continue;
    const Match match = Find(child, depth + 1, steps);
    if (match.pattern != nullptr) return match;
  }
  return {};
}

// Of the patterns at `node` the one that is most similar to name_; of equally similar ones that
// with more placeholders, then the older one.
PatternTree::Match PatternTree::BestOf(uint32_t node, size_t* steps) const {
  Match best;
  for (Pattern* pattern = nodes_[node].first; pattern != nullptr && *steps > 0;
       pattern = pattern->next) {
    --*steps;
    Match match = {pattern, 0, 0};
    for (size_t i = 0; i < name_.size(); ++i) {
      if (pattern->tokens[i] == kAnyToken) {
        ++match.placeholders;
      } else if (pattern->tokens[i] == name_[i]) {
        ++match.same;
      }
    }
    if (best.pattern == nullptr ||
        std::pair(match.same, match.placeholders) > std::pair(best.same, best.placeholders)) {
      best = match;
    }
    if (match.same == name_.size()) break;
  }
  return best;
}

bool PatternTree::IsSimilar(const Match& match) const {
  if (match.pattern == nullptr) return false;
  // The end mark is one more token that is always the same.
  const auto same = static_cast<double>(match.same + 1);
  return same / static_cast<double>(name_.size() + 1) >= limits_.min_similarity;
}

// The branch by which a new pattern with this token leaves `node`: kNoToken for a branch of the
// token's own that is not there yet.
uint32_t PatternTree::BranchFor(uint32_t node, std::string_view text) const {
  if (LooksLikeData(text)) return kAnyToken;
  const uint32_t token = FindToken(text);
  if (token != kNoToken && FindChild(node, token) != kNoNode) return token;
  return nodes_[node].children + 1 >= limits_.max_children ? kAnyToken : kNoToken;
}

// Returns the node to which a new pattern of these tokens belongs, if all of the way there exists.
uint32_t PatternTree::FindPath(std::span<const std::string_view> tokens) const {
  uint32_t node = first_level_[tokens.size()];
  for (size_t i = 0; i < PathLength(tokens.size()) && node != kNoNode; ++i) {
    const uint32_t token = BranchFor(node, tokens[i]);
    node = token == kNoToken ? kNoNode : FindChild(node, token);
  }
  return node;
}

// The same after adding what is missing of the way.
uint32_t PatternTree::MakePath(std::span<const std::string_view> tokens) {
  uint32_t& root = first_level_[tokens.size()];
  if (root == kNoNode) root = AddNode(kNoNode, kAnyToken);
  uint32_t node = root;
  for (size_t i = 0; i < PathLength(tokens.size()); ++i) {
    uint32_t token = BranchFor(node, tokens[i]);
    uint32_t child = token == kNoToken ? kNoNode : FindChild(node, token);
    if (child == kNoNode) {
      if (token == kNoToken) token = UseToken(tokens[i]);
      child = AddNode(node, token);
      edges_.emplace(EdgeKey(node, token), child);
      ++nodes_[node].children;
    }
    node = child;
  }
  return node;
}

PatternTree::Pattern* PatternTree::AddPattern(std::span<const std::string_view> tokens,
                                              uint32_t node) {
  Pattern* const pattern = AppendPattern(node);
  pattern->tokens.reserve(tokens.size());
  for (const std::string_view token : tokens) pattern->tokens.push_back(UseToken(token));
  WriteText(pattern);
  Charge(pattern);
  versions_->Change(tokens.size());
  return pattern;
}

// A new pattern without tokens, behind those that the node has.
PatternTree::Pattern* PatternTree::AppendPattern(uint32_t node) {
  const uint64_t id = next_id_++;
  auto& added = patterns_[id];
  added = std::make_unique<Pattern>();
  Pattern* const pattern = added.get();
  pattern->id = id;
  pattern->node = node;
  Node& leaf = nodes_[node];
  pattern->previous = leaf.last;
  (leaf.last == nullptr ? leaf.first : leaf.last->next) = pattern;
  leaf.last = pattern;
  ++leaf.patterns;
  return pattern;
}

bool PatternTree::Generalize(Pattern* pattern) {
  bool changed = false;
  for (size_t i = 0; i < name_.size(); ++i) {
    uint32_t& token = pattern->tokens[i];
    if (token == kAnyToken || token == name_[i]) continue;
    ReleaseToken(token);
    token = kAnyToken;
    changed = true;
  }
  if (!changed) return false;
  if (!pattern->has_placeholder) {
    pattern->has_placeholder = true;
    ++templates_;
    AddExample(*pattern->text, pattern);
  }
  WriteText(pattern);
  Charge(pattern);
  versions_->Change(name_.size());
  return true;
}

void PatternTree::WriteText(Pattern* pattern) {
  std::string text;
  for (const uint32_t token : pattern->tokens) text += tokens_[token].text;
  pattern->text = std::make_shared<const std::string>(std::move(text));
}

void PatternTree::AddExample(std::string_view name, Pattern* pattern) {
  std::vector<std::string>& examples = pattern->examples;
  if (!pattern->has_placeholder || examples.size() == kMaxExamples) return;
  const std::string_view example = CutToBytes(name, kMaxExampleBytes);
  if (std::find(examples.begin(), examples.end(), example) != examples.end()) return;
  examples.emplace_back(example);
  Charge(pattern);
}

// Brings the account up to date with what the pattern takes by now.
void PatternTree::Charge(Pattern* pattern) {
  bytes_ -= pattern->bytes;
  pattern->bytes =
      kPatternBytes + pattern->text->size() + pattern->tokens.size() * sizeof(uint32_t);
  for (const std::string& example : pattern->examples) {
    pattern->bytes += sizeof(std::string) + example.size();
  }
  bytes_ += pattern->bytes;
}

void PatternTree::Remove(Pattern* pattern) {
  const size_t tokens = pattern->tokens.size();
  Node& leaf = nodes_[pattern->node];
  (pattern->previous == nullptr ? leaf.first : pattern->previous->next) = pattern->next;
  (pattern->next == nullptr ? leaf.last : pattern->next->previous) = pattern->previous;
  --leaf.patterns;
  RemoveNodesUpFrom(pattern->node, tokens);
  for (const uint32_t token : pattern->tokens) ReleaseToken(token);
  if (pattern->has_placeholder) --templates_;
  bytes_ -= pattern->bytes;
  patterns_.erase(pattern->id);
  versions_->Change(tokens);
}

}  // namespace spanmeter
