// The texts of one side of an edge, in one piece: what is kept of a span while it waits.

#ifndef SPANMETER_PROCESSORS_EDGE_TEXTS_H_
#define SPANMETER_PROCESSORS_EDGE_TEXTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace spanmeter {

// The fields of a side are encoded one after the other, each as its length (a varint) and its
// bytes. First the service, then the peer, then one for each attribute that becomes a label.
inline constexpr size_t kServiceField = 0;
// The name of the other side, as far as this one knows it: a client's peer node, the name of its
// database, or who a root server span was called by.
inline constexpr size_t kPeerField = 1;
inline constexpr size_t kFirstAttributeField = 2;

// Appends a field. REQUIRES: it is shorter than 4 GiB.
inline void AppendEdgeText(std::string_view text, std::string* out) {
  uint32_t size = static_cast<uint32_t>(text.size());
  for (; size >= 0x80; size >>= 7) out->push_back(static_cast<char>(size | 0x80));
  out->push_back(static_cast<char>(size));
  out->append(text);
}

// Takes the next field from `encoded`. REQUIRES: there is one.
inline std::string_view TakeEdgeText(std::string_view* encoded) {
  uint32_t size = 0;
  size_t at = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>((*encoded)[at++]);
    size |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const std::string_view text = encoded->substr(at, size);
  encoded->remove_prefix(at + size);
  return text;
}

// Whether `encoded` consists of exactly so many fields, for texts from elsewhere.
inline bool HasEdgeTexts(std::string_view encoded, size_t fields) {
  for (; fields > 0; --fields) {
    uint64_t size = 0;
    size_t at = 0;
    for (uint8_t byte = 0x80; byte >= 0x80; ++at) {
      if (at == encoded.size() || at == 5) return false;
      byte = static_cast<uint8_t>(encoded[at]);
      size |= static_cast<uint64_t>(byte & 0x7f) << (7 * at);
    }
    if (size > encoded.size() - at) return false;
    encoded.remove_prefix(at + size);
  }
  return encoded.empty();
}

// Puts the fields of `encoded` where `fields` has empty ones; those that are there already stay.
inline void FillEdgeTexts(std::string_view encoded, std::span<std::string_view> fields) {
  for (std::string_view& field : fields) {
    const std::string_view text = TakeEdgeText(&encoded);
    if (field.empty()) field = text;
  }
}

// The fields of a side that came once more: the later ones, where they are not empty.
inline std::string MergeEdgeTexts(std::string_view earlier, std::string_view later) {
  std::string merged;
  merged.reserve(earlier.size() + later.size());
  while (!later.empty()) {
    const std::string_view before = TakeEdgeText(&earlier);
    const std::string_view after = TakeEdgeText(&later);
    AppendEdgeText(after.empty() ? before : after, &merged);
  }
  return merged;
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_TEXTS_H_
