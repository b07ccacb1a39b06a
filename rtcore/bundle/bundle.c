/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles below the store's run directory:
 * run/bundles/ID/{config.json,hostname,hosts,rootfs,upper,work}.
 *
 * Whoever makes a bundle holds a lock on its directory (flock: it goes with the process, however
 * that ends, and with exec), so that a later start can tell what was left behind from what is in
 * use. The run directory's own lock covers the moment between making a directory and locking it.
 */
#include "loci/bundle.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "rtcore/bundle/config.h"
#include "rtcore/bundle/merged.h"
#include "rtcore/bundle/user.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define SUBDIR         "bundles" /* below the store's run directory */
#define ID_MAX         128
#define HOSTNAME_BYTES 12 /* of the id, as docker */
#define HOSTNAME_MAX   63
#define ACCOUNTS_MAX   ((size_t)4 << 20) /* of /etc/passwd and /etc/group each */

struct bundle {
	struct loci_bundle b;
	int run_fd;
	int lock_fd; /* the bundle's directory */
	char id[ID_MAX + 1];
};

static struct bundle *bundle_of(struct loci_bundle *b)
{
	return (struct bundle *)((char *)b - offsetof(struct bundle, b));
}

void loci_bundle_free(struct loci_bundle *b, bool remove)
{
	if (!b)
		return;
	struct bundle *w = bundle_of(b);
	for (size_t i = 0; i < b->n_lower_fds; i++)
		loci__close_fd(&b->lower_fds[i]);
	free(b->lower_fds);
	loci__close_fd(&b->upper_fd);
	loci__close_fd(&b->work_fd);
	/* Still locked while it goes: nobody else may find it half removed and clean up too. */
	if (remove && w->lock_fd >= 0 && loci__rm_tree(w->run_fd, w->id, NULL) < 0)
		errno = 0; /* the next sweep tries again */
	loci__close_fd(&w->lock_fd);
	loci__close_fd(&w->run_fd);
	free(b->path);
	free(w);
}

static void discard(struct loci_bundle *b)
{
	loci_bundle_free(b, /* remove= */ true);
}
LOCI_DEFINE_CLEANUP(discard_ptr, struct loci_bundle, discard)

/* ---- the directory ----------------------------------------------------------------------------
 */

static bool is_id_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '_' || c == '+' || c == '-' || c == '.';
}

static int check_id(const char *id, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(id, strlen(id));
	struct loci_slice run;
	if (loci__take_run(&c, is_id_char, &run) && loci__cursor_at_end(&c) && run.n <= ID_MAX &&
	    loci__is_alnum((unsigned char)*id))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "container '%.140s': expected a letter or digit, then letters, "
	                     "digits, '_', '+', '-' and '.', at most %d",
	                     id, ID_MAX);
}

static int lock(int fd, const char *what, struct loci_error *err)
{
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return loci__err_sys(err, "lock '%s'", what);
	return 0;
}

