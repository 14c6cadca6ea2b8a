#include "otlp/http_cors.h"

#include <algorithm>
#include <strings.h>

#include "spanmeter/clock.h"

namespace spanmeter {

namespace {

// What an exporter in a browser sends in any case.
constexpr std::string_view kOwnHeaders = "Content-Type, Content-Encoding, X-Requested-With";

// Characters of a list of header names. Others do not come from a browser, and must not get into
// the answer.
constexpr std::string_view kListCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~, ";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Whether `text` is `pattern`, in which a * stands for any characters, also none. Schemes and hosts
// are the same in either case.
bool Matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last one
  size_t resumed = 0;                    // what it stands for ends there
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resumed = t;
    } else if (p < pattern.size() && Lower(pattern[p]) == Lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resumed;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

bool CorsPolicy::Allows(std::string_view origin) const {
  return !origin.empty() &&
         std::any_of(options_.allowed_origins.begin(), options_.allowed_origins.end(),
                     [&](const std::string& pattern) { return Matches(pattern, origin); });
}

std::string CorsPolicy::FieldsFor(std::string_view origin) const {
  if (!enabled()) return "";
  std::string fields = "Vary: Origin\r\n";
  if (!Allows(origin)) return fields;
  // The origin itself, because browsers take no * for what they send with credentials, as
  // navigator.sendBeacon() does. There are none here but certificates.
  fields.append("Access-Control-Allow-Origin: ").append(origin);
  return fields.append("\r\nAccess-Control-Allow-Credentials: true\r\n");
}

std::string CorsPolicy::PreflightFieldsFor(std::string_view origin,
                                           std::string_view headers) const {
  std::string fields = FieldsFor(origin);
  if (!Allows(origin)) return fields;
  fields.append("Access-Control-Allow-Methods: POST\r\nAccess-Control-Allow-Headers: ");
  const auto& allowed = options_.allowed_headers;
  const bool any = std::any_of(allowed.begin(), allowed.end(), [](const std::string& name) {
    return EqualIgnoringCase(name, "*");
  });
  if (any && !headers.empty() &&
      headers.find_first_not_of(kListCharacters) == std::string_view::npos) {
    fields.append(headers);
  } else {
    fields.append(kOwnHeaders);
    for (const std::string& name : allowed) {
      if (name != "*") fields.append(", ").append(name);
    }
  }
  fields.append("\r\n");
  if (options_.max_age > 0) {
    fields.append("Access-Control-Max-Age: ");
    fields.append(std::to_string(options_.max_age / kNanosPerSecond)).append("\r\n");
  }
  return fields;
}

}  // namespace spanmeter
