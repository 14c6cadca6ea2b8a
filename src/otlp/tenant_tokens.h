// Which requests may send spans, where tokens say so.

#ifndef SPANMETER_SRC_OTLP_TENANT_TOKENS_H_
#define SPANMETER_SRC_OTLP_TENANT_TOKENS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/token_set.h"

namespace spanmeter {

// Thread-safe.
class TenantTokens {
 public:
  // `section` is that of the tokens in the configuration, "otlp.grpc". The pointers must outlive
  // this.
  TenantTokens(std::string section, const std::vector<OtlpTokenOptions>& tokens, const Clock* clock,
               const Logger* logger, SelfMetrics* metrics);

  // Reads all files; false, with what is wrong with the first such file in *error, unless each
  // holds a token. To be called once, before Check().
  bool Load(std::string* error) { return set_.Load(error); }

  // Why a request with these values under `authorization` must not send spans of `tenants`, of
  // which there is one as a rule; an empty text when it may. Refusals are counted. Without any
  // tokens everybody may.
  std::string Check(const std::vector<std::string_view>& authorizations,
                    const std::vector<std::string_view>& tenants);

 private:
  enum class Refusal : uint8_t {
    kMissing,    // no token
    kMalformed,  // something else than one token
    kWrong,      // nobody's
    kTenant,     // that of another tenant
  };

  std::string Refuse(Refusal refusal, std::string message);

  const std::string section_;
  const std::vector<OtlpTokenOptions> options_;
  TokenSet set_;
  // By Refusal; they belong to the registry.
  std::array<prometheus::Counter*, 4> refusals_ = {};
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_TENANT_TOKENS_H_
