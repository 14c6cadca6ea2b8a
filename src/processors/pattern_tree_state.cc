// How what was learnt about names survives a restart.

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/state_stream.h"

#include "processors/pattern_tree.h"

namespace spanmeter {

namespace {

constexpr const char* kNoPattern = "it is damaged: a pattern of names that is none";

// A token as it stands in a record.
struct SavedToken {
  bool any = false;
  std::string_view text;
};

SavedToken ReadToken(StateReader* reader) {
  SavedToken token;
  token.any = reader->Number() != 0;
  if (!token.any) token.text = reader->Bytes();
  return token;
}

}  // namespace

void PatternTree::SaveTokens(std::span<const uint32_t> tokens, StateWriter* writer) const {
  for (const uint32_t token : tokens) {
    // A name may have a token that reads like the placeholder.
    writer->Number(token == kAnyToken ? 1 : 0);
    if (token != kAnyToken) writer->Bytes(tokens_[token].text);
  }
}

void PatternTree::Save(StateWriter* writer) const {
  std::vector<const Pattern*> patterns;
  patterns.reserve(patterns_.size());
  for (const auto& [id, pattern] : patterns_) patterns.push_back(pattern.get());
  std::sort(patterns.begin(), patterns.end(),
            [](const Pattern* a, const Pattern* b) { return a->id < b->id; });
  std::vector<uint32_t> path;
  for (const Pattern* pattern : patterns) {
    // Where a pattern is cannot be told from its tokens: some have become placeholders since.
    path.clear();
    for (uint32_t node = pattern->node; nodes_[node].parent != kNoNode;
         node = nodes_[node].parent) {
      path.push_back(nodes_[node].token);
    }
    std::reverse(path.begin(), path.end());
    writer->Begin(StateRecord::kSpanNamePattern);
    writer->Number(pattern->spans);
    writer->Time(pattern->last_seen_nanos);
    writer->Number(pattern->tokens.size());
    SaveTokens(pattern->tokens, writer);
    writer->Number(path.size());
    SaveTokens(path, writer);
    writer->Number(pattern->examples.size());
    for (const std::string& example : pattern->examples) writer->Bytes(example);
    writer->End();
    writer->FlushIfLarge();
  }
}

bool PatternTree::Restore(StateReader* reader) {
  for (; reader->kind() == StateRecord::kSpanNamePattern; reader->Next()) {
    if (IsFull()) MakeRoom();
    if (!RestorePattern(reader)) return false;
  }
  return reader->ok();
}

bool PatternTree::RestorePattern(StateReader* reader) {
  const uint64_t spans = reader->Number();
  const int64_t last_seen_nanos = reader->Time();
  const uint64_t size = reader->Number();
  if (size >= PatternTreeLimits::kMaxTokens || HasTooFew(size)) return reader->Fail(kNoPattern);
  std::vector<SavedToken> tokens(size);
  for (SavedToken& token : tokens) token = ReadToken(reader);
  if (reader->Number() != PathLength(size)) return reader->Fail(kNoPattern);
  std::vector<SavedToken> path(PathLength(size));
  for (SavedToken& token : path) token = ReadToken(reader);
  const uint64_t examples = reader->Number();
  if (examples > kMaxExamples) return reader->Fail(kNoPattern);
  std::vector<std::string> read_examples;
  for (uint64_t i = 0; i < examples; ++i) {
    const std::string_view example = reader->Bytes();
    if (example.size() > kMaxExampleBytes) return reader->Fail(kNoPattern);
    read_examples.emplace_back(example);
  }
  // Before anything of the record is in the tree.
  if (!reader->EndRecord()) return false;

  uint32_t& root = first_level_[size];
  if (root == kNoNode) root = AddNode(kNoNode, kAnyToken);
  uint32_t node = root;
  for (const SavedToken& token : path) {
    const uint32_t known = token.any ? kAnyToken : FindToken(token.text);
    uint32_t child = known == kNoToken ? kNoNode : FindChild(node, known);
    if (child == kNoNode) {
      const uint32_t used = token.any ? kAnyToken : UseToken(token.text);
      child = AddNode(node, used);
      edges_.emplace(EdgeKey(node, used), child);
      ++nodes_[node].children;
    }
    node = child;
  }
  Pattern* const pattern = AppendPattern(node);
  for (const SavedToken& token : tokens) {
    pattern->tokens.push_back(token.any ? kAnyToken : UseToken(token.text));
    pattern->has_placeholder = pattern->has_placeholder || token.any;
  }
  if (pattern->has_placeholder) ++templates_;
  pattern->spans = spans;
  pattern->last_seen_nanos = last_seen_nanos;
  pattern->examples = std::move(read_examples);
  WriteText(pattern);
  Charge(pattern);
  versions_->Change(size);
  return true;
}

}  // namespace spanmeter
