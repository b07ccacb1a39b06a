/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that do one thing to each of their arguments. */
#include "cli/ociregistry.h"

int loci__ociregistry_each_argument(const struct loci_invocation *inv, struct loci_store *store,
                                    loci__ociregistry_argument_fn fn, struct loci_error *err)
{
	int last = 0;
	for (size_t i = 1; i < inv->n_args && last != LOCI_E_CANCELED; i++) {
		struct loci_error e = {0};
		int rc = fn(inv, store, inv->args[i], &e);
		if (rc == 0)
			continue;
		if (last)
			loci__invocation_print_error(inv, err);
		last = rc;
		*err = e;
	}
	return last;
}
