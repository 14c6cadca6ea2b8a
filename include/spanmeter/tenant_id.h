// Which names tenants can have.

#ifndef SPANMETER_TENANT_ID_H_
#define SPANMETER_TENANT_ID_H_

#include <string>
#include <string_view>

namespace spanmeter {

// The tenant of everything while tenancy is off.
inline constexpr std::string_view kSingleTenant = "single-tenant";

// Says why `id` is no tenant id and what would be one, or nothing when it is: 1 to 150 bytes of
// [A-Za-z0-9!._*'()-], other than "." and "..", as Grafana's databases have it
// (https://grafana.com/docs/tempo/latest/operations/manage-advanced-systems/multitenancy/).
std::string DescribeInvalidTenantId(std::string_view id);

}  // namespace spanmeter

#endif  // SPANMETER_TENANT_ID_H_
