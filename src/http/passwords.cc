#include "http/passwords.h"

#include <algorithm>
#include <utility>

#include "spanmeter/password_hash.h"

#include "http/place.h"

namespace spanmeter {

namespace {

constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;
// Being tried or waiting for it. A scraper's and a browser's first requests wait for each other,
// so that only one of them is tried.
constexpr int kMaxTrying = 4;
// More than people and scrapers that share a spanmeter.
constexpr size_t kMaxRemembered = 64;

}  // namespace

Passwords::Passwords(const std::vector<HttpUserOptions>& users, Matches matches, const Clock* clock,
                     const Logger* logger)
    : matches_(std::move(matches)), logger_(logger), throttle_(clock, kLogIntervalNanos) {
  for (const HttpUserOptions& options : users) {
    User& user = users_[options.name];
    user.text = std::make_unique<ConfiguredText>(options.password_hash, clock, logger);
    user.role = options.role;
  }
}

bool Passwords::Load(std::string* error) {
  const MutexLock lock(&mutex_);
  for (auto& [name, user] : users_) {
    const std::string problem = RefreshLocked(&user);
    if (problem.empty()) continue;
    *error = "cannot use the password hash of the user " + name + ": " + problem;
    return false;
  }
  return true;
}

std::string Passwords::RefreshLocked(User* user) {
  std::string problem;
  const std::optional<std::string> text = user->text->Get(&problem);
  if (!text) return problem;
  if (*text == user->hash) return "";
  problem = DescribeBadPasswordHash(*text);
  if (problem.empty()) {
    user->hash = *text;
    return "";
  }
  problem =
      (user->text->file().empty() ? "it " : "what " + user->text->file() + " holds ") + problem;
  uint64_t suppressed = 0;
  if (!user->hash.empty() && throttle_.Allow(&suppressed)) {
    logger_->Warn("cannot use what a password's file holds now, its last hash still counts",
                  {{"error", problem}, {"suppressed", suppressed}});
  }
  return problem;
}

int Passwords::HighestCostLocked() {
  int highest = kMinPasswordCost;
  for (const auto& [name, user] : users_) highest = std::max(highest, PasswordCost(user.hash));
  return highest;
}

Passwords::Verdict Passwords::Check(const std::string& name, const std::string& password) {
  std::string hash;
  int highest_cost = 0;
  HttpRole role = HttpRole::kScrape;
  bool is_known = false;
  {
    const MutexLock lock(&mutex_);
    highest_cost = HighestCostLocked();
    const auto found = users_.find(name);
    is_known = found != users_.end();
    if (is_known) {
      RefreshLocked(&found->second);
      hash = found->second.hash;
      role = found->second.role;
    } else {
      hash = NobodysPasswordHash(highest_cost);
    }
  }
  // No part has a null character that could stand for the end of another.
  const bool is_possible =
      is_known && name.find('\0') == std::string::npos && password.find('\0') == std::string::npos;
  std::string secret = name;
  secret.append(1, '\0').append(hash).append(1, '\0').append(password);
  const Digest digest = digester_.Of(secret);
  Wipe(&secret);
  if (is_possible && IsRemembered(digest)) return {Outcome::kRight, role};

  const Place place(&trying_, kMaxTrying);
  if (!place.ok()) return {Outcome::kLimited, role};
  const MutexLock lock(&try_mutex_);
  // Somebody else may have tried the same meanwhile.
  if (is_possible && IsRemembered(digest)) return {Outcome::kRight, role};
  if (matches_(password, hash) && is_possible) {
    Remember(digest);
    return {Outcome::kRight, role};
  }
  // As long as the slowest hash would have taken: 2^c + 2^c + 2^(c+1) + ... is 2^highest.
  for (int cost = PasswordCost(hash); cost < highest_cost; ++cost) {
    matches_(password, NobodysPasswordHash(cost));
  }
  return {Outcome::kWrong, role};
}

bool Passwords::IsRemembered(const Digest& digest) {
  const MutexLock lock(&mutex_);
  return std::any_of(remembered_.begin(), remembered_.end(),
                     [&digest](const Digest& other) { return DigestsEqual(digest, other); });
}

void Passwords::Remember(const Digest& digest) {
  const MutexLock lock(&mutex_);
  remembered_.push_back(digest);
  if (remembered_.size() > kMaxRemembered) remembered_.pop_front();
}

}  // namespace spanmeter
