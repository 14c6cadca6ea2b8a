#include "registry/label_text.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "registry/key_codec.h"

namespace spanmeter {

namespace {

constexpr std::string_view kOverflowLabel = "metric_overflow";

std::string_view EnumText(uint32_t number, std::span<const std::string_view> names, char* buffer,
                          size_t buffer_size) {
  if (number < names.size()) return names[number];
  const auto end = std::to_chars(buffer, buffer + buffer_size, static_cast<int32_t>(number)).ptr;
  return {buffer, static_cast<size_t>(end - buffer)};
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

std::string LabelRenderer::Render(std::string_view key) const {
  if (own_labels_) return RenderOwnLabels(key);

  // Numbers become text in `decimals`; a view into it must not move, hence the fixed width.
  constexpr size_t kDecimalWidth = 12;
  std::vector<std::string_view> values(labels_.size());
  std::vector<char> decimals(labels_.size() * kDecimalWidth);
  KeyReader reader(key);
  for (size_t i = 0; i < labels_.size(); ++i) {
    values[i] = labels_[i].enum_names.empty()
                    ? reader.ReadText()
                    : EnumText(reader.ReadNumber(), labels_[i].enum_names,
                               decimals.data() + i * kDecimalWidth, kDecimalWidth);
  }
  std::string text;
  text.reserve(key.size() + sorted_.size() * 16);
  for (const Source& source : sorted_) {
    const std::string_view value = source.key_position < 0
                                       ? std::string_view(source.external_value)
                                       : values[static_cast<size_t>(source.key_position)];
    if (!value.empty()) AppendLabel(source.name, value, &text);
  }
  text.shrink_to_fit();
  return text;
}

std::string LabelRenderer::RenderOwnLabels(std::string_view key) const {
  std::string text;
  auto external = external_labels_.begin();
  KeyReader reader(key);
  while (!reader.done()) {
    const std::string_view name = reader.ReadText();
    const std::string_view value = reader.ReadText();
    for (; external != external_labels_.end() && external->first < name; ++external) {
      AppendLabel(external->first, external->second, &text);
    }
    AppendLabel(name, value, &text);
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
