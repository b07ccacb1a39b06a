/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/utc_text.h"

#include <time.h>

const char *loci__utc_text(uint64_t seconds, char buf[LOCI_UTC_TEXT_MAX])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!seconds || !gmtime_r(&t, &tm) ||
	    strftime(buf, LOCI_UTC_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return buf;
}
