# cmake -DINPUT=etc/spanmeter.toml -DOUTPUT=FILE -P packaged_config.cmake
#
# Writes the configuration that packages install: that of the tree, with the state in /var/lib/spanmeter. The file is the
# only place that says so; the unit passes no flag that would win over it.
file(READ "${INPUT}" text)

function(replace_once old new)
  string(FIND "${text}" "${old}" first)
  string(FIND "${text}" "${old}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "cannot make the packages' configuration: \"${old}\" has to stand once in ${INPUT}")
  endif()
  string(REPLACE "${old}" "${new}" text "${text}")
  set(text "${text}" PARENT_SCOPE)
endfunction()

replace_once(
  "# Every key is listed here with its default value, so an empty file means the same as this one.\n"
  "# Every key is listed here with its default value, except for storage.path: the package sets it to the directory that\n# the service may write to, and whose default is none.\n")
replace_once("\npath = \"\"\n" "\npath = \"/var/lib/spanmeter\"\n")
file(WRITE "${OUTPUT}" "${text}")
