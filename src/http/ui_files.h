// The files of src/http/ui/, compiled into the program.

#ifndef SPANMETER_SRC_HTTP_UI_FILES_H_
#define SPANMETER_SRC_HTTP_UI_FILES_H_

#include <span>
#include <string_view>

namespace spanmeter {

struct UiFile {
  std::string_view path;  // as requested: "/style.css"; index.html is "/"
  std::string_view content_type;
  std::string_view content;
};

// All of them.
std::span<const UiFile> UiFiles();

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_UI_FILES_H_
