/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of a pull: name to manifests, blobs, then manifests into the store, then the image's
 * record. Whoever sees the record finds everything below it.
 */
#include "loci/pull.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "loci/image_config.h"
#include "loci/version.h"
#include "puller/manifests.h"
#include "puller/transfers.h"

#include <string.h>

#define NOTES_DIR       "pulls"
#define CONFIG_READ_MAX (4 * 1024 * 1024)

struct pull {
	const struct loci_ref *ref;
	struct loci_store *store;
	struct loci_pull_opts opts;
	struct loci_platform_buf host_platform;
	bool platform_was_asked;
	struct loci_http_opts http_opts;
	struct loci_http_share *share;
	struct loci_http *http;
	struct loci_remote remote;
	bool has_remote;
	int notes_fd;
	struct loci_resolution res;
};

static void set_default(unsigned *v, unsigned value)
{
	if (!*v)
		*v = value;
}

/* Fields that a caller of an older header does not have stay zero. */
static void take_opts(struct pull *p, const struct loci_pull_opts *o)
{
	if (o) {
		size_t n = o->struct_size && o->struct_size < sizeof(p->opts) ? o->struct_size
		                                                              : sizeof(p->opts);
		memcpy(&p->opts, o, n);
	}
	set_default(&p->opts.max_parallel, 4);
	set_default(&p->opts.retries, 5);
	set_default(&p->opts.connect_timeout_ms, 15000);
	set_default(&p->opts.stall_timeout_ms, 30000);
	set_default(&p->opts.retry_base_ms, 500);
	if (p->opts.max_parallel > LOCI_PULL_PARALLEL_MAX)
		p->opts.max_parallel = LOCI_PULL_PARALLEL_MAX;
	if (!p->opts.user_agent)
		p->opts.user_agent = "loci/" LOCI_VERSION;
	p->platform_was_asked = p->opts.platform != NULL;
	if (!p->platform_was_asked) {
		loci_platform_host(&p->host_platform);
		p->opts.platform = &p->host_platform.platform;
	}
}

static int check_ref(const struct loci_ref *ref, struct loci_error *err)
{
	if (!loci_repo_is_valid(ref->repo, strlen(ref->repo)))
		return loci__err_set(err, LOCI_E_INVALID, "'%.128s' is no repository name",
		                     ref->repo);
	if (!ref->digest.alg && !*ref->tag)
		return loci__err_set(err, LOCI_E_INVALID, "%.128s: neither a tag nor a digest",
		                     ref->repo);
	if (*ref->tag && !loci_tag_is_valid(ref->tag, strlen(ref->tag)))
		return loci__err_set(err, LOCI_E_INVALID, "'%.128s' is no tag", ref->tag);
	return 0;
}

static int tell(struct pull *p, int kind, const struct loci_document *d, struct loci_error *err)
{
	struct loci_descriptor desc = {0};
	struct loci_pull_event ev = {.kind = kind};
	if (d) {
		desc.media_type = d->media_type;
		desc.digest = d->digest;
		desc.size = d->n;
		ev.desc = &desc;
		ev.was_present = d->in_store;
	}
	if (p->opts.event && p->opts.event(p->opts.event_arg, &ev))
		return loci__err_set(err, LOCI_E_CANCELED, "pull canceled");
	return 0;
}

/* For the exchanges on the caller's own thread. */
static bool is_canceled(void *arg)
{
	return tell(arg, LOCI_PULL_WAITING, NULL, NULL) < 0;
}

static int open_all(struct pull *p, struct loci_error *err)
{
	int rc = loci_store_subdir(p->store, NOTES_DIR, &p->notes_fd, err);
	if (rc >= 0)
		rc = loci__http_share_new(&p->share, err);
	if (rc < 0)
		return rc;
	p->http_opts = (struct loci_http_opts){
	        .log = p->opts.log,
	        .connect_timeout_ms = p->opts.connect_timeout_ms,
	        .stall_timeout_ms = p->opts.stall_timeout_ms,
	        .user_agent = p->opts.user_agent,
	        .insecure_tls = p->opts.flags & LOCI_PULL_INSECURE_TLS,
	        .no_proxy = loci_host_is_loopback(p->ref->host),
	        .is_canceled = is_canceled,
	        .cancel_arg = p,
	};
	rc = loci__http_new(p->share, &p->http_opts, &p->http, err);
	if (rc >= 0)
		rc = loci__remote_init(&p->remote, p->ref, &p->opts, p->http, err);
	p->has_remote = rc >= 0;
	return rc;
}

static void close_all(struct pull *p)
{
	loci__resolution_done(&p->res);
	if (p->has_remote)
		loci__remote_done(&p->remote);
	loci__http_free(p->http);
	loci__http_share_free(p->share);
	loci__close_fd(&p->notes_fd);
}

