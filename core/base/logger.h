/* SPDX-License-Identifier: Apache-2.0 */
/* Making log records; the struct is in loci/log.h. log may be NULL everywhere. */
#ifndef LOCI_BASE_LOGGER_H
#define LOCI_BASE_LOGGER_H

#include "loci/error.h"
#include "loci/log.h"

static inline bool loci__log_wants(const struct loci_log *log, int level)
{
	return log && log->fn && level <= log->max_level;
}
void loci__log(const struct loci_log *log, int level, const char *component, const char *fmt, ...)
        LOCI_PRINTF(4, 5);
void loci__log_fields(const struct loci_log *log, int level, const char *component, const char *msg,
                      const struct loci_log_field *fields, size_t n_fields);
/* msg + ": " + the error's text. */
void loci__log_error(const struct loci_log *log, int level, const char *component, const char *msg,
                     const struct loci_error *err);

#endif
