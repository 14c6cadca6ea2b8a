# Read by cpack once for each kind of package: what only one of them has.
if(CPACK_GENERATOR STREQUAL DEB)
  list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "${CPACK_SPANMETER_BINARY_DIR}" spanmeter debian /)
endif()
