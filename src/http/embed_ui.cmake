# Writes a C++ source file with the contents of the page's files.
#
#   cmake -DOUTPUT=FILE -DFILES=FILE,FILE... -P embed_ui.cmake
string(REPLACE "," ";" files "${FILES}")
set(type_of_html "text/html; charset=utf-8")
set(type_of_css "text/css; charset=utf-8")
set(type_of_js "text/javascript; charset=utf-8")
set(type_of_txt "text/plain; charset=utf-8")

set(number 0)
set(arrays "")
set(entries "")
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  get_filename_component(extension ${file} LAST_EXT)
  string(SUBSTRING ${extension} 1 -1 extension)
  set(path "/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  # Lines of a length that editors and debuggers can stand.
  string(REGEX REPLACE "(('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',))" "\\1\n" bytes
    "${bytes}")
  string(APPEND arrays "constexpr char kFile${number}[] = {\n${bytes}};\n")
  string(APPEND entries "    {\"${path}\", \"${type_of_${extension}}\", {kFile${number}, sizeof kFile${number}}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "// Generated from src/http/ui/.
#include \"http/ui_files.h\"

#include <array>

namespace spanmeter {
namespace {

${arrays}
constexpr std::array<UiFile, ${number}> kFiles = {{
${entries}}};

}  // namespace

std::span<const UiFile> UiFiles() { return kFiles; }

}  // namespace spanmeter
")
