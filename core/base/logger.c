/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/logger.h"

#include <stdarg.h>
#include <stdio.h>

void loci__log_fields(const struct loci_log *log, int level, const char *component, const char *msg,
                      const struct loci_log_field *fields, size_t n_fields)
{
	if (!loci__log_wants(log, level))
		return;
	struct loci_log_record rec = {
	        .level = level,
	        .component = component,
	        .msg = msg,
	        .fields = fields,
	        .n_fields = n_fields,
	};
	log->fn(log->arg, &rec);
}

void loci__log(const struct loci_log *log, int level, const char *component, const char *fmt, ...)
{
	if (!loci__log_wants(log, level))
		return;
	char msg[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	loci__log_fields(log, level, component, msg, NULL, 0);
}

void loci__log_error(const struct loci_log *log, int level, const char *component, const char *msg,
                     const struct loci_error *err)
{
	loci__log(log, level, component, "%s: %s", msg, err->msg);
}
