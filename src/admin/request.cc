#include "admin/request.h"

#include <algorithm>
#include <charconv>

namespace spanmeter {

namespace {

// Far more than any question needs.
constexpr size_t kMaxParameters = 64;
constexpr size_t kMaxShownName = 32;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Whether `text` is UTF-8 as RFC 3629 has it: no surrogates, nothing longer than it need be.
bool IsUtf8(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const uint8_t first = byte(i);
    size_t more = 0;
    uint32_t code = first;
    uint32_t least = 0;
    if (first >= 0xF0 && first <= 0xF4) {
      more = 3, code = first & 0x07, least = 0x10000;
    } else if (first >= 0xE0 && first < 0xF0) {
      more = 2, code = first & 0x0F, least = 0x800;
    } else if (first >= 0xC2 && first < 0xE0) {
      more = 1, code = first & 0x1F, least = 0x80;
    } else if (first >= 0x80) {
      return false;
    }
    if (i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
      code = code << 6 | (byte(i + k) & 0x3F);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    }
  }
  if (!IsUtf8(decoded)) return std::nullopt;
  return decoded;
}

// Calls `visit` with each part between separators; false ends it.
template <typename Visit>
bool Split(std::string_view text, char separator, Visit visit) {
  for (;;) {
    const size_t end = std::min(text.find(separator), text.size());
    if (!visit(text.substr(0, end))) return false;
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

// Names that people may have mistyped are shown, everything else is not.
bool IsShowable(std::string_view name) {
  return !name.empty() && name.size() <= kMaxShownName &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '-'; });
}

std::string Shown(std::string_view name) {
  return IsShowable(name) ? "\"" + std::string(name) + "\"" : "a parameter";
}

}  // namespace

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ApiRequest> ApiRequest::Parse(std::string_view path, std::string_view query,
                                            std::string* problem) {
  ApiRequest request;
  const bool path_ok = Split(path, '/', [&](std::string_view part) {
    auto segment = Decode(part, /*plus_is_space=*/false);
    if (segment) request.segments_.push_back(std::move(*segment));
    return segment.has_value();
  });
  if (!path_ok) {
    *problem = "the path is not percent-encoded UTF-8: write % and two hexadecimal digits";
    return std::nullopt;
  }
  const bool query_ok = Split(query, '&', [&](std::string_view part) {
    if (part.empty()) return true;
    const size_t equals = std::min(part.find('='), part.size());
    auto name = Decode(part.substr(0, equals), /*plus_is_space=*/true);
    auto value = Decode(part.substr(std::min(equals + 1, part.size())), /*plus_is_space=*/true);
    if (!name || !value || request.parameters_.size() == kMaxParameters) return false;
    request.parameters_.emplace_back(std::move(*name), std::move(*value));
    return true;
  });
  if (!query_ok) {
    *problem = "the query is not percent-encoded UTF-8, or has more than " +
               std::to_string(kMaxParameters) + " parameters: write % and two hexadecimal digits";
    return std::nullopt;
  }
  return request;
}

const std::string* ApiRequest::Get(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::vector<std::string> ApiRequest::All(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& [key, value] : parameters_) {
    if (key == name) all.push_back(value);
  }
  return all;
}

std::string ApiRequest::CheckNames(std::initializer_list<std::string_view> known,
                                   std::string_view repeatable) const {
  for (const auto& [name, value] : parameters_) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string text = Shown(name) + " is unknown here: ";
      if (known.size() == 0) return text + "there are no parameters";
      text.append("there are");
      for (const std::string_view k : known) {
        text.append(k == *known.begin() ? " " : ", ").append(k);
      }
      return text;
    }
    if (name != repeatable && All(name).size() > 1) {
      return Shown(name) + " is there more than once: remove all but one";
    }
  }
  return "";
}

std::string ApiRequest::ReadInteger(std::string_view name, uint64_t min, uint64_t max,
                                    uint64_t* value) const {
  const std::string* const text = Get(name);
  if (text == nullptr) return "";
  const std::optional<uint64_t> number = ParseDecimal(*text);
  if (!number || *number < min || *number > max) {
    return std::string(name) + " must be an integer from " + std::to_string(min) + " to " +
           std::to_string(max);
  }
  *value = *number;
  return "";
}

}  // namespace spanmeter
