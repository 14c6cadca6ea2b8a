// Fuzzes what reads URLs: questions to the API, which are also made from known parts and have to
// come out as these, and the URLs and addresses of a configuration.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/request.h"
#include "config/address.h"
#include "config/url.h"
#include "fuzz/fuzz_input.h"
#include "fuzz/plain_utf8.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::CheckEqual;
using testing::FuzzInput;

constexpr size_t kMaxParameters = 64;
constexpr std::string_view kUnreserved =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

// As a client would write it, or escaped more than need be.
std::string Encode(FuzzInput* input, std::string_view text, bool in_query) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = kUnreserved.find(c) != std::string_view::npos;
    if (c == ' ' && in_query && input->Flip()) {
      encoded += '+';
    } else if (is_plain && input->Choose(4) != 3) {
      encoded += c;
    } else {
      const std::string_view digits = input->Flip() ? "0123456789abcdef" : "0123456789ABCDEF";
      const auto byte = static_cast<uint8_t>(c);
      encoded.append("%").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
    }
  }
  return encoded;
}

void MakeRequest(FuzzInput* input) {
  std::vector<std::string> segments;
  std::string path;
  bool is_utf8 = true;
  for (size_t i = input->Choose(4) + 1; i > 0; --i) {
    const std::string& segment = segments.emplace_back(input->Text(12));
    is_utf8 = is_utf8 && testing::IsPlainUtf8(segment);
    path.append(segments.size() > 1 ? "/" : "").append(Encode(input, segment, false));
  }
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string query;
  for (size_t i = input->Choose(70); i > 0 && !input->done(); --i) {
    auto& [name, value] = parameters.emplace_back(input->Text(8), input->Text(12));
    is_utf8 = is_utf8 && testing::IsPlainUtf8(name) && testing::IsPlainUtf8(value);
    query.append(parameters.size() > 1 ? "&" : "").append(Encode(input, name, true));
    query.append("=").append(Encode(input, value, true));
  }
  std::string problem;
  const auto request = ApiRequest::Parse(path, query, &problem);
  const bool is_legal = is_utf8 && parameters.size() <= kMaxParameters;
  Check(request.has_value() == is_legal, "a legal request is refused, or another one taken");
  Check(request.has_value() == problem.empty(), "refused without a reason");
  if (!request) return;
  Check(request->segments() == segments, "other segments");
  for (const auto& [name, value] : parameters) {
    std::vector<std::string> all;
    for (const auto& [other, text] : parameters) {
      if (other == name) all.push_back(text);
    }
    CheckEqual(all.front(), *request->Get(name), "parameter " + name);
    Check(request->All(name) == all, "other values of " + name);
    const bool is_listed = name == "limit" && parameters.size() == all.size();
    Check(is_listed || !request->CheckNames({"limit"}, "limit").empty(), "unknown names pass");
  }
  uint64_t limit = ApiRequest::kDefaultLimit;
  if (request->ReadLimit(&limit).empty()) {
    Check(limit >= 1 && limit <= ApiRequest::kMaxLimit, "a limit beyond the limit");
  }
}

// The text without its escapes; nothing when it cannot be read.
std::optional<std::string> Decoded(std::string text) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  for (size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 1)) {
    const std::string digits = text.substr(at + 1, 2);
    if (digits.size() != 2 || digits.find_first_not_of(kDigits) != std::string::npos) {
      return std::nullopt;
    }
    text.replace(at, 3, 1, static_cast<char>(std::stoi(digits, nullptr, 16)));
  }
  if (!testing::IsPlainUtf8(text)) return std::nullopt;
  return text;
}

