/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of EVENT as another process may have left them; what is read is written back the same. */
#include "core/store/event_row.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts longer than those we write are read, but come back cut. */
static bool is_ours(const struct loci_event *e)
{
	const char *const texts[] = {e->repo,          e->media_type,       e->from_repo,
	                             e->origin.peer,   e->origin.host,      e->origin.user_agent,
	                             e->origin.method, e->origin.request_id};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i]) > LOCI_EVENT_TEXT_MAX)
			return false;
	for (size_t i = 0; i < e->n_tags; i++)
		if (strlen(e->tags[i]) > LOCI_EVENT_TEXT_MAX)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char again[4 * LOCI_EVENT_ROW_MAX];
	const struct loci_slice row = {(const char *)data, size};
	struct loci_event *e = loci__event_decode(1, row);
	if (!e)
		return 0;
	if (e->type != loci__event_type_of(row) || e->n_tags > LOCI_EVENT_TAGS_MAX)
		abort();
	if (is_ours(e)) {
		size_t n = loci__event_encode(e, again);
		if (n != size || memcmp(again, data, n) != 0)
			abort();
	}
	loci_event_free(e);
	return 0;
}
