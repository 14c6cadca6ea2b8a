# Writes a C++ source file with the contents of the page's files.
#
#   cmake -DOUTPUT=FILE -DINPUT_DIR=DIR -P embed_ui.cmake
function(embed variable file)
  file(READ ${INPUT_DIR}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  # Lines of a length that editors and debuggers can stand.
  string(REGEX REPLACE "(('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',))" "\\1\n" bytes
    "${bytes}")
  set(content "${content}constexpr char ${variable}Bytes[] = {\n${bytes}};\n" PARENT_SCOPE)
endfunction()

set(content "")
embed(kIndexHtml index.html)
embed(kStyleCss style.css)
file(WRITE ${OUTPUT} "// Generated from src/http/ui/.
#include \"http/ui_files.h\"

namespace spanmeter {
namespace {
${content}
}  // namespace

const std::string_view kIndexHtml(kIndexHtmlBytes, sizeof kIndexHtmlBytes);
const std::string_view kStyleCss(kStyleCssBytes, sizeof kStyleCssBytes);

}  // namespace spanmeter
")
