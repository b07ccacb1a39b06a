# SPDX-License-Identifier: Apache-2.0
# For ENVIRONMENT of tests that run libh2o: what it keeps at a thread's end is known and bounded.
set(LOCI_SANITIZER_ENVIRONMENT
	"LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan.supp:print_suppressions=0"
	"TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/tsan.supp:print_suppressions=0")
