// Who may ask for what.

#ifndef SPANMETER_SRC_HTTP_ACCESS_H_
#define SPANMETER_SRC_HTTP_ACCESS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/token_set.h"

#include "http/passwords.h"

namespace spanmeter {

// What it takes to ask for something.
enum class AccessNeed : uint8_t {
  kNone,
  kScrape,  // a role, if there are any
  kAdmin,   // the role admin; without any roles, to be on this machine
};

// Why a request was refused.
enum class AccessRefusal : uint8_t {
  kNone,
  kMissing,    // neither a password nor a token
  kMalformed,  // something else than those, or several
  kWrong,
  kLimited,    // too many passwords were being tried
  kForbidden,  // known, but not in the role that it takes
  kPeer,       // not from this machine, which it would take
  kHost,       // from this machine, but to a name that may be anybody's
};

struct AccessRequest {
  AccessNeed need = AccessNeed::kNone;
  // The peer's address without its port.
  std::string peer;
  // The values of header fields, several joined by commas; empty when there are none.
  std::string host;
  std::string authorization;
};

struct AccessVerdict {
  AccessRefusal refusal = AccessRefusal::kNone;
  // The rest with a refusal only: how to answer. The text is one line and repeats nothing of the
  // request.
  int status = 200;
  std::string message;
  // Header lines, each ended by CR LF.
  std::string headers;
};

// Thread-safe.
class HttpAccess {
 public:
  // Returns null and says in *error which file of the options cannot be used and why. The pointers
  // must outlive this.
  static std::unique_ptr<HttpAccess> Create(const HttpOptions& options, const Clock* clock,
                                            const Logger* logger, std::string* error);

  AccessVerdict Check(const AccessRequest& request);

 private:
  HttpAccess(const HttpOptions& options, const Clock* clock, const Logger* logger);

  AccessVerdict CheckWithoutRoles(const AccessRequest& request) const;
  AccessVerdict Refuse(AccessRefusal refusal) const;

  const bool has_credentials_;
  const bool admin_from_anywhere_;
  const std::string listen_host_;
  const std::vector<HttpTokenOptions> token_options_;
  Passwords passwords_;
  TokenSet tokens_;
};

// Whether `address` is a loopback address: 127.0.0.0/8, ::1, or the former within IPv6.
bool IsLoopback(const std::string& address);

// Whether a Host field names the loopback by one of its names, `listen_host`, or any IP address:
// names that nobody else can have lead here.
bool IsSafeHost(std::string_view host, std::string_view listen_host);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_ACCESS_H_
