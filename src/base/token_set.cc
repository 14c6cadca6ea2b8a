#include "spanmeter/token_set.h"

#include <algorithm>
#include <strings.h>
#include <utility>

namespace spanmeter {

namespace {

constexpr int64_t kLookNanos = kNanosPerSecond;
constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;
constexpr size_t kMinCharacters = 16;
// What fits into a header field.
constexpr size_t kMaxCharacters = 4096;

// RFC 6750, section 2.1.
bool IsTokenCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenCharacter);
}

}  // namespace

std::string DescribeBadToken(std::string_view token) {
  if (token.size() < kMinCharacters) {
    return "it holds fewer than 16 characters, which can be guessed: write a random token, like "
           "that of `openssl rand -hex 32`";
  }
  if (token.size() > kMaxCharacters) {
    return "it holds more than 4096 characters, which no request can carry: write a shorter token";
  }
  if (!IsToken(token)) {
    return "it holds something else than letters, digits and -._~+/=, of which a token consists";
  }
  return "";
}

std::optional<std::string_view> BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer";
  if (authorization.size() <= kScheme.size() ||
      strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0 ||
      authorization[kScheme.size()] != ' ') {
    return std::nullopt;
  }
  authorization.remove_prefix(
      std::min(authorization.find_first_not_of(' ', kScheme.size()), authorization.size()));
  if (!IsToken(authorization)) return std::nullopt;
  return authorization;
}

TokenSet::TokenSet(const std::vector<std::string>& files, const Clock* clock, const Logger* logger)
    : clock_(clock),
      logger_(logger),
      files_(files),
      throttle_(clock, kLogIntervalNanos),
      next_look_nanos_(clock->MonotonicNanos()) {
  const MutexLock lock(&mutex_);
  for (const std::string& file : files) {
    TokenFile token;
    token.text = std::make_unique<ConfiguredText>(TextOrFile{"", file}, clock, logger);
    tokens_.push_back(std::move(token));
  }
}

bool TokenSet::Load(std::string* error) {
  const MutexLock lock(&mutex_);
  RefreshLocked();
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].problem.empty()) continue;
    *error = "cannot use the token file " + files_[i] + ": " + tokens_[i].problem;
    return false;
  }
  return true;
}

void TokenSet::RefreshLocked() {
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_look_nanos_) return;
  next_look_nanos_ = now + kLookNanos;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    TokenFile& token = tokens_[i];
    token.problem.clear();
    std::optional<std::string> text = token.text->Get(&token.problem);
    if (!text) continue;
    token.problem = DescribeBadToken(*text);
    if (token.problem.empty()) token.digest = digester_.Of(*text);
    Wipe(&*text);
    uint64_t suppressed = 0;
    if (!token.problem.empty() && token.digest && throttle_.Allow(&suppressed)) {
      logger_->Warn("cannot use what a token file holds now, its last token still counts",
                    {{"file", files_[i]}, {"error", token.problem}, {"suppressed", suppressed}});
    }
  }
}

std::vector<size_t> TokenSet::Find(std::string_view token) {
  const Digest digest = digester_.Of(token);
  std::vector<size_t> found;
  const MutexLock lock(&mutex_);
  RefreshLocked();
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].digest && DigestsEqual(*tokens_[i].digest, digest)) found.push_back(i);
  }
  return found;
}

}  // namespace spanmeter
