/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every public header needs: C++ guards, visibility, the slice.
 *
 * Conventions of the whole API: a function that can fail returns int, 0 or more on success and a
 * negative enum loci_code (error.h) otherwise; results named ret_* are written on success only; a
 * parameter named take_* changes hands on success only, unless its function says otherwise.
 * Options structs: set .struct_size = sizeof and leave the rest zero for defaults; strings in them
 * are borrowed for the call unless their comment says longer.
 */
#ifndef LOCI_API_H
#define LOCI_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define LOCI_BEGIN_DECLS extern "C" {
#define LOCI_END_DECLS   }
#else
#define LOCI_BEGIN_DECLS
#define LOCI_END_DECLS
#endif

#define LOCI_API               __attribute__((visibility("default")))
#define LOCI_CHECK             __attribute__((warn_unused_result))
#define LOCI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Bytes that belong to somebody else; not NUL-terminated. */
struct loci_slice {
	const char *p;
	size_t n;
};

#endif
