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
    PRIVATE spanmeter_compile_options)
endfunction()

# spanmeter_test(NAME SOURCES file... DEPENDS target...)
#
# Declares the GoogleTest program NAME and registers each of its tests with CTest.
function(spanmeter_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main spanmeter_compile_options)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit)
endfunction()
