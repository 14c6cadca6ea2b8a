#include "http_client/oauth2_token.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <string_view>

#include <nlohmann/json.hpp>

#include "spanmeter/clock.h"

namespace spanmeter {

namespace {

// A token is not used in its last seconds: it has to be valid when it arrives.
constexpr int64_t kMarginSeconds = 10;
constexpr int64_t kMaxSeconds = int64_t{365} * 24 * 3600;

void AppendField(const std::string& name, const std::string& value, std::string* form) {
  if (!form->empty()) form->push_back('&');
  form->append(FormEncoded(name)).append("=").append(FormEncoded(value));
}

}  // namespace

std::string FormEncoded(const std::string& text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 &&
        (std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string::npos)) {
      encoded.push_back(c);
    } else {
      encoded.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return encoded;
}

std::string TokenRequest(const OAuth2Options& options, const std::string* secret) {
  std::string form;
  AppendField("grant_type", "client_credentials", &form);
  std::string scopes;
  for (const std::string& scope : options.scopes) {
    scopes.append(scopes.empty() ? "" : " ").append(scope);
  }
  if (!scopes.empty()) AppendField("scope", scopes, &form);
  for (const auto& [name, value] : options.endpoint_params) AppendField(name, value, &form);
  if (secret != nullptr) {
    AppendField("client_id", options.client_id, &form);
    AppendField("client_secret", *secret, &form);
  }
  return form;
}

std::string OAuth2Token::Read(const std::string& json, int64_t now_nanos) {
  const nlohmann::json answer = nlohmann::json::parse(json, nullptr, false);
  if (!answer.is_object()) return "the answer is no JSON object";
  const auto token = answer.find("access_token");
  if (token == answer.end() || !token->is_string() || token->get<std::string>().empty()) {
    return "the answer has no access_token";
  }
  std::string text = token->get<std::string>();
  const bool legal =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  if (!legal) return "the access_token has characters that no header may have";
  int64_t expires_nanos = std::numeric_limits<int64_t>::max();
  const auto expires_in = answer.find("expires_in");
  if (expires_in != answer.end() && expires_in->is_number()) {
    const double seconds =
        std::clamp(expires_in->get<double>(), 0.0, static_cast<double>(kMaxSeconds));
    // A token that is valid only for moments has to be good for the requests that wait for it.
    const int64_t usable = std::max<int64_t>(static_cast<int64_t>(seconds) - kMarginSeconds, 1);
    expires_nanos = now_nanos + usable * kNanosPerSecond;
  }
  token_ = std::move(text);
  expires_nanos_ = expires_nanos;
  return "";
}

}  // namespace spanmeter
