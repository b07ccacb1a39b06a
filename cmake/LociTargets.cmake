# SPDX-License-Identifier: Apache-2.0
include(CMakeParseArguments)
include(CMakePackageConfigHelpers)
configure_file(${CMAKE_SOURCE_DIR}/cmake/loci.map.in ${CMAKE_BINARY_DIR}/loci.map @ONLY)

# loci_library(NAME SOURCES … DEPENDS other loci libraries … LINK third parties … REQUIRES pkg-config names of LINK …)
# One set of objects makes loci-NAME (static, what programs and tests link) and loci-NAME-shared (libloci-NAME.so).
function(loci_library name)
	cmake_parse_arguments(A "" "" "SOURCES;DEPENDS;LINK;REQUIRES" ${ARGN})
	add_library(loci-${name}-objects OBJECT ${A_SOURCES})
	target_link_libraries(loci-${name}-objects PUBLIC loci_flags ${A_LINK} Threads::Threads)
	# The version script says what is seen (loci.map); the compiler need not assume that others replace it.
	set_target_properties(loci-${name}-objects PROPERTIES C_VISIBILITY_PRESET default)
	target_compile_options(loci-${name}-objects PRIVATE -fno-semantic-interposition)
	target_compile_definitions(loci-${name}-objects PRIVATE LOCI_BUILDING)
	add_library(loci-${name} STATIC $<TARGET_OBJECTS:loci-${name}-objects>)
	target_link_libraries(loci-${name} PUBLIC loci_flags ${A_LINK} Threads::Threads)
	add_library(loci-${name}-shared SHARED $<TARGET_OBJECTS:loci-${name}-objects>)
	set(needs "")
	foreach(dep ${A_DEPENDS})
		target_link_libraries(loci-${name}-objects PUBLIC $<GENEX_EVAL:$<TARGET_PROPERTY:loci-${dep}-objects,INTERFACE_LINK_LIBRARIES>>)
		target_link_libraries(loci-${name} PUBLIC loci-${dep})
		# What the dependency links is linked here, too, where it is used (jansson's types go through core).
		target_link_libraries(loci-${name}-shared PUBLIC loci-${dep}-shared
			PRIVATE $<GENEX_EVAL:$<TARGET_PROPERTY:loci-${dep}-objects,INTERFACE_LINK_LIBRARIES>>)
		list(APPEND needs "loci-${dep} = ${PROJECT_VERSION}")
	endforeach()
	target_link_libraries(loci-${name}-shared PRIVATE loci_flags ${A_LINK} Threads::Threads)
	target_link_options(loci-${name}-shared PRIVATE
		LINKER:--version-script=${CMAKE_BINARY_DIR}/loci.map LINKER:-Bsymbolic-functions LINKER:--as-needed)
	if(NOT LOCI_SANITIZE)
		target_link_options(loci-${name}-shared PRIVATE LINKER:-z,defs)
	endif()
	set_target_properties(loci-${name}-shared PROPERTIES OUTPUT_NAME loci-${name}
		LINK_DEPENDS ${CMAKE_BINARY_DIR}/loci.map
		VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
	install(TARGETS loci-${name} loci-${name}-shared
		LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
	list(JOIN needs ", " PC_REQUIRES)
	list(JOIN A_REQUIRES ", " PC_REQUIRES_PRIVATE)
	set(PC_NAME ${name})
	# Relative to the .pc file, so that the tree may be installed under any prefix and moved.
	file(RELATIVE_PATH PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
	string(REGEX REPLACE "/$" "" PC_PREFIX "${PC_PREFIX}")
	configure_file(${CMAKE_SOURCE_DIR}/cmake/loci.pc.in ${CMAKE_BINARY_DIR}/pkgconfig/loci-${name}.pc @ONLY)
	install(FILES ${CMAKE_BINARY_DIR}/pkgconfig/loci-${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
	set_property(GLOBAL APPEND PROPERTY LOCI_COMPONENTS ${name})
	set_property(GLOBAL APPEND_STRING PROPERTY LOCI_COMPONENT_ROWS
		"set(loci_${name}_DEPENDS \"${A_DEPENDS}\")\nset(loci_${name}_REQUIRES \"${A_REQUIRES}\")\n")
endfunction()

# loci_install_package(): find_package(loci COMPONENTS …) for embedders; after the last loci_library.
function(loci_install_package)
	get_property(LOCI_COMPONENTS GLOBAL PROPERTY LOCI_COMPONENTS)
	get_property(LOCI_COMPONENT_ROWS GLOBAL PROPERTY LOCI_COMPONENT_ROWS)
	set(where ${CMAKE_INSTALL_LIBDIR}/cmake/loci)
	configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/lociConfig.cmake.in
		${CMAKE_BINARY_DIR}/package/lociConfig.cmake INSTALL_DESTINATION ${where}
		PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
	write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/lociConfigVersion.cmake
		COMPATIBILITY SameMinorVersion)
	install(FILES ${CMAKE_BINARY_DIR}/package/lociConfig.cmake ${CMAKE_BINARY_DIR}/package/lociConfigVersion.cmake
		DESTINATION ${where})
endfunction()

# loci_program(NAME SOURCES … LINK …)
function(loci_program name)
	cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
	add_executable(${name} ${A_SOURCES})
	target_link_libraries(${name} PRIVATE ${A_LINK} loci_flags)
	install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# loci_unit_test(NAME SOURCES … LINK … [LABELS …] [TIMEOUT seconds]): a cmocka program that ctest runs.
function(loci_unit_test name)
	cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
	add_executable(test_${name} ${A_SOURCES})
	target_link_libraries(test_${name} PRIVATE ${A_LINK} PkgConfig::cmocka loci_flags)
	target_compile_definitions(test_${name} PRIVATE LOCI_TEST_DATA="${CMAKE_SOURCE_DIR}/test/data")
	set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	add_test(NAME unit.${name} COMMAND test_${name})
	if(NOT A_TIMEOUT)
		set(A_TIMEOUT 120)
	endif()
	set_tests_properties(unit.${name} PROPERTIES LABELS "unit;${A_LABELS}" TIMEOUT ${A_TIMEOUT})
endfunction()

# loci_fuzzer(NAME SOURCE file LINK …): under LOCI_FUZZ a libFuzzer program; always a replay of test/fuzz/corpus/NAME by ctest.
function(loci_fuzzer name)
	cmake_parse_arguments(A "" "SOURCE" "LINK" ${ARGN})
	add_executable(fuzz_${name} ${A_SOURCE})
	target_link_libraries(fuzz_${name} PRIVATE ${A_LINK} loci_flags)
	set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
	if(LOCI_FUZZ)
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
	else()
		target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/test/fuzz/replay.c)
		add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/test/fuzz/corpus/${name})
		set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
	endif()
endfunction()