/* Makes bundles/ID and locks it, both under the run directory's lock. */
static int make_dir(struct bundle *w, struct loci_error *err)
{
	int rc = lock(w->run_fd, SUBDIR, err);
	if (rc < 0)
		return rc;
	if (mkdirat(w->run_fd, w->id, 0700) < 0)
		rc = loci__err_sys(err, "make the bundle '%s'", w->id);
	if (rc >= 0) {
		w->lock_fd = openat(w->run_fd, w->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (w->lock_fd < 0)
			rc = loci__err_sys(err, "open the bundle '%s'", w->id);
		else
			rc = lock(w->lock_fd, w->id, err);
	}
	flock(w->run_fd, LOCK_UN);
	return rc;
}

static int make_path(struct loci_store *st, struct bundle *w, struct loci_error *err)
{
	loci__cleanup_free char *dir = realpath(loci_store_dir(st), NULL);
	if (!dir)
		return loci__err_sys(err, "resolve '%s'", loci_store_dir(st));
	if (asprintf(&w->b.path, "%s/run/" SUBDIR "/%s", dir, w->id) < 0) {
		w->b.path = NULL;
		return loci__err_nomem(err);
	}
	return 0;
}

/* The root's owner and mode come from the upper layer: they are made those of the layer below. */
static int make_upper(struct bundle *w, struct loci_error *err)
{
	struct stat st;
	if (mkdirat(w->lock_fd, "upper", 0755) < 0 || mkdirat(w->lock_fd, "work", 0700) < 0 ||
	    mkdirat(w->lock_fd, "rootfs", 0755) < 0)
		return loci__err_sys(err, "make the upper layer of '%s'", w->id);
	w->b.upper_fd = openat(w->lock_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->b.work_fd = openat(w->lock_fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->b.upper_fd < 0 || w->b.work_fd < 0)
		return loci__err_sys(err, "open the upper layer of '%s'", w->id);
	if (fstat(w->b.lower_fds[0], &st) < 0 || fchown(w->b.upper_fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(w->b.upper_fd, st.st_mode & 07777) < 0)
		return loci__err_sys(err, "give the upper layer of '%s' the root's owner", w->id);
	return 0;
}

static int new_bundle(struct loci_store *st, const char *id, struct loci_bundle **ret,
                      struct loci_error *err)
{
	int rc = check_id(id, err);
	if (rc < 0)
		return rc;
	struct bundle *w = calloc(1, sizeof(*w));
	if (!w)
		return loci__err_nomem(err);
	w->run_fd = w->lock_fd = w->b.upper_fd = w->b.work_fd = -1;
	memcpy(w->id, id, strlen(id));
	if ((rc = loci_store_subdir(st, SUBDIR, &w->run_fd, err)) < 0 ||
	    (rc = make_path(st, w, err)) < 0 || (rc = make_dir(w, err)) < 0) {
		loci_bundle_free(&w->b, /* remove= */ false);
		return rc;
	}
	*ret = &w->b;
	return 0;
}

/* ---- the image --------------------------------------------------------------------------------
 */

LOCI_DEFINE_CLEANUP(manifest_ptr, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(image_config_ptr, struct loci_image_config, loci_image_config_free)

static int load_config(struct loci_store *st, const struct loci_image *image,
                       struct loci_image_config **ret, struct loci_error *err)
{
	loci__cleanup(manifest_ptr) struct loci_manifest *m = NULL;
	int rc = loci_image_load(st, image, &m, ret, err);
	if (rc == 0 && !*ret)
		rc = loci__err_set(err, LOCI_E_INVALID,
		                   "'%s' is an artifact (%s), nothing that can run", image->ref,
		                   m->config ? m->config->media_type : m->media_type);
	return rc;
}

static bool comes_again(const struct loci_image_config *c, size_t i)
{
	for (size_t k = i + 1; k < c->n_diff_ids; k++)
		if (loci_digest_equal(&c->diff_ids[k], &c->diff_ids[i]))
			return true;
	return false;
}

/* Topmost first, down to a layer that hides all below it. overlayfs takes no directory twice: of a
 * layer that comes again only the topmost counts, and shows all that the lower one would. */
static int open_layers(struct loci_store *st, const struct loci_image_config *c,
                       struct loci_bundle *b, struct loci_error *err)
{
	unsigned flags = 0;
	if (c->n_diff_ids == 0)
		return loci__err_set(err, LOCI_E_INVALID, "the image has no layers");
	b->lower_fds = calloc(c->n_diff_ids, sizeof(*b->lower_fds));
	if (!b->lower_fds)
		return loci__err_nomem(err);
	for (size_t i = c->n_diff_ids; i-- > 0 && !(flags & LOCI_LAYER_CUT);) {
		if (comes_again(c, i))
			continue;
		int rc = loci_layer_open(st, &c->diff_ids[i], &b->lower_fds[b->n_lower_fds], &flags,
		                         err);
		if (rc < 0)
			return rc;
		b->n_lower_fds++;
	}
	return 0;
}

/* ---- files of the bundle ----------------------------------------------------------------------
 */

/* Text of an account file; a missing one is an empty one. */
static int read_accounts(const struct loci_bundle *b, const char *path, char **ret,
                         struct loci_slice *ret_text, struct loci_error *err)
{
	size_t n = 0;
	int rc = loci__merged_read(b->lower_fds, b->n_lower_fds, path, ACCOUNTS_MAX, ret, &n, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	*ret_text = loci__slice(rc < 0 ? "" : *ret, n);
	return 0;
}

static int resolve_user(const struct loci_bundle *b, const char *spec, struct loci__user *ret,
                        struct loci_error *err)
{
	loci__cleanup_free char *passwd = NULL, *group = NULL;
	struct loci_slice passwd_text, group_text;
	int rc = read_accounts(b, "/etc/passwd", &passwd, &passwd_text, err);
	if (rc < 0 || (rc = read_accounts(b, "/etc/group", &group, &group_text, err)) < 0)
		return rc;
	return loci__user_resolve(spec, passwd_text, group_text, ret, err);
}

static int write_file(const struct bundle *w, const char *name, const char *text, mode_t mode,
                      struct loci_error *err)
{
	loci__cleanup_close int fd =
	        openat(w->lock_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0 || loci__write_all(fd, text, strlen(text)) < 0)
		return loci__err_sys(err, "write '%s/%s'", w->b.path, name);
	return 0;
}

static int write_host_files(const struct bundle *w, const char *hostname, struct loci_error *err)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(1024);
	loci__buf_printf(&b, "%s\n", hostname);
	int rc = loci__buf_check(&b, "hostname", err);
	if (rc < 0 || (rc = write_file(w, "hostname", b.p, 0644, err)) < 0)
		return rc;
	loci__buf_reset(&b);
	loci__buf_printf(&b, "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n",
	                 hostname);
	rc = loci__buf_check(&b, "hosts", err);
	return rc < 0 ? rc : write_file(w, "hosts", b.p, 0644, err);
}

static int dump(const json_t *json, char **ret, struct loci_error *err)
{
	*ret = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	return *ret ? 0 : loci__err_nomem(err);
}

static bool is_host_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '-' || c == '.' || c == '_';
}

/* It goes into /etc/hosts: no blanks, no line ends. */
static int choose_hostname(const char *wish, const char *id, char buf[HOSTNAME_MAX + 1],
                           struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(wish ? wish : id, strlen(wish ? wish : id));
	struct loci_slice name;
	if (!wish) {
		size_t n = strnlen(id, HOSTNAME_BYTES);
		for (size_t i = 0; i < n; i++) /* an id may hold a '+' */
			buf[i] = is_host_char((unsigned char)id[i]) ? id[i] : '-';
		buf[n] = '\0';
		return 0;
	}
	if (loci__take_run(&c, is_host_char, &name) && loci__cursor_at_end(&c) &&
	    loci__slice_copy(name, buf, HOSTNAME_MAX + 1))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "host name '%.80s': expected up to %d letters, digits, '-', '.' and "
	                     "'_'",
	                     wish, HOSTNAME_MAX);
}

static int write_config(const struct bundle *w, const struct loci_image_config *image,
                        const struct loci_bundle_opts *o, struct loci_error *err)
{
	loci__cleanup_json json_t *config = NULL;
	loci__cleanup_free char *text = NULL;
	char hostname[HOSTNAME_MAX + 1];
	struct loci__user user;
	int rc = choose_hostname(o->hostname, w->id, hostname, err);
	if (rc < 0 || (rc = resolve_user(&w->b, o->user ? o->user : image->user, &user, err)) < 0)
		return rc;
	struct loci__bundle_facts facts = {
	        .id = w->id,
	        .path = w->b.path,
	        .hostname = hostname,
	        .image = image,
	        .user = &user,
	};
	if ((rc = loci__bundle_config(&facts, o, &config, err)) < 0 ||
	    (rc = dump(config, &text, err)) < 0 || (rc = write_host_files(w, hostname, err)) < 0)
		return rc;
	return write_file(w, "config.json", text, 0600, err);
}

int loci_bundle_make(struct loci_store *st, const struct loci_image *image, const char *id,
                     const struct loci_bundle_opts *o, struct loci_bundle **ret,
                     struct loci_error *err)
{
	static const struct loci_bundle_opts defaults = {.struct_size = sizeof(defaults)};
	loci__cleanup(image_config_ptr) struct loci_image_config *config = NULL;
	loci__cleanup(discard_ptr) struct loci_bundle *b = NULL;
	int rc = load_config(st, image, &config, err);
	if (rc < 0 || (rc = new_bundle(st, id, &b, err)) < 0 ||
	    (rc = open_layers(st, config, b, err)) < 0 ||
	    (rc = make_upper(bundle_of(b), err)) < 0 ||
	    (rc = write_config(bundle_of(b), config, o ? o : &defaults, err)) < 0)
		return rc;
	*ret = loci__steal_ptr(&b);
	return 0;
}

/* ---- what others left -------------------------------------------------------------------------
 */

/* Removes bundles/name when nobody holds it. The caller holds the run directory's lock. */
static int sweep_one(int run_fd, const char *name, const char *store_dir, loci_bundle_gone_fn fn,
                     void *arg, struct loci_error *err)
{
	loci__cleanup_close int fd =
	        openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[PATH_MAX];
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0; /* no bundle, or in use */
	if (snprintf(path, sizeof(path), "%s/run/" SUBDIR "/%s", store_dir, name) >= PATH_MAX)
		return 0;
	if (fn && fn(arg, name, path) != 0)
		return 0;
	return loci__rm_tree(run_fd, name, err);
}

int loci_bundle_sweep(struct loci_store *st, loci_bundle_gone_fn fn, void *arg,
                      struct loci_error *err)
{
	loci__cleanup_close int run_fd = -1;
	loci__cleanup_free char *store_dir = realpath(loci_store_dir(st), NULL);
	if (!store_dir)
		return loci__err_sys(err, "resolve '%s'", loci_store_dir(st));
	int rc = loci_store_subdir(st, SUBDIR, &run_fd, err);
	if (rc < 0 || (rc = lock(run_fd, SUBDIR, err)) < 0)
		return rc;
	/* A second fd: closedir closes it, and with it nothing of the lock. */
	int list_fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!dir) {
		rc = loci__err_sys(err, "list '%s'", SUBDIR);
		loci__close_fd(&list_fd);
		return rc;
	}
	struct dirent *e;
	while (rc >= 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = sweep_one(run_fd, e->d_name, store_dir, fn, arg, err);
	return rc < 0 ? rc : 0;
}

int loci_bundle_default_config(char **ret, struct loci_error *err)
{
	static const char *const shell[] = {"sh"};
	static const struct loci__user root;
	loci__cleanup_json json_t *config = NULL;
	struct loci_bundle_opts o = {.struct_size = sizeof(o),
	                             .args = shell,
	                             .n_args = 1,
	                             .terminal = true,
	                             .read_only = true};
	struct loci__bundle_facts facts = {.id = "default", .hostname = "ocirun", .user = &root};
	int rc = loci__bundle_config(&facts, &o, &config, err);
	return rc < 0 ? rc : dump(config, ret, err);
}
