// The keys of those who may ask or send something.

#include "spanmeter/password_hash.h"
#include "spanmeter/tenant_id.h"

#include "config/keys.h"
#include "config/secret_key.h"
#include "config/url.h"

namespace spanmeter {

namespace {

std::string CheckPasswordHash(const std::string& hash) {
  // What --print-config shows must read back; CheckAccessFiles() refuses to start with it.
  return hash == kHiddenSecret ? "" : DescribeBadPasswordHash(hash);
}

std::string CheckTokenName(const std::string& name) {
  if (name.empty()) return "is empty: write a name for logs";
  return CheckHeaderValue(name);
}

std::string CheckTokenFile(const std::string& file) {
  return file.empty() ? "is empty: write the path of the file that holds the token"
                      : CheckPath(file);
}

std::string CheckTenant(const std::string& tenant) {
  const std::string wrong = tenant.empty() ? "" : DescribeInvalidTenantId(tenant);
  return wrong.empty() ? "" : "is no tenant id: " + wrong;
}

template <typename T>
ConfigKey<T> RoleKey() {
  return KeyOf<T>::template Enum<HttpRole>(
             "role", FIELD(role), {{"scrape", HttpRole::kScrape}, {"admin", HttpRole::kAdmin}})
      .Required();
}

}  // namespace

ConfigKeys<HttpUserOptions> HttpUserKeys() {
  using Key = KeyOf<HttpUserOptions>;
  // People write "user:password" there.
  ConfigKeys<HttpUserOptions> keys = {
      Key::HiddenString("name", FIELD(name), CheckUserName, [](const std::string& name) {
        return name;
      }).Required()};
  AppendSecret("password_hash", FIELD(password_hash), CheckPasswordHash, &keys);
  keys.push_back(RoleKey<HttpUserOptions>());
  return keys;
}

ConfigKeys<HttpTokenOptions> HttpTokenKeys() {
  using Key = KeyOf<HttpTokenOptions>;
  return {Key::String("name", FIELD(name), CheckTokenName).Required(),
          Key::String("file", FIELD(file), CheckTokenFile).Required(), RoleKey<HttpTokenOptions>()};
}

ConfigKeys<OtlpTokenOptions> OtlpTokenKeys() {
  using Key = KeyOf<OtlpTokenOptions>;
  ConfigKeys<OtlpTokenOptions> keys = {Key::String("file", FIELD(file), CheckTokenFile).Required(),
                                       Key::String("tenant", FIELD(tenant), CheckTenant)};
  keys.back().is_absent = [](const OtlpTokenOptions& token) { return token.tenant.empty(); };
  return keys;
}

}  // namespace spanmeter
