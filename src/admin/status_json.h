// Remote write, passing on and the configuration as the API shows them.

#ifndef SPANMETER_ADMIN_STATUS_JSON_H_
#define SPANMETER_ADMIN_STATUS_JSON_H_

#include <string>

#include "spanmeter/admin_api.h"
#include "spanmeter/forward.h"
#include "spanmeter/remote_write.h"

#include "admin/json.h"

namespace spanmeter {

// The receivers in a few words each.
Json ReceiverSummaries(const RemoteWriteStatus& status);
Json RemoteWriteJson(const RemoteWriteStatus& status);
Json ForwardJson(const ForwardStatus& status);
Json ConfigJson(const AdminConfig& config);
Json TenantOptionsJson(const AdminConfig& config, const std::string& tenant);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_STATUS_JSON_H_
