# SPDX-License-Identifier: Apache-2.0
# One interface target carries the warnings, the hardening and the sanitizers; every target of ours links it.
include(CheckCCompilerFlag)
add_library(loci_flags INTERFACE)

# Must-have: the code relies on them, so a compiler without one is refused.
set(LOCI_WARNINGS
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wimplicit-fallthrough
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Werror=int-conversion
	-Werror=return-type -Wno-missing-field-initializers)
foreach(flag ${LOCI_WARNINGS})
	string(MAKE_C_IDENTIFIER "LOCI_HAS${flag}" var)
	check_c_compiler_flag(${flag} ${var})
	if(NOT ${var})
		message(FATAL_ERROR "the compiler does not know ${flag}")
	endif()
endforeach()
# gcc's alone; texts of messages are cut on purpose.
check_c_compiler_flag(-Wformat-truncation LOCI_HAS_FORMAT_TRUNCATION)
if(LOCI_HAS_FORMAT_TRUNCATION)
	list(APPEND LOCI_WARNINGS -Wno-format-truncation)
endif()
# clang asks for literal formats also of the functions that pass a va_list on; gcc does not.
list(APPEND LOCI_WARNINGS $<$<C_COMPILER_ID:Clang>:-Wno-format-nonliteral>)
target_compile_options(loci_flags INTERFACE ${LOCI_WARNINGS} -fno-strict-aliasing)
target_compile_definitions(loci_flags INTERFACE _GNU_SOURCE)
target_include_directories(loci_flags INTERFACE
	${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include ${CMAKE_SOURCE_DIR})
if(LOCI_WERROR)
	target_compile_options(loci_flags INTERFACE -Werror)
endif()

if(LOCI_SANITIZE)
	target_compile_options(loci_flags INTERFACE
		-fsanitize=${LOCI_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
		# gcc's flow analysis is blind behind what a sanitizer puts in
		$<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
	target_link_options(loci_flags INTERFACE -fsanitize=${LOCI_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
	target_compile_options(loci_flags INTERFACE
		-fstack-protector-strong -fstack-clash-protection -fcf-protection)
	target_compile_definitions(loci_flags INTERFACE _FORTIFY_SOURCE=2)
	target_link_options(loci_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endif()
if(LOCI_COVERAGE)
	target_compile_options(loci_flags INTERFACE --coverage)
	target_link_options(loci_flags INTERFACE --coverage)
endif()
