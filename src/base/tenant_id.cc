#include "spanmeter/tenant_id.h"

#include <algorithm>

namespace spanmeter {

namespace {

constexpr size_t kMaxTenantIdBytes = 150;

bool IsTenantIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!._*'()-").find(c) != std::string_view::npos;
}

}  // namespace

std::string DescribeInvalidTenantId(std::string_view id) {
  if (id.empty()) return "it is empty";
  if (id.size() > kMaxTenantIdBytes) {
    return "it has " + std::to_string(id.size()) + " bytes, at most " +
           std::to_string(kMaxTenantIdBytes) + " are allowed";
  }
  if (id == "." || id == "..") return "a dot or two are no name";
  if (!std::all_of(id.begin(), id.end(), IsTenantIdCharacter)) {
    return "it must consist of letters, digits and !._*'()-";
  }
  return "";
}

}  // namespace spanmeter
