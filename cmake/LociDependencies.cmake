# SPDX-License-Identifier: Apache-2.0
# Third parties, each found once. Which folder may include which is held by test/lint/layers.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(libcrypto REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(libssl REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(libisal IMPORTED_TARGET libisal)
# Archives of images for import and export; and the reference that unpack's own tar parser is held to.
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
# h2o: the event-loop flavour only; without this definition h2o.h silently lays its structs out for libuv.
# (Its .pc file calls 2.2.5 "0.13.5": the version is checked where h2o.h is included.)
pkg_check_modules(h2o REQUIRED IMPORTED_TARGET libh2o-evloop)
target_compile_definitions(PkgConfig::h2o INTERFACE H2O_USE_LIBUV=0)
if(LOCI_TESTS)
	pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()

# loci_dynlib(NAME VERSION HEADER): pkg-config's NAME is loaded by the programs when they use it (core/base/dynlib.h), so
# only its headers are built against: loci-NAME-headers. The soname in HEADER must be that of the library they belong to.
function(loci_dynlib name version header)
	pkg_check_modules(${name} REQUIRED ${name}>=${version})
	add_library(loci-${name}-headers INTERFACE)
	target_include_directories(loci-${name}-headers SYSTEM INTERFACE ${${name}_INCLUDE_DIRS})
	target_compile_options(loci-${name}-headers INTERFACE ${${name}_CFLAGS_OTHER})
	file(STRINGS ${CMAKE_SOURCE_DIR}/${header} wanted REGEX "^#define LOCI_[A-Z]+_SONAME ")
	string(REGEX REPLACE "^[^\"]*\"([^\"]+)\".*" "\\1" wanted "${wanted}")
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${header})
	list(GET ${name}_LINK_LIBRARIES 0 library)
	execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${library} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
	if(NOT dynamic MATCHES "SONAME +([^ \n]+)" OR NOT CMAKE_MATCH_1 STREQUAL wanted)
		message(FATAL_ERROR "${library} is ${CMAKE_MATCH_1}; ${header} would load ${wanted}")
	endif()
endfunction()
loci_dynlib(libcurl 7.85 puller/curl_api.h)
