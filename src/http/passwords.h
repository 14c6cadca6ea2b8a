// Who may log in by name and password.

#ifndef SPANMETER_SRC_HTTP_PASSWORDS_H_
#define SPANMETER_SRC_HTTP_PASSWORDS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/configured_text.h"
#include "spanmeter/digest.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"

namespace spanmeter {

// Thread-safe. bcrypt is slow by design, so
// - a name and password that were right are remembered, as a digest that is good for this process
//   only, until the user's hash changes;
// - one password is tried at a time, a few wait, and others are turned away at once: whoever sends
//   wrong ones takes one processor at most;
// - unknown users and wrong passwords of known ones take the same time.
class Passwords {
 public:
  // Whether a password, without a null character, belongs to a hash: PasswordMatches().
  using Matches = std::function<bool(const std::string& password, const std::string& hash)>;

  enum class Outcome : uint8_t {
    kRight,
    kWrong,
    kLimited,  // too many are being tried: ask again
  };
  struct Verdict {
    Outcome outcome = Outcome::kWrong;
    HttpRole role = HttpRole::kScrape;  // with kRight
  };

  // The pointers must outlive this.
  Passwords(const std::vector<HttpUserOptions>& users, Matches matches, const Clock* clock,
            const Logger* logger);

  // Reads the files with hashes; false, with what is wrong with the first such file in *error,
  // unless each holds a hash. To be called once, before Check().
  bool Load(std::string* error);

  Verdict Check(const std::string& name, const std::string& password);

  bool empty() const { return users_.empty(); }

 private:
  struct User {
    std::unique_ptr<ConfiguredText> text;
    HttpRole role = HttpRole::kScrape;
    std::string hash;  // the last that was one
  };

  // Looks at the user's hash again. Returns what is wrong with it now, or an empty text.
  std::string RefreshLocked(User* user) REQUIRES_LOCK(mutex_);
  int HighestCostLocked() REQUIRES_LOCK(mutex_);
  bool IsRemembered(const Digest& digest);
  void Remember(const Digest& digest);

  const Matches matches_;
  const Logger* const logger_;
  const SecretDigester digester_;
  LogThrottle throttle_;
  std::atomic<int> trying_{0};
  // Held while a password is tried; it guards no field, but the processors.
  Mutex try_mutex_;
  Mutex mutex_;
  std::map<std::string, User> users_;  // their hashes change with mutex_ held
  std::deque<Digest> remembered_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_PASSWORDS_H_
