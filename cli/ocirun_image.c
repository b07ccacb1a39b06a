/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images to containers. The store comes first and is closed before the container is made: its
 * writer and the puller's workers are threads, and clone wants a process without any.
 */
#include "cli/foreground.h"
#include "cli/image_fetch.h"
#include "cli/ocirun.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "core/base/rand.h"
#include "loci/bundle.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define COMPONENT       "ocirun"
#define ENV_MAX         4096
#define ENV_FILE_MAX    ((size_t)1 << 20)
#define THREADS_WAIT_MS 5000
#define THREADS_STEP_NS 1000000

LOCI_DEFINE_CLEANUP(close_runtime, struct loci_runtime, loci_runtime_close)
LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

static void remove_bundle(struct loci_bundle *b)
{
	loci_bundle_free(b, /* remove= */ true);
}
LOCI_DEFINE_CLEANUP(remove_bundle_ptr, struct loci_bundle, remove_bundle)

/* ---- variables --------------------------------------------------------------------------------
 */

struct variables {
	char **v;
	size_t n;
};

static void variables_done(struct variables *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i]);
	free(e->v);
}

/* "NAME=VALUE", or "NAME" for the caller's own; one that the caller does not have is left out. */
static int add_variable(struct variables *e, const char *text, size_t n, struct loci_error *err)
{
	loci__cleanup_free char *copy = strndup(text, n);
	if (!copy)
		return loci__err_nomem(err);
	if (!memchr(text, '=', n)) {
		const char *value = getenv(copy);
		char *whole = NULL;
		if (!value)
			return 0;
		if (asprintf(&whole, "%s=%s", copy, value) < 0)
			return loci__err_nomem(err);
		free(copy);
		copy = whole;
	}
	if (e->n == ENV_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %d variables", ENV_MAX);
	if (!e->v && !(e->v = calloc(ENV_MAX, sizeof(*e->v))))
		return loci__err_nomem(err);
	e->v[e->n++] = loci__steal_ptr(&copy);
	return 0;
}

static int add_file(struct variables *e, const char *path, struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	int rc = loci__read_file(AT_FDCWD, path, ENV_FILE_MAX, &text, NULL, err);
	for (char *line = text; rc >= 0 && *line;) {
		size_t n = strcspn(line, "\n");
		size_t kept = n && line[n - 1] == '\r' ? n - 1 : n;
		if (kept && *line != '#')
			rc = add_variable(e, line, kept, err);
		line += n + (line[n] == '\n');
	}
	return rc;
}

/* Files first: what stands on the command line wins. */
static int collect_variables(const struct loci_ocirun_settings *s, struct variables *e,
                             struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < s->env_files.n; i++)
		rc = add_file(e, s->env_files.v[i], err);
	for (size_t i = 0; rc >= 0 && i < s->env.n; i++)
		rc = add_variable(e, s->env.v[i], strlen(s->env.v[i]), err);
	return rc;
}

/* ---- from the store to a bundle ---------------------------------------------------------------
 */

/* The container of a bundle that somebody left behind. */
static int delete_left(void *arg, const char *id, const char *path)
{
	struct loci_error err;
	int rc = loci_runtime_delete(arg, id, LOCI_DELETE_FORCE, &err);
	(void)path;
	return rc < 0 && rc != LOCI_E_NOT_FOUND;
}

static int make_bundle(const struct loci_invocation *inv, struct loci_store *st, const char *id,
                       const struct variables *env, struct loci_bundle **ret,
                       struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	struct loci_platform_buf platform;
	struct loci_image image;
	const char *entrypoint[] = {s->entrypoint};
	int rc = s->platform ? loci_platform_parse(s->platform, &platform, err) : 0;
	if (rc < 0)
		return rc;
	const struct loci_image_wish wish = {
	        .ref = inv->n_args ? inv->args[0] : NULL,
	        .platform = s->platform ? &platform.platform : NULL,
	        .policy = s->pull,
	        .quiet = inv->quiet,
	        .insecure = s->insecure,
	        .log = inv->log,
	};
	if ((rc = loci__image_fetch(st, &wish, &image, err)) < 0)
		return rc;
	const struct loci_bundle_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = inv->log,
	        .args = inv->n_args ? (const char *const *)inv->args + 1 : NULL,
	        .n_args = inv->n_args ? inv->n_args - 1 : 0,
	        .entrypoint = entrypoint,
	        .n_entrypoint = s->entrypoint && *s->entrypoint ? 1 : 0,
	        .entrypoint_set = s->entrypoint,
	        .env = (const char *const *)env->v,
	        .n_env = env->n,
	        .user = s->user,
	        .workdir = s->workdir,
	        .hostname = s->hostname,
	        .terminal = s->tty,
	        .read_only = s->read_only,
	        .memory = s->memory,
	        .cpus = s->cpus,
	        .pids = (int64_t)s->pids,
	};
	return loci_bundle_make(st, &image, id, &opts, ret, err);
}

