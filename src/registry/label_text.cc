#include "registry/label_text.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "registry/key_codec.h"

namespace spanmeter {

namespace {

constexpr std::string_view kOverflowLabel = "metric_overflow";

// The longest is "-2147483648". Views into the decimals must not move, hence the fixed width.
constexpr size_t kDecimalWidth = 11;

std::string_view EnumText(uint64_t number, std::span<const std::string_view> names, char* buffer) {
  if (number < names.size()) return names[number];
  if (number == kKeyOverflow) return kCardinalityOverflow;
  const auto end = std::to_chars(buffer, buffer + kDecimalWidth, static_cast<int32_t>(number)).ptr;
  return {buffer, static_cast<size_t>(end - buffer)};
}

bool IsLabelName(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

void AppendLabel(std::string_view name, std::string_view value, std::string* text) {
  if (!text->empty()) text->push_back(',');
  text->append(name);
  text->append("=\"");
  for (;;) {
    const size_t special = value.find_first_of("\\\"\n");
    text->append(value.substr(0, special));
    if (special == std::string_view::npos) break;
    text->push_back('\\');
    text->push_back(value[special] == '\n' ? 'n' : value[special]);
    value.remove_prefix(special + 1);
  }
  text->push_back('"');
}

LabelRenderer::LabelRenderer(std::vector<FamilyLabel> labels, bool own_labels,
                             const std::map<std::string, std::string>& external_labels)
    : labels_(std::move(labels)), own_labels_(own_labels) {
  for (const auto& [name, value] : external_labels) {
    if (value.empty()) continue;
    external_labels_.emplace_back(name, value);
    sorted_.push_back({name, -1, value});
  }
  for (size_t i = 0; i < labels_.size(); ++i) {
    sorted_.push_back({labels_[i].name, static_cast<int>(i), ""});
  }
  std::sort(sorted_.begin(), sorted_.end(),
            [](const Source& a, const Source& b) { return a.name < b.name; });
}

bool LabelRenderer::IsKey(std::string_view key) const {
  KeyReader reader(key);
  if (own_labels_) {
    std::string_view previous;
    while (!reader.done()) {
      if (!reader.CanReadText()) return false;
      const std::string_view name = reader.ReadText();
      if (!IsLabelName(name) || name <= previous || !reader.CanReadText()) return false;
      if (reader.ReadText().empty()) return false;
      previous = name;
    }
    return true;
  }
  for (const FamilyLabel& label : labels_) {
    if (label.enum_names.empty()) {
      if (!reader.CanReadText()) return false;
      reader.ReadText();
    } else {
      if (!reader.CanReadNumber() || reader.ReadNumber() > kKeyOverflow) return false;
    }
  }
  return reader.done();
}

void LabelRenderer::Decode(std::string_view key, DecodedKey* decoded) const {
  decoded->labels.clear();
  KeyReader reader(key);
  if (own_labels_) {
    while (!reader.done()) {
      const std::string_view name = reader.ReadText();
      decoded->labels.push_back({name, reader.ReadText()});
    }
    return;
  }
  decoded->decimals.resize(labels_.size() * kDecimalWidth);
  for (size_t i = 0; i < labels_.size(); ++i) {
    const FamilyLabel& label = labels_[i];
    decoded->labels.push_back(
        {label.name, label.enum_names.empty()
                         ? reader.ReadText()
                         : EnumText(reader.ReadNumber(), label.enum_names,
                                    decoded->decimals.data() + i * kDecimalWidth)});
  }
}

std::string LabelRenderer::Fold(const DecodedKey& decoded, std::string_view key,
                                const std::vector<bool>& folded) const {
  std::string result;
  KeyReader reader(key);
  for (size_t i = 0; i < decoded.labels.size(); ++i) {
    if (own_labels_) AppendKeyText(reader.ReadText(), &result);
    if (!own_labels_ && !labels_[i].enum_names.empty()) {
      const uint64_t number = reader.ReadNumber();
      AppendKeyVarint(folded[i] ? kKeyOverflow : number, &result);
    } else {
      const std::string_view text = reader.ReadText();
      AppendKeyText(folded[i] ? kCardinalityOverflow : text, &result);
    }
  }
  return result;
}

std::string LabelRenderer::Render(std::string_view key) const {
  DecodedKey decoded;
  Decode(key, &decoded);
  if (own_labels_) return RenderOwnLabels(decoded);

  std::string text;
  text.reserve(key.size() + sorted_.size() * 16);
  for (const Source& source : sorted_) {
    const std::string_view value =
        source.key_position < 0 ? std::string_view(source.external_value)
                                : decoded.labels[static_cast<size_t>(source.key_position)].value;
    if (!value.empty()) AppendLabel(source.name, value, &text);
  }
  text.shrink_to_fit();
  return text;
}

std::string LabelRenderer::RenderOwnLabels(const DecodedKey& decoded) const {
  std::string text;
  auto external = external_labels_.begin();
  for (const LabelValue& label : decoded.labels) {
    for (; external != external_labels_.end() && external->first < label.name; ++external) {
      AppendLabel(external->first, external->second, &text);
    }
    AppendLabel(label.name, label.value, &text);
  }
  for (; external != external_labels_.end(); ++external) {
    AppendLabel(external->first, external->second, &text);
  }
  return text;
}

std::string LabelRenderer::RenderOverflow() const {
  std::string text;
  bool written = false;
  for (const auto& [name, value] : external_labels_) {
    if (!written && kOverflowLabel < name) {
      AppendLabel(kOverflowLabel, "true", &text);
      written = true;
    }
    AppendLabel(name, value, &text);
  }
  if (!written) AppendLabel(kOverflowLabel, "true", &text);
  return text;
}

}  // namespace spanmeter
