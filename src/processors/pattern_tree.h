// Finds the patterns behind names by Drain: P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online
// Log Parsing Approach with Fixed Depth Tree", ICWS 2017.
//
// A tree whose first level is the number of tokens and whose further levels are the first tokens
// leads to a few patterns, of which the most similar one takes the name. Where the name differs
// from it, the pattern gets a placeholder. As in the paper, but:
//
// - A token that looks like data (LooksLikeData()) leads a new pattern over the placeholder, so
// that
//   ids never become branches.
// - A node may have both the branch for the placeholder and one for the token itself. Both are
//   looked at, the placeholder's first.
// - Names have an end mark as last token, which two names of one length always have in common.
// - Patterns, branches, memory and the steps of one look-up are bounded.

#ifndef SPANMETER_PROCESSORS_PATTERN_TREE_H_
#define SPANMETER_PROCESSORS_PATTERN_TREE_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

namespace spanmeter {

class StateReader;
class StateWriter;

// What stands in a pattern for what varies.
inline constexpr std::string_view kPlaceholder = "<_>";

// Of a tree. The defaults are what the product uses; tests use smaller ones.
struct PatternTreeLimits {
  // Names with fewer or more tokens, the end mark included, have no pattern.
  static constexpr size_t kMinTokens = 3;
  static constexpr size_t kMaxTokens = 80;

  // The longest path, counted from the first level.
  size_t max_depth = 28;
  // Share of the tokens, end mark included, in which a name must equal a pattern to belong to it.
  double min_similarity = 0.3;
  // Beyond these branches of a node, further tokens take that of the placeholder.
  size_t max_children = 1000;
  // Patterns at the end of one path; beyond them, names join the most similar one, whatever its
  // similarity.
  size_t max_leaf_patterns = 100;
  // Nodes visited and patterns compared in one look-up, at most.
  size_t max_steps = 512;
  // Of all patterns; the least recently seen ones make room.
  size_t max_patterns = 100'000;
  size_t max_bytes = size_t{64} << 20;
};

// For each number of tokens a number that changes whenever names of so many tokens may get another
// pattern than before, or a pattern of theirs reads otherwise. Thread-safe.
class PatternVersions {
 public:
  uint64_t Get(size_t tokens) const { return versions_[tokens].load(std::memory_order_acquire); }
  void Change(size_t tokens) { versions_[tokens].fetch_add(1, std::memory_order_release); }

 private:
  std::array<std::atomic<uint64_t>, PatternTreeLimits::kMaxTokens> versions_ = {};
};

// Not thread-safe.
class PatternTree {
 public:
  static constexpr size_t kMaxExamples = 3;
  // Examples are cut to this many bytes.
  static constexpr size_t kMaxExampleBytes = 64;

  struct Pattern {
    uint64_t id = 0;  // never used again
    // The tokens put together; replaced, never changed. A pattern without a placeholder is the name
    // that it began with.
    std::shared_ptr<const std::string> text;
    bool has_placeholder = false;
    uint64_t spans = 0;
    int64_t last_seen_nanos = 0;        // as Learn() and Saw() were told
    std::vector<std::string> examples;  // different names, the first ones; none without placeholder

   private:
    friend class PatternTree;

    std::vector<uint32_t> tokens;  // ids; kAnyToken for a placeholder
    uint32_t node = 0;
    // Neighbours in the node's list.
    Pattern* previous = nullptr;
    Pattern* next = nullptr;
    size_t bytes = 0;
  };

  enum class Outcome : uint8_t {
    kKnown,        // the pattern was there as it is
    kGeneralized,  // the pattern got another placeholder for this name
    kBorn,         // the pattern is new, and reads like the name
  };

  // `versions` must outlive the tree.
  PatternTree(const PatternTreeLimits& limits, PatternVersions* versions);
  ~PatternTree();
  PatternTree(const PatternTree&) = delete;
  PatternTree& operator=(const PatternTree&) = delete;

  // Whether a look-up makes sense: the number of tokens of SplitSpanName(), without the end mark.
  static constexpr bool HasTooFew(size_t tokens) {
    return tokens + 1 < PatternTreeLimits::kMinTokens;
  }
  static constexpr bool HasTooMany(size_t tokens) {
    return tokens + 1 > PatternTreeLimits::kMaxTokens;
  }

  // Returns the pattern of the name with these tokens, after learning from it, and counts so many
  // `spans`; or null, having done nothing, where that would take a new pattern and there is no room
  // for one. Valid until the next MakeRoom(). REQUIRES: neither too few nor too many tokens.
  const Pattern* Learn(std::string_view name, std::span<const std::string_view> tokens,
                       uint64_t spans, int64_t now_nanos, Outcome* outcome);

