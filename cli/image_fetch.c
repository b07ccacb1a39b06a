/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_fetch.h"

#include "cli/credentials.h"
#include "cli/progress.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/spec/platform.h"
#include "loci/image_config.h"
#include "loci/pull.h"
#include "loci/unpack.h"

#include <string.h>

LOCI_DEFINE_CLEANUP(free_credentials, struct loci_credentials, loci__credentials_free)
LOCI_DEFINE_CLEANUP(free_progress, struct loci_progress, loci__progress_free)
LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(free_config, struct loci_image_config, loci_image_config_free)

struct fetch {
	struct loci_store *st;
	const struct loci_image_wish *wish;
	struct loci_progress *progress;
};

/* ---- what the store has -----------------------------------------------------------------------
 */

/* The store keeps one platform under a name: is it the one that is asked for? */
static bool suits(struct fetch *f, const struct loci_image *image)
{
	loci__cleanup(free_manifest) struct loci_manifest *m = NULL;
	loci__cleanup(free_config) struct loci_image_config *config = NULL;
	struct loci_platform_key have, want;
	if (!f->wish->platform)
		return true;
	return loci_image_load(f->st, image, &m, &config, NULL) >= 0 && config &&
	       loci__platform_key(&config->platform, &have) &&
	       loci__platform_key(f->wish->platform, &want) &&
	       loci__platform_key_equal(&have, &want);
}

/* ---- pull -------------------------------------------------------------------------------------
 */

static int on_event(void *arg, const struct loci_pull_event *ev)
{
	struct fetch *f = arg;
	loci__progress_pull(f->progress, ev);
	return 0;
}

static int pull(struct fetch *f, const struct loci_ref *ref, struct loci_image *ret,
                struct loci_error *err)
{
	loci__cleanup(free_credentials) struct loci_credentials *credentials = NULL;
	int rc = loci__credentials_open(&credentials, err);
	if (rc < 0)
		return rc;
	const struct loci_pull_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = loci__progress_log(f->progress),
	        .platform = f->wish->platform,
	        .cred = loci__credentials_get,
	        .cred_arg = credentials,
	        .event = on_event,
	        .event_arg = f,
	        .flags = f->wish->insecure ? LOCI_PULL_PLAIN_HTTP | LOCI_PULL_INSECURE_TLS : 0,
	};
	return loci_pull(ref, f->st, &opts, ret, err);
}

static int find_named(struct fetch *f, struct loci_image *ret, struct loci_error *err)
{
	struct loci_ref ref;
	char full[LOCI_REF_STR_MAX];
	int rc = loci_ref_parse(f->wish->ref, LOCI_REF_DOCKER_DEFAULTS, &ref, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "'%.128s'", f->wish->ref);
	loci_ref_format(&ref, full);
	loci__progress_begin(f->progress, full);
	if (f->wish->policy != LOCI_PULL_ALWAYS) {
		rc = loci_image_get(f->st, full, ret, err);
		if (rc >= 0 && suits(f, ret))
			return 0;
		if (rc < 0 && rc != LOCI_E_NOT_FOUND)
			return rc;
		if (f->wish->policy == LOCI_PULL_NEVER)
			return loci__err_set(err, LOCI_E_NOT_FOUND,
			                     "'%s' is not in the store%s, and --pull=never", full,
			                     rc < 0 ? "" : " for that platform");
	}
	return pull(f, &ref, ret, err);
}

static int find(struct fetch *f, struct loci_image *ret, struct loci_error *err)
{
	if (f->wish->ref)
		return find_named(f, ret, err);
	int rc = loci_image_get(f->st, /* ref= */ NULL, ret, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(
		        err, rc, "nothing was pulled into '%s' yet: name an image, or use ocipull",
		        loci_store_dir(f->st));
	return rc;
}

/* ---- unpack -----------------------------------------------------------------------------------
 */

static void on_unpack(void *arg, const struct loci_digest *diff_id, uint64_t done, uint64_t total)
{
	struct fetch *f = arg;
	loci__progress_unpack(f->progress, diff_id, done, total);
}

static bool is_unpacked(struct loci_store *st, const struct loci_image_config *config)
{
	for (size_t i = 0; i < config->n_diff_ids; i++) {
		loci__cleanup_close int fd = -1;
		unsigned flags;
		if (loci_layer_open(st, &config->diff_ids[i], &fd, &flags, NULL) < 0)
			return false;
	}
	return true;
}

static int unpack(struct fetch *f, const struct loci_image *image, struct loci_error *err)
{
	loci__cleanup(free_manifest) struct loci_manifest *m = NULL;
	loci__cleanup(free_config) struct loci_image_config *config = NULL;
	int rc = loci_image_load(f->st, image, &m, &config, err);
	if (rc < 0)
		return rc;
	if (!config)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "'%s' is an artifact, nothing that can run", image->ref);
	if (is_unpacked(f->st, config))
		return 0;
	const struct loci_unpack_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = loci__progress_log(f->progress),
	        .progress = on_unpack,
	        .progress_arg = f,
	};
	return loci_unpack_image(f->st, m, config, &opts, err);
}

int loci__image_fetch(struct loci_store *st, const struct loci_image_wish *wish,
                      struct loci_image *ret, struct loci_error *err)
{
	loci__cleanup(free_progress) struct loci_progress *progress = NULL;
	int rc = loci__progress_new(wish->quiet ? LOCI_PROGRESS_NONE : LOCI_PROGRESS_AUTO,
	                            STDERR_FILENO, wish->log, &progress, err);
	if (rc < 0)
		return rc;
	struct fetch f = {.st = st, .wish = wish, .progress = progress};
	rc = find(&f, ret, err);
	if (rc >= 0)
		rc = unpack(&f, ret, err);
	loci__progress_end(progress, rc >= 0);
	return rc;
}
