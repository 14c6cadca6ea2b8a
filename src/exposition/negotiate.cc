// Accept and Accept-Encoding (RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3).
//
// The rule for formats: each format gets the q value of the most specific media range that covers
// it; the format with the highest q above zero wins; among equals the one whose range the client
// lists first; among formats covered by the same range text, then OpenMetrics, then protobuf.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "spanmeter/exposition.h"

namespace spanmeter {
namespace {

// Real headers have three or four parameters in a range and fewer than ten ranges.
constexpr size_t kMaxParameters = 8;
constexpr int kMaxElements = 64;

// q values count in thousandths, the precision that the RFC allows.
constexpr int kFullQuality = 1000;

struct Parameter {
  std::string_view name;
  std::string_view value;
};

// One element of a comma-separated list: a media range or a content coding.
struct Element {
  std::string_view value;
  int quality = kFullQuality;
  std::array<Parameter, kMaxParameters> parameters;
  size_t parameter_count = 0;
};

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view s) {
  while (!s.empty() && IsSpace(s.front())) s.remove_prefix(1);
  while (!s.empty() && IsSpace(s.back())) s.remove_suffix(1);
  return s;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// `lower` must be in lower case.
bool EqualsIgnoringCase(std::string_view s, std::string_view lower) {
  return std::equal(s.begin(), s.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return Lower(a) == b; });
}

// Cuts the text up to the next `separator` outside of quotes off *rest.
std::string_view CutAt(char separator, std::string_view* rest) {
  bool quoted = false;
  size_t i = 0;
  for (; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == separator && !quoted) {
      break;
    }
  }
  i = std::min(i, rest->size());
  const std::string_view head = rest->substr(0, i);
  rest->remove_prefix(std::min(i + 1, rest->size()));
  return head;
}

// Reads "0", "0.5", "1.000". More than three decimals are cut. Returns -1 for anything else.
int ParseQuality(std::string_view s) {
  if (s.empty() || (s[0] != '0' && s[0] != '1')) return -1;
  int quality = s[0] == '1' ? kFullQuality : 0;
  s.remove_prefix(1);
  if (s.empty()) return quality;
  if (s[0] != '.') return -1;
  s.remove_prefix(1);
  int weight = kFullQuality / 10;
  for (const char c : s) {
    if (c < '0' || c > '9') return -1;
    quality += (c - '0') * weight;
    weight /= 10;
  }
  return quality <= kFullQuality ? quality : -1;
}

// False when the element is malformed; the caller leaves it out.
bool ParseElement(std::string_view text, Element* element) {
  element->value = Trim(CutAt(';', &text));
  if (element->value.empty()) return false;
  while (!text.empty()) {
    std::string_view value = Trim(CutAt(';', &text));
    if (value.empty()) continue;
    const std::string_view name = Trim(CutAt('=', &value));
    value = Trim(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (EqualsIgnoringCase(name, "q")) {
      element->quality = ParseQuality(value);
      if (element->quality < 0) return false;
      continue;
    }
    if (element->parameter_count == kMaxParameters) return false;
    element->parameters[element->parameter_count++] = {name, value};
  }
  return true;
}

// Calls visit(position, element) for each well-formed element of `header`.
template <typename Visit>
void ForEachElement(std::string_view header, Visit visit) {
  for (int position = 0; position < kMaxElements && !header.empty(); ++position) {
    Element element;
    if (ParseElement(CutAt(',', &header), &element)) visit(position, element);
  }
}

struct Offer {
  ExpositionFormat format;
  std::string_view type;
  std::string_view subtype;
  // Parameters that tell variants of the type apart: a range that names one must agree. Others,
  // such as charset or escaping, make no difference to what is sent.
  std::array<Parameter, 2> distinguishing;
};

constexpr std::array<Offer, 3> kOffers = {{
    {ExpositionFormat::kText, "text", "plain", {{{"version", "0.0.4"}, {}}}},
    {ExpositionFormat::kOpenMetrics,
     "application",
     "openmetrics-text",
     {{{"version", "1.0.0"}, {}}}},
    {ExpositionFormat::kProtobuf,
     "application",
     "vnd.google.protobuf",
     {{{"proto", "io.prometheus.client.metricfamily"}, {"encoding", "delimited"}}}},
}};

// How specifically `range` covers `offer`; 0 = not at all.
int Specificity(const Element& range, const Offer& offer) {
  const size_t slash = range.value.find('/');
  if (slash == std::string_view::npos) return 0;
  const std::string_view type = range.value.substr(0, slash);
  const std::string_view subtype = range.value.substr(slash + 1);
  if (subtype == "*") {
    if (type == "*") return 1;
    return EqualsIgnoringCase(type, offer.type) ? 2 : 0;
  }
  if (!EqualsIgnoringCase(type, offer.type) || !EqualsIgnoringCase(subtype, offer.subtype)) {
    return 0;
  }
  int specificity = 3;
  for (size_t i = 0; i < range.parameter_count; ++i) {
    const Parameter& asked = range.parameters[i];
    for (const Parameter& ours : offer.distinguishing) {
      if (ours.name.empty() || !EqualsIgnoringCase(asked.name, ours.name)) continue;
      if (!EqualsIgnoringCase(asked.value, ours.value)) return 0;
      ++specificity;
    }
  }
  return specificity;
}

ExpositionFormat ChooseFormat(std::string_view accept) {
  struct Match {
    int specificity = 0;
    int quality = 0;
    int position = 0;
  };
  std::array<Match, kOffers.size()> matches;
  ForEachElement(accept, [&matches](int position, const Element& range) {
    for (size_t i = 0; i < kOffers.size(); ++i) {
      const int specificity = Specificity(range, kOffers[i]);
      if (specificity > matches[i].specificity) {
        matches[i] = {specificity, range.quality, position};
      }
    }
  });
  size_t best = 0;
  for (size_t i = 1; i < matches.size(); ++i) {
    const bool better =
        matches[i].quality != matches[best].quality
            ? matches[i].quality > matches[best].quality
            : matches[i].quality > 0 && matches[i].position < matches[best].position;
    if (better) best = i;
  }
  return kOffers[best].format;
}

// Whether the client takes gzip at least as gladly as uncompressed bytes.
bool ChooseGzip(std::string_view accept_encoding) {
  int gzip = -1;
  int identity = -1;
  int any = -1;
  ForEachElement(accept_encoding, [&](int, const Element& coding) {
    int* quality = nullptr;
    if (EqualsIgnoringCase(coding.value, "gzip") || EqualsIgnoringCase(coding.value, "x-gzip")) {
      quality = &gzip;
    } else if (EqualsIgnoringCase(coding.value, "identity")) {
      quality = &identity;
    } else if (coding.value == "*") {
      quality = &any;
    }
    if (quality != nullptr && *quality < 0) *quality = coding.quality;
  });
  // "*" stands for every coding that is not listed, no coding included.
  if (gzip < 0) gzip = any;
  if (identity < 0) identity = any;
  return gzip > 0 && gzip >= identity;
}

}  // namespace

Negotiated Negotiate(std::string_view accept, std::string_view accept_encoding) {
  return {ChooseFormat(accept), ChooseGzip(accept_encoding)};
}

std::string_view ContentType(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case ExpositionFormat::kProtobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
             "encoding=delimited";
    case ExpositionFormat::kText:
      break;
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace spanmeter
