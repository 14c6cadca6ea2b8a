// How the API writes JSON: keys in the order in which they are set.

#ifndef SPANMETER_ADMIN_JSON_H_
#define SPANMETER_ADMIN_JSON_H_

#include <string>

#include <nlohmann/json.hpp>

#include "spanmeter/api_reply.h"

namespace spanmeter {

using Json = nlohmann::ordered_json;

// Never throws: what is not valid UTF-8 is replaced.
inline std::string JsonText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline ApiReply JsonReply(const Json& json) { return {200, JsonText(json)}; }

inline ApiReply ErrorReply(int status, const std::string& message) {
  return {status, JsonText({{"error", {{"status", status}, {"message", message}}}})};
}

// An empty text is null.
inline Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_JSON_H_
