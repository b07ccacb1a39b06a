/* SPDX-License-Identifier: Apache-2.0 */
/* A time as people and programs read it: RFC 3339, UTC, to the second. */
#ifndef LOCI_CLI_UTC_TEXT_H
#define LOCI_CLI_UTC_TEXT_H

#include <stdint.h>

#define LOCI_UTC_TEXT_MAX 24 /* "2026-11-27T03:40:01Z" */

/* seconds since the epoch; NULL for 0 (never) and for what is no time. */
const char *loci__utc_text(uint64_t seconds, char buf[LOCI_UTC_TEXT_MAX]);

#endif