static int resolve(struct pull *p, struct loci_error *err)
{
	int rc = loci__manifest_top(&p->remote, p->http, p->store, &p->res.path[0], err);
	if (rc < 0)
		return rc;
	p->res.n = 1;
	rc = tell(p, LOCI_PULL_RESOLVED, &p->res.path[0], err);
	if (rc >= 0)
		rc = loci__manifest_walk(&p->remote, p->http, p->store, p->opts.platform, &p->res,
		                         err);
	if (rc >= 0)
		rc = tell(p, LOCI_PULL_MANIFEST, &p->res.path[p->res.n - 1], err);
	return rc;
}

/* ---- blobs ---- */

static int fetch_blobs(struct pull *p, const struct loci_descriptor *const *descs, size_t n,
                       struct loci_error *err)
{
	struct loci_transfers t = {
	        .opts = &p->opts,
	        .http_opts = &p->http_opts,
	        .share = p->share,
	        .remote = &p->remote,
	        .store = p->store,
	        .notes_fd = p->notes_fd,
	};
	return loci__transfers_run(&t, descs, n, err);
}

static int compare_platform(struct pull *p, const struct loci_image_config *config,
                            struct loci_error *err)
{
	const struct loci_platform *have = &config->platform, *want = p->opts.platform;
	char have_text[LOCI_PLATFORM_STR_MAX], want_text[LOCI_PLATFORM_STR_MAX];
	if (!have->os || !have->arch || !want->os || !want->arch ||
	    (!strcmp(have->os, want->os) && !strcmp(have->arch, want->arch)))
		return 0;
	loci_platform_format(have, have_text);
	loci_platform_format(want, want_text);
	return loci__err_set(err, LOCI_E_UNSUPPORTED, "%s/%s has no %s, only %s", p->ref->host,
	                     p->ref->repo, want_text, have_text);
}

/* An image that stands under its name without an index says in its config what it is for. */
static int check_platform(struct pull *p, const struct loci_descriptor *desc,
                          struct loci_error *err)
{
	struct loci_image_config *config;
	if (loci_media_kind(desc->media_type) != LOCI_MEDIA_IMAGE_CONFIG ||
	    desc->size > CONFIG_READ_MAX)
		return 0;
	int rc = loci_image_config_load(p->store, desc, &config, err);
	if (rc < 0)
		return rc;
	rc = compare_platform(p, config, err);
	loci_image_config_free(config);
	return rc;
}

static int fetch_content(struct pull *p, struct loci_error *err)
{
	const struct loci_manifest *m = p->res.path[p->res.n - 1].parsed;
	loci__cleanup_free const struct loci_descriptor **descs =
	        calloc(m->n_layers + 1, sizeof(*descs));
	size_t n = 0;
	if (!descs)
		return loci__err_nomem(err);
	if (m->config)
		descs[n++] = m->config;
	/* A wrong platform is told before its layers are fetched. */
	if (m->config && p->platform_was_asked && p->res.n == 1) {
		int rc = fetch_blobs(p, descs, n, err);
		if (rc >= 0)
			rc = check_platform(p, m->config, err);
		if (rc < 0)
			return rc;
		n = 0;
	}
	for (size_t i = 0; i < m->n_layers; i++)
		descs[n++] = &m->layers[i];
	return fetch_blobs(p, descs, n, err);
}

static int record(struct pull *p, struct loci_image *ret, struct loci_error *err)
{
	struct loci_image image = {
	        .top = p->res.path[0].digest,
	        .manifest = p->res.path[p->res.n - 1].digest,
	        .pulled_at = loci__clock_epoch(),
	};
	loci_ref_format(p->ref, image.ref);
	int rc = loci__resolution_store(&p->res, p->store, err);
	if (rc >= 0)
		rc = loci_image_put(p->store, &image, err);
	if (rc >= 0)
		rc = loci__resolution_check(&p->res, p->store, err);
	if (rc >= 0 && ret)
		*ret = image;
	return rc;
}

int loci_pull(const struct loci_ref *ref, struct loci_store *st, const struct loci_pull_opts *o,
              struct loci_image *ret, struct loci_error *err)
{
	struct pull p = {.ref = ref, .store = st, .notes_fd = -1};
	take_opts(&p, o);
	int rc = check_ref(ref, err);
	if (rc >= 0)
		rc = open_all(&p, err);
	if (rc >= 0)
		rc = resolve(&p, err);
	if (rc >= 0)
		rc = fetch_content(&p, err);
	if (rc >= 0)
		rc = record(&p, ret, err);
	close_all(&p);
	return rc;
}
