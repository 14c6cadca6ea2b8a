# The library target `civetweb`, built from Debian's source package: the packaged library has no IPv6, and its TLS fails
# with OpenSSL 3. The source is fetched once and shared by all build directories.
set(civetweb_dir ${PROJECT_SOURCE_DIR}/build/deps/civetweb)
if(NOT EXISTS ${civetweb_dir}/src/civetweb.c)
  message(STATUS "Fetching the source of CivetWeb")
  execute_process(
    COMMAND ${PROJECT_SOURCE_DIR}/packaging/fetch-civetweb.sh ${civetweb_dir}
    RESULT_VARIABLE civetweb_result)
  if(NOT civetweb_result EQUAL 0)
    message(FATAL_ERROR "cannot fetch the source of CivetWeb (see above): put it into ${civetweb_dir} by hand, "
      "with `apt-get source civetweb`, where this machine has no access to a Debian mirror")
  endif()
endif()

add_library(civetweb STATIC ${civetweb_dir}/src/civetweb.c)
target_include_directories(civetweb SYSTEM PUBLIC ${civetweb_dir}/include)
target_compile_definitions(civetweb PRIVATE
  USE_IPV6
  # OpenSSL is linked, not loaded at run time.
  NO_SSL_DL OPENSSL_API_1_1
  # Every request is answered by spanmeter; nothing is ever read from disk.
  NO_FILES NO_CGI NO_CACHING
  # The flag that ends the threads is atomic.
  STOP_FLAG_NEEDS_LOCK
  # How often, in ms, waiting threads look whether the server stops.
  SOCKET_TIMEOUT_QUANTUM=200
  # Scrapes run on the server's threads and need more than CivetWeb itself does.
  USE_STACK_SIZE=1048576)
target_compile_options(civetweb PRIVATE -w)
if(SPANMETER_SANITIZE MATCHES thread)
  # Setting that flag begins with a plain read, which would be reported; the mutexes and joins by which CivetWeb hands
  # connections from thread to thread are seen all the same.
  target_compile_options(civetweb PRIVATE -fno-sanitize=thread)
endif()
target_link_libraries(civetweb PRIVATE spanmeter_hardening OpenSSL::SSL OpenSSL::Crypto Threads::Threads ${CMAKE_DL_LIBS})
