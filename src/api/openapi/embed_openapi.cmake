# Writes OUTPUT, a C++ source that holds the OpenAPI document as a string literal, made from document.json:
#   cmake -DOUTPUT=<file> -DSOURCE=<this folder> -DSAMPLES=<folder> -DVERSION=<x.y.z> -P embed_openapi.cmake
#   "@include file.json": ""    the members of that file's object
#   "@request call.ended"       the built-in sample of that type, as it is published
#   "@sample call.ended"        the same as receivers get it
#   @version                    of the project
function(members_of file out)
  file(READ "${SOURCE}/${file}" text)
  string(STRIP "${text}" text)
  string(LENGTH "${text}" length)
  math(EXPR length "${length} - 2")
  string(SUBSTRING "${text}" 1 ${length} text) # without its braces
  string(STRIP "${text}" text)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# {"account_id":…,"event_type":…,"payload":{members},"timestamp":…} becomes {"event_type":…,members,"timestamp":…}
function(body_of request out)
  string(REGEX REPLACE "^{[ \n]*\"account_id\": \"[^\"]*\",[ \n]*" "{ " text "${request}")
  string(REGEX REPLACE "\"payload\": {[ \n]*" "" text "${text}")
  string(REGEX REPLACE "[ \n]*},([ \n]*\"timestamp\": \"[^\"]*\"[ \n]*})$" ",\\1" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(READ "${SOURCE}/document.json" document)
while(document MATCHES "\"@include ([a-z_/]+\\.json)\": \"\"")
  set(file "${CMAKE_MATCH_1}")
  members_of("${file}" members)
  string(REPLACE "\"@include ${file}\": \"\"" "${members}" document "${document}")
endwhile()
file(GLOB samples "${SAMPLES}/*.json")
foreach(file IN LISTS samples)
  get_filename_component(name "${file}" NAME_WLE)
  file(READ "${file}" request)
  string(STRIP "${request}" request)
  body_of("${request}" body)
  string(REPLACE "\"@request ${name}\"" "${request}" document "${document}")
  string(REPLACE "\"@sample ${name}\"" "${body}" document "${document}")
endforeach()
string(REPLACE "@version" "${VERSION}" document "${document}")
if(document MATCHES "\"@[a-z]+ [^\"]*\"")
  message(FATAL_ERROR "the OpenAPI document has ${CMAKE_MATCH_0}, which stands for nothing")
endif()

# A literal is split into pieces at line ends: compilers need not take more than 65536 characters in one.
set(text "// Made from src/api/openapi/*.json by embed_openapi.cmake.\n#include \"api/openapi_document.hpp\"\n\n")
string(APPEND text "namespace klen::webhooks::api {\n\nstd::string_view openapi_source() {\n    return\n")
string(LENGTH "${document}" length)
while(length GREATER 8000)
  string(SUBSTRING "${document}" 0 8000 piece)
  string(FIND "${piece}" "\n" end REVERSE)
  string(SUBSTRING "${document}" 0 ${end} piece)
  string(SUBSTRING "${document}" ${end} -1 document)
  string(APPEND text "R\"klen_json(${piece})klen_json\"\n")
  string(LENGTH "${document}" length)
endwhile()
string(APPEND text "R\"klen_json(${document})klen_json\";\n}\n\n} // namespace klen::webhooks::api\n")
file(WRITE "${OUTPUT}" "${text}")
