/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error of every loci function: a code that a caller can act on, and a text for a person.
 */
#ifndef LOCI_ERROR_H
#define LOCI_ERROR_H

#include "loci/api.h"

LOCI_BEGIN_DECLS

/* number, name, text */
#define LOCI_CODE_MAP(XX)                                            \
	XX(-1, INTERNAL, "internal error")                           \
	XX(-2, NOMEM, "out of memory")                               \
	XX(-3, SYS, "system call failed")                            \
	XX(-4, INVALID, "malformed input")                           \
	XX(-5, NOT_FOUND, "not found")                               \
	XX(-6, EXISTS, "already exists")                             \
	XX(-7, DIGEST_MISMATCH, "content does not match its digest") \
	XX(-8, SIZE_MISMATCH, "content does not match its size")     \
	XX(-9, TOO_LARGE, "limit exceeded")                          \
	XX(-10, UNSUPPORTED, "not supported")                        \
	XX(-11, UNAUTHORIZED, "authentication required")             \
	XX(-12, DENIED, "access denied")                             \
	XX(-13, BUSY, "busy, try again")                             \
	XX(-14, RANGE, "range not satisfiable")                      \
	XX(-15, STATE, "wrong container state")                      \
	XX(-16, PROTOCOL, "peer broke the protocol")                 \
	XX(-17, CANCELED, "canceled")                                \
	XX(-18, CALLBACK, "stopped by a callback")                   \
	XX(-19, NO_SPACE, "no space left")                           \
	XX(-20, TIMEOUT, "timed out")                                \
	XX(-21, UNREACHABLE, "peer cannot be reached")               \
	XX(-22, USAGE, "wrong usage")                                \
	XX(-23, CONDITION, "precondition does not hold")             \
	XX(-24, READ_ONLY, "the store is read-only")

enum loci_code {
	LOCI_OK = 0,
#define LOCI_CODE_ENUM_(num, name, text) LOCI_E_##name = (num),
	LOCI_CODE_MAP(LOCI_CODE_ENUM_)
#undef LOCI_CODE_ENUM_
	        LOCI_CODE_LAST_ = -64
};

/** Bytes of loci_error.msg, its NUL included; a longer text is cut. */
#define LOCI_ERROR_MSG_MAX 504

/** Filled on failure only. Plain data: no heap, may be copied or written to a pipe as is. */
struct loci_error {
	int code;                     /* enum loci_code */
	int sys_errno;                /* errno of the failing call, or 0 */
	char msg[LOCI_ERROR_MSG_MAX]; /* operation and object, lower case, no full stop */
};

/** "DIGEST_MISMATCH"; "UNKNOWN" for a number that is no code. Never NULL. */
LOCI_API const char *loci_code_name(int code);
/** "content does not match its digest". Never NULL. */
LOCI_API const char *loci_code_text(int code);

LOCI_END_DECLS
#endif
