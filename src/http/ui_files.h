// The files of src/http/ui/, compiled into the program.

#ifndef SPANMETER_SRC_HTTP_UI_FILES_H_
#define SPANMETER_SRC_HTTP_UI_FILES_H_

#include <string_view>

namespace spanmeter {

extern const std::string_view kIndexHtml;
extern const std::string_view kStyleCss;

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_UI_FILES_H_
