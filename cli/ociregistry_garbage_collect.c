/* SPDX-License-Identifier: Apache-2.0 */
/* `garbage-collect FILE`, as scripts for registry:2 say it: ociregistry gc, with its flags. */
#include "cli/ociregistry.h"
#include "core/base/err.h"

#define S struct loci_ociregistry_settings

const struct loci_option loci__ociregistry_garbage_collect_options[] = {
        {LOCI_OPT_BOOL(S, gc.dry_run), .flag = "dry-run", .letter = 'd', .value = "false",
         .section = "Collection options", .help = "Change nothing, print what would be removed"},
        {LOCI_OPT_BOOL(S, gc.delete_untagged), .flag = "delete-untagged", .letter = 'm',
         .value = "false", .help = "Not here: say it by retention.rules"},
        {0},
};

/* There it removes every manifest without a tag at once, also one that is being pushed; here that
 * is a rule with a time in it, and nobody should lose manifests by a flag in an old script. */
int loci__ociregistry_garbage_collect(const struct loci_invocation *inv, struct loci_error *err)
{
	const S *s = inv->settings;
	if (s->gc.delete_untagged)
		return loci__err_set(
		        err, LOCI_E_USAGE,
		        "--delete-untagged is not known here: set retention.rules: [\"**: "
		        "keep-untagged=1d\"], then `ociregistry retention` removes them");
	return loci__ociregistry_gc(inv, err);
}