static int prepare(const struct loci_invocation *inv, struct loci_runtime *rt, const char *id,
                   struct loci_bundle **ret, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_store) struct loci_store *st = NULL;
	loci__cleanup(variables_done) struct variables env = {0};
	struct loci_error left;
	const struct loci_store_opts opts = {.struct_size = sizeof(opts), .log = inv->log};
	int rc = collect_variables(s, &env, err);
	if (rc < 0 || (rc = loci_store_open(s->store, &opts, &st, err)) < 0)
		return rc;
	/* Not being able to tidy up is no reason not to run. */
	if (loci_bundle_sweep(st, delete_left, rt, &left) < 0)
		loci__log_error(inv->log, LOCI_LOG_WARN, COMPONENT, "remove what others left",
		                &left);
	return make_bundle(inv, st, id, &env, ret, err);
}

/* ---- running ----------------------------------------------------------------------------------
 */

static size_t count_threads(void)
{
	loci__cleanup_dir DIR *dir = opendir("/proc/self/task");
	size_t n = 0;
	struct dirent *e;
	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	return n;
}

/* A thread that was joined may still be seen for a moment, and a resolver's ends by itself. */
static int wait_for_threads(struct loci_error *err)
{
	uint64_t deadline = loci__clock_ms() + THREADS_WAIT_MS;
	const struct timespec step = {.tv_nsec = THREADS_STEP_NS};
	while (count_threads() > 1) {
		if (loci__clock_ms() > deadline)
			return loci__err_set(err, LOCI_E_INTERNAL,
			                     "threads of the pull have not ended");
		nanosleep(&step, NULL);
	}
	return 0;
}

/* Without -i the container reads nothing. */
static int close_input(struct loci_error *err)
{
	loci__cleanup_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return loci__err_sys(err, "open '/dev/null'");
	return 0;
}

static int check_settings(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	if (!s->rm && loci__options_source(inv->options, &s->rm) != LOCI_SOURCE_DEFAULT)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "--no-rm: containers of images are always removed");
	if (s->tty && s->interactive && !isatty(STDIN_FILENO))
		return loci__err_set(err, LOCI_E_USAGE, "-it: standard input is no terminal");
	return 0;
}

static int choose_id(const struct loci_ocirun_settings *s, char buf[256], struct loci_error *err)
{
	char name[LOCI_RAND_NAME_MAX];
	if (s->name)
		return snprintf(buf, 256, "%s", s->name) < 256
		               ? 0
		               : loci__err_set(err, LOCI_E_USAGE, "--name: too long");
	int rc = loci__rand_name(name, err);
	if (rc >= 0)
		memcpy(buf, name, sizeof(name));
	return rc;
}

static int run_bundle(const struct loci_invocation *inv, struct loci_runtime *rt, const char *id,
                      const struct loci_bundle *b, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	struct loci_foreground fg = {
	        .id = id,
	        .create = {.struct_size = sizeof(fg.create),
	                   .bundle = b->path,
	                   .overlay_lower_fds = b->lower_fds,
	                   .n_overlay_lower_fds = b->n_lower_fds,
	                   .overlay_upper_fd = b->upper_fd,
	                   .overlay_work_fd = b->work_fd},
	        .terminal = s->tty,
	        .interactive = s->interactive,
	};
	bool exec_failed;
	int status;
	int rc = wait_for_threads(err);
	if (rc < 0 || (!s->interactive && !s->tty && (rc = close_input(err)) < 0))
		return rc;
	rc = loci__foreground_run(rt, &fg, &status, &exec_failed, err);
	if (rc >= 0)
		return status;
	if (!exec_failed)
		return rc;
	loci__invocation_print_error(inv, err);
	return err->sys_errno == ENOENT || err->sys_errno == ENOTDIR ? LOCI_EXIT_NOT_FOUND
	                                                             : LOCI_EXIT_NOT_EXECUTABLE;
}

int loci__ocirun_image(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	loci__cleanup(remove_bundle_ptr) struct loci_bundle *b = NULL;
	char id[256];
	int rc = check_settings(inv, err);
	if (rc < 0 || (rc = loci__ocirun_protect(err)) < 0 || (rc = choose_id(s, id, err)) < 0 ||
	    (rc = loci__ocirun_open_runtime(inv, &rt, err)) < 0 ||
	    (rc = prepare(inv, rt, id, &b, err)) < 0)
		return rc;
	return run_bundle(inv, rt, id, b, err);
}
