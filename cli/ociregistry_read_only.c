/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ociregistry read-only on|off|status`: the store's mark against writing, for all servers on it
 * and without touching a configuration. "on" returns when the last write has ended: from then on
 * the directory may be copied.
 */
#include "cli/ociregistry.h"
#include "cli/utc_text.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

const struct loci_option loci__ociregistry_read_only_options[] = {
        {LOCI_OPT_STRING(S, reason), .flag = "reason", .metavar = "TEXT",
         .help = "With on: say to others why nobody may write"},
        {0},
};

static int print_status(struct loci_store *store, struct loci_error *err)
{
	struct loci_store_freeze mark;
	char since[LOCI_UTC_TEXT_MAX];
	int r = loci_store_frozen(store, &mark, err);
	if (r == LOCI_E_NOT_FOUND)
		return loci__printf(err, "off\n");
	if (r < 0)
		return r;
	return loci__printf(err, "on since %s%s%s\n", loci__utc_text(mark.since, since),
	                    mark.reason[0] ? ": " : "", mark.reason);
}

static int turn_on(const struct loci_invocation *inv, struct loci_store *store,
                   struct loci_error *err)
{
	const S *s = inv->settings;
	return loci_store_freeze(store, s->reason, err);
}

static int turn_off(const struct loci_invocation *inv, struct loci_store *store,
                    struct loci_error *err)
{
	(void)inv;
	int r = loci_store_thaw(store, err);
	return r == LOCI_E_NOT_FOUND ? 0 : r; /* it is off, as asked */
}

static int tell_status(const struct loci_invocation *inv, struct loci_store *store,
                       struct loci_error *err)
{
	(void)inv;
	return print_status(store, err);
}

static const struct verb {
	const char *name;
	int (*run)(const struct loci_invocation *inv, struct loci_store *store,
	           struct loci_error *err);
} verbs[] = {{"on", turn_on}, {"off", turn_off}, {"status", tell_status}};

int loci__ociregistry_read_only(const struct loci_invocation *inv, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	const struct verb *verb = NULL;
	for (size_t i = 0; i < loci__array_len(verbs); i++)
		if (strcmp(verbs[i].name, inv->args[0]) == 0)
			verb = &verbs[i];
	if (!verb || (s->reason && verb->run != turn_on))
		return loci__err_set(err, LOCI_E_USAGE,
		                     "read-only: expected on, off or status, and --reason only "
		                     "with on, found '%.64s'",
		                     inv->args[0]);
	int r = loci__ociregistry_check_user(s, err);
	if (r == 0)
		r = loci__ociregistry_open_store(inv, &store, err);
	return r < 0 ? r : verb->run(inv, store, err);
}