// Anything as a request: the path up to the first question mark.
void ReadRequest(std::string_view text) {
  const size_t mark = std::min(text.find('?'), text.size());
  const std::string path(text.substr(0, mark));
  const std::string query(text.substr(std::min(mark + 1, text.size())));
  bool is_legal = true;
  std::vector<std::string> segments;
  for (size_t begin = 0;;) {
    const size_t end = path.find('/', begin);
    const auto segment = Decoded(path.substr(begin, end - begin));
    is_legal = is_legal && segment.has_value();
    segments.push_back(segment.value_or(""));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  size_t parameters = 0;
  std::string first_name;
  std::string first_value;
  for (size_t begin = 0; begin <= query.size();) {
    const size_t end = std::min(query.find('&', begin), query.size());
    std::string part = query.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) continue;
    std::replace(part.begin(), part.end(), '+', ' ');
    const size_t equals = std::min(part.find('='), part.size());
    const auto name = Decoded(part.substr(0, equals));
    const auto value = Decoded(part.substr(std::min(equals + 1, part.size())));
    is_legal = is_legal && name && value;
    if (++parameters == 1) {
      first_name = name.value_or("");
      first_value = value.value_or("");
    }
  }
  is_legal = is_legal && parameters <= kMaxParameters;
  std::string problem;
  const auto request = ApiRequest::Parse(path, query, &problem);
  Check(request.has_value() == is_legal, "a legal request is refused, or another one taken");
  if (!request) return;
  Check(request->segments() == segments, "other segments");
  if (parameters > 0) CheckEqual(first_value, *request->Get(first_name), "the first parameter");
}

void ReadUrl(std::string_view text) {
  static constexpr std::string_view kSchemes[] = {"http", "https"};
  std::string error;
  const auto url = ParseUrl(text, kSchemes, &error);
  Check(url.has_value() == error.empty(), "refused without a reason");
  if (!url) return;
  const std::string whole(text);
  Check(!url->host.empty() &&
            IsHost(url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]"),
        "no host");
  // What there is besides the user comes back.
  const std::string host =
      url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]";
  const std::string address = host + (url->port.empty() ? "" : ":" + url->port);
  const std::string end = address + url->path + url->query;
  Check(whole.ends_with(end), "other parts: " + end);
  Check(whole.starts_with(url->scheme + "://"), "another scheme");
  const std::string user =
      whole.substr(url->scheme.size() + 3, whole.size() - url->scheme.size() - 3 - end.size());
  Check(url->has_user == !user.empty() && (user.empty() || user.back() == '@'), "another user");

  const std::string hidden = HidePassword(whole);
  const size_t colon = user.find(':');
  if (colon == std::string::npos || colon + 2 >= user.size()) {
    CheckEqual(whole, hidden, "hidden without a password");
  } else {
    CheckEqual(
        url->scheme + "://" + user.substr(0, colon + 1) + std::string(kHiddenSecret) + "@" + end,
        hidden, "hidden");
  }
  const std::string name = NameFromUrl(*url);
  Check(!name.empty() && name.size() <= 100, "no name");
  Check(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_.:/-") == std::string::npos,
        "a name of other characters");
}

void ReadAddress(std::string_view text) {
  std::string error;
  const auto address = ParseListenAddress(text, &error);
  Check(address.has_value() == error.empty(), "refused without a reason");
  if (!address) return;
  const bool is_v6 = address->host.find(':') != std::string::npos;
  const std::string host = is_v6 ? "[" + address->host + "]" : address->host;
  Check(text.starts_with(host + ":"), "another host");
  Check(host.find_first_of(std::string_view("\0 \n/@%", 6)) == std::string::npos, "no host");
  uint64_t port = 0;
  for (const char c : text.substr(host.size() + 1)) {
    Check(c >= '0' && c <= '9', "no port");
    port = std::min<uint64_t>(port * 10 + static_cast<uint64_t>(c - '0'), 65536);
  }
  Check(port == address->port, "another port");
}

void Run(FuzzInput* input) {
  switch (input->Choose(4)) {
    case 0:
      return MakeRequest(input);
    case 1:
      return ReadRequest(input->rest());
    case 2:
      return ReadUrl(input->rest());
    case 3:
      return ReadAddress(input->rest());
  }
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::FuzzInput input(data, size);
  spanmeter::Run(&input);
  return 0;
}
