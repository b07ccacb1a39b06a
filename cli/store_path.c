/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the store is when nobody says: one place for the whole machine as root, else the user's
 * data directory, so that all three programs meet in the same store.
 */
#include "cli/program.h"

#include "core/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int loci__default_store_path(char **ret, struct loci_error *err)
{
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int n;
	if (geteuid() == 0)
		n = asprintf(&path, "/var/lib/loci");
	else if (data && *data == '/') /* the XDG base directories must be absolute */
		n = asprintf(&path, "%s/loci", data);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.local/share/loci", home);
	else
		return loci__err_set(err, LOCI_E_USAGE,
		                     "neither XDG_DATA_HOME nor HOME is set; name a directory");
	if (n < 0)
		return loci__err_nomem(err);
	*ret = path;
	return 0;
}
