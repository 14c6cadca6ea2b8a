// Drain written down as plainly as possible, with texts and maps, as a model for the product's
// tree. Tokens are found with regular expressions. Valid UTF-8 only.

#ifndef SPANMETER_TESTS_PROCESSORS_NAIVE_DRAIN_H_
#define SPANMETER_TESTS_PROCESSORS_NAIVE_DRAIN_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "processors/pattern_tree.h"

namespace spanmeter::testing {

class NaiveDrain {
 public:
  explicit NaiveDrain(const PatternTreeLimits& limits) : limits_(limits) {}

  static std::vector<std::string> Tokens(std::string_view name) {
    // H stands for hexadecimal digits, S for white space.
    static const re2::RE2 token = [] {
      std::string pattern = "^(%[H][H]|%(?s:.)?\\z|%|[S]+|[H]+-[H-]*|[\\p{L}\\p{N}]+|(?s:.))";
      const std::string hex = "0-9a-fA-F\uff10-\uff19\uff21-\uff26\uff41-\uff46";
      const std::string space =
          "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"
          "\\x{3000}";
      for (size_t at = 0; (at = pattern.find_first_of("HS", at)) != std::string::npos;) {
        const std::string& text = pattern[at] == 'H' ? hex : space;
        pattern.replace(at, 1, text);
        at += text.size();
        // What was put in has an A to F of its own, but no H and no S.
      }
      return pattern;
    }();
    std::vector<std::string> tokens;
    re2::StringPiece rest(name.data(), name.size());
    std::string found;
    while (RE2::Consume(&rest, token, &found)) tokens.push_back(found);
    return tokens;
  }

  static bool IsData(const std::string& token) {
    static const re2::RE2 id_like("[\\p{N}\\p{P}a-fA-F\uff21-\uff26\uff41-\uff46]*");
    static const re2::RE2 number("\\p{N}");
    std::string rest = token;
    const auto numbers = static_cast<size_t>(RE2::GlobalReplace(&rest, number, ""));
    return (numbers > 0 && RE2::FullMatch(token, id_like)) ||
           numbers > std::max<size_t>(token.size() / 4, 1);
  }

