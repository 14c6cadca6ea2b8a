// Fuzzes the choice of a scrape format. One half of the inputs says which ranges and codings a
// header is to list, is written as a header in one of the ways that RFC 9110 allows, and has an
// answer by the rules of its sections 12.5.1 and 12.5.3; the other half is the header itself, which
// must only have some answer.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/exposition.h"

#include "fuzz/fuzz_input.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::FuzzInput;

constexpr int kFull = 1000;
constexpr int kAbsent = -1;

struct Parameter {
  std::string_view name;
  std::string_view value;
};
struct Range {
  std::string_view type;
  std::vector<Parameter> parameters;
  int quality = kFull;  // in thousandths
  // Its q is none, and it counts as not there.
  bool malformed = false;
};
struct Format {
  ExpositionFormat format;
  std::string_view type;
  std::string_view wildcard;
  std::vector<Parameter> parameters;
};

constexpr std::string_view kTypes[] = {"*/*",
                                       "text/*",
                                       "application/*",
                                       "text/plain",
                                       "application/openmetrics-text",
                                       "application/vnd.google.protobuf",
                                       "image/png",
                                       "text",
                                       "*/plain"};
constexpr Parameter kParameters[] = {{"version", "0.0.4"},
                                     {"version", "1.0.0"},
                                     {"version", "2"},
                                     {"charset", "utf-8"},
                                     {"proto", "io.prometheus.client.MetricFamily"},
                                     {"proto", "other"},
                                     {"encoding", "delimited"},
                                     {"encoding", "text"},
                                     {"escaping", "a,b;q=0"}};
constexpr std::string_view kCodings[] = {"gzip", "x-gzip", "identity", "*", "br", "gzipped"};
constexpr std::string_view kBadQualities[] = {"2", "1.001", "-1", "", ".5", "0.5x", "1x", "a"};
constexpr std::string_view kSpaces[] = {"", " ", "\t", "  "};

std::string AnyCase(FuzzInput* input, std::string_view text) {
  std::string mixed(text);
  if (input->Choose(4) != 0) return mixed;
  for (char& c : mixed) {
    if (c >= 'a' && c <= 'z' && input->Flip()) c = static_cast<char>(c - 'a' + 'A');
  }
  return mixed;
}

std::string Space(FuzzInput* input) { return std::string(input->Pick(kSpaces)); }

// With as many digits as it takes, or more.
std::string QualityText(FuzzInput* input, int quality) {
  if (quality == kFull) return std::string("1.000").substr(0, input->Choose(6));
  std::string text = std::to_string(kFull + quality);
  text.replace(0, 1, "0.");
  const size_t least = text.find_last_not_of('0') + 1;
  return text.substr(0, least + input->Choose(text.size() - least + 1));
}

Range ChooseRange(FuzzInput* input, std::string_view type) {
  Range range;
  range.type = type;
  range.malformed = input->Choose(10) == 9;
  static constexpr int kQualities[] = {1000, 1000, 900, 500, 100, 10, 1, 0};
  range.quality = input->Pick(kQualities);
  return range;
}

std::string Write(FuzzInput* input, const Range& range) {
  std::string text = Space(input) + AnyCase(input, range.type) + Space(input);
  std::vector<std::string> parts;
  for (const Parameter& parameter : range.parameters) {
    const bool quoted = parameter.value.find(',') != std::string_view::npos || input->Flip();
    const std::string quote = quoted ? "\"" : "";
    parts.push_back(AnyCase(input, parameter.name) + "=" + quote + AnyCase(input, parameter.value) +
                    quote);
  }
  std::string q;
  if (range.malformed) {
    q = input->Pick(kBadQualities);
  } else if (range.quality != kFull || input->Flip()) {
    q = QualityText(input, range.quality);
  }
  // Nothing is the same as 1, unless that is what stands there.
  if (range.malformed || !q.empty()) {
    parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(input->Choose(parts.size() + 1)),
                 AnyCase(input, "q") + "=" + q);
  }
  for (const std::string& part : parts) text += ";" + Space(input) + part + Space(input);
  return text;
}

std::string WriteList(FuzzInput* input, const std::vector<Range>& ranges) {
  std::string text;
  for (const Range& range : ranges) {
    if (!text.empty()) text += ",";
    if (input->Choose(8) == 7) text += " ,";  // empty elements are allowed
    text += Write(input, range);
  }
  return text;
}

