# spanmeter_module(NAME SOURCES file... DEPENDS target...)
#
# Declares one module of src/ as the static library spanmeter_NAME. DEPENDS are the modules and libraries whose headers
# the module may use; tests/layering checks the includes against the order of the modules.
function(spanmeter_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(spanmeter_${name} STATIC ${arg_SOURCES})
  target_include_directories(spanmeter_${name}
    PUBLIC ${PROJECT_SOURCE_DIR}/include
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(spanmeter_${name}
    PUBLIC ${arg_DEPENDS}
    PRIVATE spanmeter_compile_options spanmeter_hardening)
endfunction()

# spanmeter_test(NAME SOURCES file... DEPENDS target...)
#
# Declares the GoogleTest program NAME and registers each of its tests with CTest. The target unit_tests builds all such
# programs; tsan_tests those of directories where threads meet, in code (libraries included) that ThreadSanitizer sees.
function(spanmeter_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT SPANMETER_TESTS)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main spanmeter_compile_options)
  # Tests take longer to compile than to run: what is optimised in full is the code that they test.
  target_compile_options(${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  if(TARGET test_headers)
    target_precompile_headers(${name} REUSE_FROM test_headers)
    target_compile_options(${name} PRIVATE ${test_headers_options})
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit)
  add_dependencies(unit_tests ${name})
  get_filename_component(directory ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(directory MATCHES "^(base|registry|processors|http|http_client|queue|remote_write|model)$")
    add_dependencies(tsan_tests ${name})
  endif()
endfunction()

# spanmeter_fuzz_target(NAME SOURCES file... DEPENDS target...)
#
# Declares the libFuzzer program NAME (which ends in _fuzz), where SPANMETER_FUZZ is on. The target fuzz_targets builds
# all of them.
function(spanmeter_fuzz_target name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT SPANMETER_FUZZ)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} spanmeter_compile_options)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz_targets ${name})
endfunction()

# spanmeter_python_test(NAME SCRIPT file [LABEL label] [TIMEOUT seconds] [ARGS argument...])
#
# Registers a Python program, run by the system's interpreter (the one that has Debian's modules), as one test of CTest.
# It finds the tree in SPANMETER_SOURCE_DIR, the programs in SPANMETER and SPANMETER_LOADGEN, and prometheus and promtool
# on its PATH.
function(spanmeter_python_test name)
  cmake_parse_arguments(arg "" "SCRIPT;LABEL;TIMEOUT" "ARGS" ${ARGN})
  if(NOT SPANMETER_TESTS)
    return()
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL e2e)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND ${SPANMETER_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${arg_SCRIPT} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES
    LABELS ${arg_LABEL}
    TIMEOUT ${arg_TIMEOUT}
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;SPANMETER_SOURCE_DIR=${PROJECT_SOURCE_DIR};SPANMETER=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/spanmeter;SPANMETER_LOADGEN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/spanmeter-loadgen"
    ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${PROJECT_SOURCE_DIR}/build/tools/bin")
endfunction()
