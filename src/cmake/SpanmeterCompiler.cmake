# Compiler settings that hold for every target of the project.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

find_program(SPANMETER_CCACHE ccache)
if(SPANMETER_CCACHE)
  # What ccache's manual asks for where headers are precompiled.
  set(CMAKE_C_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${SPANMETER_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

add_library(spanmeter_compile_options INTERFACE)
target_compile_options(spanmeter_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -fno-omit-frame-pointer
  # Source paths in messages and debug information do not depend on where the tree was cloned.
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(spanmeter_compile_options INTERFACE -Wthread-safety -Wreserved-identifier)
endif()
if(SPANMETER_SANITIZE OR NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Lines and functions, for stack traces and profiles. Variables as well would take a quarter more time to compile;
  # who wants to step through takes the debug preset.
  target_compile_options(spanmeter_compile_options INTERFACE -g1)
endif()
if(SPANMETER_WERROR)
  target_compile_options(spanmeter_compile_options INTERFACE -Werror)
endif()

# What is installed is built as Debian builds its own packages: a frame that is overwritten, or a libc call that would
# write past its buffer, ends the process, and tables of addresses cannot be written once it runs.
add_library(spanmeter_hardening INTERFACE)
if(NOT SPANMETER_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "^Rel")
  target_compile_options(spanmeter_hardening INTERFACE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  target_link_options(spanmeter_hardening INTERFACE LINKER:-z,relro LINKER:-z,now)
endif()

if(SPANMETER_SANITIZE)
  add_compile_options(-fsanitize=${SPANMETER_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SPANMETER_SANITIZE})
endif()
if(SPANMETER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
