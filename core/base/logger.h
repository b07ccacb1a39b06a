/* SPDX-License-Identifier: Apache-2.0 */
/* Making log records; the struct is in loci/log.h. log may be NULL everywhere. */
#ifndef LOCI_BASE_LOGGER_H
#define LOCI_BASE_LOGGER_H

#include "loci/error.h"
#include "loci/log.h"

/* The level may change while others log. */
static inline int loci__log_level(const struct loci_log *log)
{
	return __atomic_load_n(&log->max_level, __ATOMIC_RELAXED);
}
static inline void loci__log_set_level(struct loci_log *log, int level)
{
	__atomic_store_n(&log->max_level, level, __ATOMIC_RELAXED);
}
static inline bool loci__log_wants(const struct loci_log *log, int level)
{
	return log && log->fn && level <= loci__log_level(log);
}
void loci__log(const struct loci_log *log, int level, const char *component, const char *fmt, ...)
        LOCI_PRINTF(4, 5);
void loci__log_fields(const struct loci_log *log, int level, const char *component, const char *msg,
                      const struct loci_log_field *fields, size_t n_fields);
/* msg + ": " + the error's text. */
void loci__log_error(const struct loci_log *log, int level, const char *component, const char *msg,
                     const struct loci_error *err);

#endif
