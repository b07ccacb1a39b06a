/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/dynlib.h"

#include "core/base/err.h"

#include <dlfcn.h>
#include <string.h>

static int why_not(const struct loci__dynlib *lib, struct loci_error *err)
{
	const char *why = dlerror();
	return loci__err_set(err, LOCI_E_UNSUPPORTED, "load %s (Debian package %s): %.300s",
	                     lib->soname, lib->package, why ? why : "no reason given");
}

/* Local: a program's own symbols never answer for the library's, nor the library's for others'.
 * Not deleted: what it registered (atexit, keys of threads) may run after us. */
static int load(struct loci__dynlib *lib, struct loci_error *err)
{
	void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle)
		return why_not(lib, err);
	for (size_t i = 0; i < lib->n; i++) {
		void *function = dlsym(handle, lib->names[i]);
		if (!function)
			return why_not(lib, err);
		memcpy((char *)lib->table + i * sizeof(function), &function, sizeof(function));
	}
	return 0;
}

int loci__dynlib_load(struct loci__dynlib *lib, struct loci_error *err)
{
	if (atomic_load_explicit(&lib->is_loaded, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&lib->lock);
	int rc = atomic_load(&lib->is_loaded) ? 0 : load(lib, err);
	if (rc == 0)
		atomic_store_explicit(&lib->is_loaded, true, memory_order_release);
	pthread_mutex_unlock(&lib->lock);
	return rc;
}
