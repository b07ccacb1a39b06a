/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	const char *name;
	const char *text;
} codes[] = {
#define LOCI_CODE_ROW_(num, name, text) {num, #name, text},
        LOCI_CODE_MAP(LOCI_CODE_ROW_)
#undef LOCI_CODE_ROW_
};

const char *loci_code_name(int code)
{
	if (code >= 0)
		return "OK";
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].name;
	return "UNKNOWN";
}

const char *loci_code_text(int code)
{
	if (code >= 0)
		return "success";
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].text;
	return "unknown error";
}

static const struct {
	int sys_errno;
	int code;
} errno_codes[] = {
        {ENOENT, LOCI_E_NOT_FOUND},  {EEXIST, LOCI_E_EXISTS},   {EACCES, LOCI_E_DENIED},
        {EPERM, LOCI_E_DENIED},      {EROFS, LOCI_E_READ_ONLY}, {ENOMEM, LOCI_E_NOMEM},
        {ENOSPC, LOCI_E_NO_SPACE},   {EDQUOT, LOCI_E_NO_SPACE}, {EBUSY, LOCI_E_BUSY},
        {ETIMEDOUT, LOCI_E_TIMEOUT},
};

int loci__err_code_of_errno(int sys_errno)
{
	for (size_t i = 0; i < sizeof(errno_codes) / sizeof(errno_codes[0]); i++)
		if (errno_codes[i].sys_errno == sys_errno)
			return errno_codes[i].code;
	return LOCI_E_SYS;
}

static int fill(struct loci_error *err, int code, int sys_errno, const char *fmt, va_list args)
{
	if (!err)
		return code;
	err->code = code;
	err->sys_errno = sys_errno;
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	if (n < 0)
		err->msg[n = 0] = '\0';
	if (sys_errno && (size_t)n < sizeof(err->msg)) {
		char text[128];
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, "%s%s", n ? ": " : "",
		         strerror_r(sys_errno, text, sizeof(text)));
	}
	return code;
}

int loci__err_set(struct loci_error *err, int code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fill(err, code, 0, fmt, args);
	va_end(args);
	return code;
}

int loci__err_sys(struct loci_error *err, const char *fmt, ...)
{
	int saved = errno;
	va_list args;
	va_start(args, fmt);
	int code = fill(err, loci__err_code_of_errno(saved), saved, fmt, args);
	va_end(args);
	errno = saved;
	return code;
}

int loci__err_errno(struct loci_error *err, int sys_errno, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int code = fill(err, loci__err_code_of_errno(sys_errno), sys_errno, fmt, args);
	va_end(args);
	return code;
}

int loci__err_nomem(struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_NOMEM, "out of memory");
}

int loci__err_prefix(struct loci_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char old[LOCI_ERROR_MSG_MAX];
	memcpy(old, err->msg, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", old);
	return err->code;
}