  // What the name reads like after it has been learnt from; nothing where it has no pattern.
  std::optional<std::string> Learn(std::string_view name) {
    ++time_;
    std::vector<std::string> tokens = Tokens(name);
    tokens.emplace_back("<END>");
    if (tokens.size() < PatternTreeLimits::kMinTokens) return std::nullopt;
    if (tokens.size() > PatternTreeLimits::kMaxTokens) return std::nullopt;

    std::shared_ptr<Cluster> cluster;
    while ((cluster = FindFromRoot(tokens)) == nullptr) {
      const std::vector<std::shared_ptr<Cluster>> leaf = LeafFor(tokens);
      if (leaf.size() >= limits_.max_leaf_patterns) {
        steps_ = limits_.max_leaf_patterns;
        cluster = Best(leaf, tokens);
        break;
      }
      if (clusters_.size() < limits_.max_patterns) {
        cluster = std::make_shared<Cluster>();
        cluster->tokens = tokens;
        cluster->born = time_;
        Path(tokens).clusters.push_back(cluster);
        clusters_.push_back(cluster);
        break;
      }
      Evict();
    }
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (cluster->tokens[i] != tokens[i]) cluster->tokens[i] = kAny;
    }
    cluster->last_seen = time_;
    ++cluster->spans;
    std::string text;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) text += cluster->tokens[i];
    return text;
  }

  size_t clusters() const { return clusters_.size(); }

 private:
  // What a pattern has for what varies. No token: `<` is one by itself.
  static constexpr char kAny[] = "<_>";

  struct Cluster {
    std::vector<std::string> tokens;
    uint64_t born = 0;
    uint64_t last_seen = 0;
    uint64_t spans = 0;
  };
  struct Node {
    std::map<std::string, Node> children;
    std::vector<std::shared_ptr<Cluster>> clusters;
  };
  using Tokenized = std::vector<std::string>;

  size_t Levels(const Tokenized& tokens) const {
    return std::min(limits_.max_depth, tokens.size()) - 1;
  }

  std::shared_ptr<Cluster> FindFromRoot(const Tokenized& tokens) {
    steps_ = limits_.max_steps;
    const auto root = root_.children.find(std::to_string(tokens.size()));
    return root == root_.children.end() ? nullptr : Find(root->second, tokens, 0);
  }

  std::shared_ptr<Cluster> Find(const Node& node, const Tokenized& tokens, size_t depth) {
    if (steps_ == 0) return nullptr;
    --steps_;
    if (depth == Levels(tokens)) {
      auto best = Best(node.clusters, tokens);
      if (best == nullptr) return nullptr;
      const double similarity =
          static_cast<double>(Same(*best, tokens)) / static_cast<double>(tokens.size());
      return similarity < limits_.min_similarity ? nullptr : best;
    }
    for (const std::string& key : {std::string(kAny), tokens[depth]}) {
      const auto child = node.children.find(key);
      if (child == node.children.end()) continue;
      if (auto found = Find(child->second, tokens, depth + 1)) return found;
    }
    return nullptr;
  }

  static size_t Same(const Cluster& cluster, const Tokenized& tokens) {
    size_t same = 0;
    for (size_t i = 0; i < tokens.size(); ++i) same += cluster.tokens[i] == tokens[i] ? 1 : 0;
    return same;
  }

  std::shared_ptr<Cluster> Best(const std::vector<std::shared_ptr<Cluster>>& clusters,
                                const Tokenized& tokens) {
    std::shared_ptr<Cluster> best;
    for (const auto& cluster : clusters) {
      if (steps_ == 0) break;
      --steps_;
      if (best == nullptr || Same(*cluster, tokens) > Same(*best, tokens) ||
          (Same(*cluster, tokens) == Same(*best, tokens) &&
           std::count(cluster->tokens.begin(), cluster->tokens.end(), kAny) >
               std::count(best->tokens.begin(), best->tokens.end(), kAny))) {
        best = cluster;
      }
      if (cluster->tokens == tokens) break;
    }
    return best;
  }

  std::string KeyAt(const Node& node, const std::string& token) const {
    if (IsData(token)) return kAny;
    const bool is_full = node.children.size() + 1 >= limits_.max_children;
    return is_full && !node.children.contains(token) ? kAny : token;
  }

  Node& Path(const Tokenized& tokens) {
    Node* node = &root_.children[std::to_string(tokens.size())];
    for (size_t i = 0; i < Levels(tokens); ++i) node = &node->children[KeyAt(*node, tokens[i])];
    return *node;
  }

  // The clusters where a new one would go.
  std::vector<std::shared_ptr<Cluster>> LeafFor(const Tokenized& tokens) const {
    auto node = root_.children.find(std::to_string(tokens.size()));
    if (node == root_.children.end()) return {};
    for (size_t i = 0; i < Levels(tokens); ++i) {
      const auto child = node->second.children.find(KeyAt(node->second, tokens[i]));
      if (child == node->second.children.end()) return {};
      node = child;
    }
    return node->second.clusters;
  }

  void Evict() {
    const auto oldest =
        std::min_element(clusters_.begin(), clusters_.end(), [](const auto& a, const auto& b) {
          return std::pair(a->last_seen, a->born) < std::pair(b->last_seen, b->born);
        });
    Forget(*oldest, &root_);
    clusters_.erase(oldest);
  }

  // Removes the cluster, and nodes that lead nowhere without it.
  static void Forget(const std::shared_ptr<Cluster>& cluster, Node* node) {
    std::erase(node->clusters, cluster);
    for (auto child = node->children.begin(); child != node->children.end();) {
      Forget(cluster, &child->second);
      const bool leads_nowhere = child->second.children.empty() && child->second.clusters.empty();
      child = leads_nowhere ? node->children.erase(child) : std::next(child);
    }
  }

  const PatternTreeLimits limits_;
  Node root_;
  std::vector<std::shared_ptr<Cluster>> clusters_;
  uint64_t time_ = 0;
  size_t steps_ = 0;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_PROCESSORS_NAIVE_DRAIN_H_
