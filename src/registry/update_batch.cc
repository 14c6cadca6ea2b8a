#include "spanmeter/registry.h"

#include "registry/key_codec.h"

namespace spanmeter {

namespace {

// A batch that grew beyond this gives its memory back; an ordinary request needs a few 100 KiB.
constexpr size_t kMaxKeptKeyBytes = 4 << 20;
constexpr size_t kMaxKeptUpdates = 32768;

}  // namespace

void UpdateBatch::Clear() {
  updates_.clear();
  keys_.clear();
  key_begin_ = 0;
  if (keys_.capacity() > kMaxKeptKeyBytes) keys_.shrink_to_fit();
  if (relabelled_.capacity() > kMaxKeptKeyBytes) {
    relabelled_.clear();
    relabelled_.shrink_to_fit();
  }
  if (updates_.capacity() > kMaxKeptUpdates) {
    updates_.shrink_to_fit();
    grouped_.clear();
    grouped_.shrink_to_fit();
    missed_.clear();
    missed_.shrink_to_fit();
  }
}

void UpdateBatch::AppendText(std::string_view value) { AppendKeyText(value, &keys_); }

void UpdateBatch::AppendEnum(int32_t number) {
  AppendKeyVarint(static_cast<uint32_t>(number), &keys_);
}

Update& UpdateBatch::Add(FamilyId family) {
  Update& update = updates_.emplace_back();
  update.key_begin = static_cast<uint32_t>(key_begin_);
  update.key_size = static_cast<uint32_t>(keys_.size() - key_begin_);
  update.family = family;
  key_begin_ = keys_.size();
  return update;
}

void UpdateBatch::SetKey(size_t update) {
  updates_[update].key_begin = static_cast<uint32_t>(key_begin_);
  updates_[update].key_size = static_cast<uint32_t>(keys_.size() - key_begin_);
  key_begin_ = keys_.size();
}

}  // namespace spanmeter