  // Counts spans of the pattern with this id that were not brought to Learn(), unless it is gone.
  void Saw(uint64_t id, uint64_t spans, int64_t last_nanos);

  // Forgets the patterns that were not seen for longest; of those last seen at one time, the
  // oldest. A few per cent at once, because that takes a look at all of them.
  void MakeRoom();

  // Writes all patterns, in the order of their age, each with its place in the tree.
  void Save(StateWriter* writer) const;
  // Reads that from the current record on, into an empty tree: names have the same patterns then.
  // Beyond the limits the oldest patterns are forgotten. False when the records make no sense.
  bool Restore(StateReader* reader);

  size_t size() const { return patterns_.size(); }
  size_t templates() const { return templates_; }  // those with a placeholder
  size_t bytes() const { return bytes_; }          // about
  // The patterns with a placeholder with the most spans, most first; at most `limit`.
  std::vector<const Pattern*> MostSeenTemplates(size_t limit) const;

 private:
  static constexpr uint32_t kAnyToken = 0;
  static constexpr uint32_t kNoToken = ~uint32_t{0};  // no pattern and no branch has it
  static constexpr uint32_t kNoNode = 0;

  // A token that some pattern or branch has; the text is stored once.
  struct Token {
    std::string text;
    uint32_t uses = 0;
  };
  struct Node {
    uint32_t parent = kNoNode;
    uint32_t token = kAnyToken;
    uint32_t children = 0;
    uint32_t patterns = 0;
    Pattern* first = nullptr;
    Pattern* last = nullptr;
  };
  struct Match {
    Pattern* pattern = nullptr;
    size_t same = 0;
    size_t placeholders = 0;
  };

  bool IsFull() const {
    return patterns_.size() >= limits_.max_patterns || bytes_ >= limits_.max_bytes;
  }
  // How many tokens of a name are levels of the tree.
  size_t PathLength(size_t tokens) const { return std::min(limits_.max_depth - 1, tokens); }
  static uint64_t EdgeKey(uint32_t node, uint32_t token) { return uint64_t{node} << 32 | token; }

  uint32_t FindToken(std::string_view text) const;
  uint32_t UseToken(std::string_view text);
  void ReleaseToken(uint32_t token);

  uint32_t FindChild(uint32_t node, uint32_t token) const;
  uint32_t AddNode(uint32_t parent, uint32_t token);
  void RemoveNodesUpFrom(uint32_t node, size_t tokens);

  Match Find(uint32_t node, size_t depth, size_t* steps) const;
  Match BestOf(uint32_t node, size_t* steps) const;
  bool IsSimilar(const Match& match) const;
  uint32_t BranchFor(uint32_t node, std::string_view text) const;
  uint32_t FindPath(std::span<const std::string_view> tokens) const;
  uint32_t MakePath(std::span<const std::string_view> tokens);
  Pattern* AddPattern(std::span<const std::string_view> tokens, uint32_t node);
  Pattern* AppendPattern(uint32_t node);
  void SaveTokens(std::span<const uint32_t> tokens, StateWriter* writer) const;
  bool RestorePattern(StateReader* reader);
  // Returns whether the pattern had to change.
  bool Generalize(Pattern* pattern);
  void WriteText(Pattern* pattern);
  void AddExample(std::string_view name, Pattern* pattern);
  void Charge(Pattern* pattern);
  void Remove(Pattern* pattern);

  const PatternTreeLimits limits_;
  PatternVersions* const versions_;

  std::deque<Token> tokens_;  // by id; the first one is the placeholder
  std::vector<uint32_t> free_tokens_;
  absl::flat_hash_map<std::string_view, uint32_t> token_ids_;  // the texts are those in tokens_

  std::vector<Node> nodes_;  // by id; the first one is no node
  std::vector<uint32_t> free_nodes_;
  absl::flat_hash_map<uint64_t, uint32_t> edges_;
  std::array<uint32_t, PatternTreeLimits::kMaxTokens> first_level_ = {};  // by number of tokens

  absl::flat_hash_map<uint64_t, std::unique_ptr<Pattern>> patterns_;
  uint64_t next_id_ = 1;
  size_t templates_ = 0;
  size_t bytes_ = 0;

  std::vector<uint32_t> name_;  // the ids of the tokens that are being learnt
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_PATTERN_TREE_H_
