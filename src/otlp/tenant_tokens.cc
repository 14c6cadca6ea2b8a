#include "otlp/tenant_tokens.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <prometheus/family.h>

namespace spanmeter {

namespace {

// By Refusal.
constexpr std::array<const char*, 4> kRefusalNames = {"missing", "malformed", "wrong", "tenant"};

std::vector<std::string> Files(const std::vector<OtlpTokenOptions>& tokens) {
  std::vector<std::string> files;
  files.reserve(tokens.size());
  for (const OtlpTokenOptions& token : tokens) files.push_back(token.file);
  return files;
}

}  // namespace

TenantTokens::TenantTokens(std::string section, const std::vector<OtlpTokenOptions>& tokens,
                           const Clock* clock, const Logger* logger, SelfMetrics* metrics)
    : section_(std::move(section)), options_(tokens), set_(Files(tokens), clock, logger) {
  auto& family = prometheus::BuildCounter()
                     .Name("spanmeter_otlp_auth_failures_total")
                     .Help(
                         "OTLP requests refused because of their token, by reason: missing, "
                         "malformed, wrong, or tenant (it is another tenant's).")
                     .Register(metrics->registry());
  for (size_t i = 0; i < kRefusalNames.size(); ++i) {
    refusals_[i] = &family.Add({{"reason", kRefusalNames[i]}});
  }
}

std::string TenantTokens::Check(const std::vector<std::string_view>& authorizations,
                                const std::vector<std::string_view>& tenants) {
  if (options_.empty()) return "";
  if (authorizations.empty()) {
    return Refuse(Refusal::kMissing, "the request has no token: send authorization: Bearer TOKEN");
  }
  const std::optional<std::string_view> token =
      authorizations.size() == 1 ? BearerToken(authorizations.front()) : std::nullopt;
  if (!token) {
    return Refuse(Refusal::kMalformed,
                  "authorization is not of the form Bearer TOKEN: send it once, and so");
  }
  const std::vector<size_t> found = set_.Find(*token);
  if (found.empty()) {
    return Refuse(Refusal::kWrong, "the token is not known: see " + section_ +
                                       ".tokens of the server's configuration");
  }
  const bool is_allowed = std::any_of(found.begin(), found.end(), [&](size_t i) {
    const std::string& tenant = options_[i].tenant;
    return tenant.empty() || (tenants.size() == 1 && tenants.front() == tenant);
  });
  if (is_allowed) return "";
  return Refuse(Refusal::kTenant,
                "the token is another tenant's than the one that X-Scope-OrgID names: see " +
                    section_ + ".tokens of the server's configuration");
}

std::string TenantTokens::Refuse(Refusal refusal, std::string message) {
  refusals_[static_cast<size_t>(refusal)]->Increment();
  return message;
}

}  // namespace spanmeter
