# SPDX-License-Identifier: Apache-2.0
# Name tables made from the kernel's own headers at configure time, so that no number is written by hand:
# syscalls (per ABI) and capabilities.
find_path(LOCI_ASM_INCLUDE asm/unistd.h PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} /usr/include REQUIRED)
find_path(LOCI_LINUX_INCLUDE linux/capability.h PATHS /usr/include REQUIRED)

# Since 424 every architecture gives a new call the same number; these are newer than some headers we build with.
set(LOCI_NEW_SYSCALLS cachestat=451 fchmodat2=452 map_shadow_stack=453 futex_wake=454 futex_wait=455 futex_requeue=456
	statmount=457 listmount=458 lsm_get_self_attr=459 lsm_set_self_attr=460 lsm_list_modules=461 mseal=462
	setxattrat=463 getxattrat=464 listxattrat=465 removexattrat=466 open_tree_attr=467 file_getattr=468 file_setattr=469
	listns=470)

# Rows {"name", number} out of `#define __NR_name number`, sorted by name as bsearch with strcmp wants them.
function(loci__syscall_rows header bias result)
	set(rows "")
	set(seen "")
	if(EXISTS ${header})
		file(STRINGS ${header} lines REGEX "^#define[ \t]+__NR_[a-z0-9_]+[ \t]")
		foreach(line ${lines})
			if(line MATCHES "__NR_([a-z0-9_]+)[ \t]+\\(?(__X32_SYSCALL_BIT \\+ )?([0-9]+)\\)?")
				list(APPEND rows "${CMAKE_MATCH_1}=${CMAKE_MATCH_3}")
				list(APPEND seen ${CMAKE_MATCH_1})
			endif()
		endforeach()
		foreach(row ${LOCI_NEW_SYSCALLS})
			string(REGEX REPLACE "=.*" "" name ${row})
			if(header MATCHES "x32" AND name STREQUAL map_shadow_stack)
				continue() # has none
			endif()
			if(NOT name IN_LIST seen)
				list(APPEND rows ${row})
			endif()
		endforeach()
	endif()
	# '=' sorts between digits and letters: make it sort before everything a name may hold.
	list(TRANSFORM rows REPLACE "=" "!")
	list(SORT rows COMPARE STRING)
	set(text "")
	foreach(row ${rows})
		string(REGEX MATCH "^([^!]+)!(.*)$" unused ${row})
		string(APPEND text "\t{\"${CMAKE_MATCH_1}\", ${CMAKE_MATCH_2}${bias}},\n")
	endforeach()
	set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(loci_kernel_tables out)
	set(text "/* Made by LociKernelTables.cmake from the kernel's headers. */\n")
	foreach(abi 64 32 x32)
		set(bias "")
		if(abi STREQUAL x32)
			set(bias " | 0x40000000")
		endif()
		loci__syscall_rows(${LOCI_ASM_INCLUDE}/asm/unistd_${abi}.h "${bias}" rows)
		string(APPEND text "static const struct loci__name_number syscalls_${abi}[] = {\n${rows}};\n")
	endforeach()
	file(CONFIGURE OUTPUT ${out}/syscall_table.inc CONTENT "${text}" @ONLY)
	file(STRINGS ${LOCI_LINUX_INCLUDE}/linux/capability.h lines REGEX "^#define[ \t]+CAP_[A-Z_]+[ \t]+[0-9]+")
	set(text "/* Made by LociKernelTables.cmake from the kernel's headers. */\n")
	foreach(line ${lines})
		string(REGEX MATCH "(CAP_[A-Z_]+)[ \t]+([0-9]+)" unused "${line}")
		string(APPEND text "{\"${CMAKE_MATCH_1}\", ${CMAKE_MATCH_2}},\n")
	endforeach()
	file(CONFIGURE OUTPUT ${out}/cap_table.inc CONTENT "${text}" @ONLY)
endfunction()
