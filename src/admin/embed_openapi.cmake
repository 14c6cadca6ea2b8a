# Writes a C++ source file with the text of a file.
#
#   cmake -DOUTPUT=FILE -DFILE=FILE -P embed_openapi.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
# Lines of a length that editors and debuggers can stand.
string(REGEX REPLACE "(('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',))" "\\1\n" bytes
  "${bytes}")
file(WRITE ${OUTPUT} "// Generated from src/admin/openapi.json.
#include \"admin/openapi_text.h\"

namespace spanmeter {
namespace {

constexpr char kText[] = {\n${bytes}};

}  // namespace

std::string_view OpenApiText() { return {kText, sizeof kText}; }

}  // namespace spanmeter
")