// How specifically the range means the format; 0 = not at all.
size_t Specificity(const Range& range, const Format& format) {
  if (range.malformed) return 0;
  if (range.type == "*/*") return 1;
  if (range.type == format.wildcard) return 2;
  if (range.type != format.type) return 0;
  size_t agreeing = 0;
  for (const Parameter& asked : range.parameters) {
    for (const Parameter& ours : format.parameters) {
      if (asked.name != ours.name) continue;
      if (asked.value != ours.value) return 0;
      ++agreeing;
    }
  }
  return 3 + agreeing;
}

ExpositionFormat ExpectedFormat(const std::vector<Range>& ranges) {
  const std::array<Format, 3> formats = {{
      {ExpositionFormat::kText, "text/plain", "text/*", {{"version", "0.0.4"}}},
      {ExpositionFormat::kOpenMetrics,
       "application/openmetrics-text",
       "application/*",
       {{"version", "1.0.0"}}},
      {ExpositionFormat::kProtobuf,
       "application/vnd.google.protobuf",
       "application/*",
       {{"proto", "io.prometheus.client.MetricFamily"}, {"encoding", "delimited"}}},
  }};
  // By quality, then by the place in the list, then as above.
  std::map<std::array<int, 3>, ExpositionFormat> candidates;
  for (size_t f = 0; f < formats.size(); ++f) {
    size_t most = 0;
    size_t place = 0;
    for (size_t i = 0; i < ranges.size(); ++i) {
      const size_t specificity = Specificity(ranges[i], formats[f]);
      if (specificity <= most) continue;
      most = specificity;
      place = i;
    }
    if (most == 0 || ranges[place].quality == 0) continue;
    candidates[{-ranges[place].quality, static_cast<int>(place), static_cast<int>(f)}] =
        formats[f].format;
  }
  return candidates.empty() ? ExpositionFormat::kText : candidates.begin()->second;
}

bool ExpectedGzip(const std::vector<Range>& codings) {
  const auto quality_of = [&](std::string_view one, std::string_view other) {
    for (const Range& coding : codings) {
      if (!coding.malformed && (coding.type == one || coding.type == other)) return coding.quality;
    }
    return kAbsent;
  };
  // "*" stands for every coding that is not listed, identity among them.
  const int any = quality_of("*", "*");
  int gzip = quality_of("gzip", "x-gzip");
  int identity = quality_of("identity", "identity");
  if (gzip == kAbsent) gzip = any;
  if (identity == kAbsent) identity = any;
  return gzip > 0 && gzip >= identity;
}

void Run(FuzzInput* input) {
  if (input->Flip()) {
    const std::string_view rest = input->rest();
    const size_t half = std::min(rest.find('\n'), rest.size());
    const Negotiated first = Negotiate(rest.substr(0, half), rest.substr(half));
    const Negotiated second = Negotiate(rest.substr(0, half), rest.substr(half));
    Check(first.format == second.format && first.gzip == second.gzip, "it depends");
    Check(ContentType(first.format).find('/') != std::string_view::npos, "no content type");
    return;
  }
  std::vector<Range> ranges;
  for (size_t i = input->Choose(6); i > 0; --i) {
    Range& range = ranges.emplace_back(ChooseRange(input, input->Pick(kTypes)));
    for (size_t k = input->Choose(4); k > 0; --k) {
      const Parameter parameter = input->Pick(kParameters);
      bool is_new = true;
      for (const Parameter& other : range.parameters) {
        is_new = is_new && other.name != parameter.name;
      }
      if (is_new) range.parameters.push_back(parameter);
    }
  }
  std::vector<Range> codings;
  for (size_t i = input->Choose(5); i > 0; --i) {
    codings.push_back(ChooseRange(input, input->Pick(kCodings)));
  }
  const std::string accept = WriteList(input, ranges);
  const std::string accept_encoding = WriteList(input, codings);
  const Negotiated actual = Negotiate(accept, accept_encoding);
  Check(actual.format == ExpectedFormat(ranges), "another format for Accept: " + accept);
  Check(actual.gzip == ExpectedGzip(codings), "another coding for: " + accept_encoding);
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::FuzzInput input(data, size);
  spanmeter::Run(&input);
  return 0;
}
