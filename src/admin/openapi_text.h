// The OpenAPI document of the API, src/admin/openapi.json, as a part of the program.

#ifndef SPANMETER_ADMIN_OPENAPI_TEXT_H_
#define SPANMETER_ADMIN_OPENAPI_TEXT_H_

#include <string_view>

namespace spanmeter {

std::string_view OpenApiText();

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_OPENAPI_TEXT_H_
