/* SPDX-License-Identifier: Apache-2.0 */
/* runc's verbs: bundles to containers. No store is opened here. */
#include "cli/foreground.h"
#include "cli/ocirun.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/spec/runtime_config.h"
#include "loci/bundle.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define LIST_MAX  ((size_t)16 << 20) /* bytes of `list` */
#define STATE_MAX ((size_t)1 << 20)

LOCI_DEFINE_CLEANUP(close_runtime, struct loci_runtime, loci_runtime_close)

int loci__ocirun_open_runtime(const struct loci_invocation *inv, struct loci_runtime **ret,
                              struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	if (s->debug)
		inv->sink->log.max_level = LOCI_LOG_DEBUG;
	int rc = s->log_path ? loci__log_sink_open(inv->sink, s->log_path, err) : 0;
	if (rc < 0)
		return rc;
	const struct loci_runtime_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = inv->log,
	        .root = s->root,
	};
	rc = loci_runtime_open(&opts, ret, err);
	return rc == LOCI_E_DENIED && geteuid()
	               ? loci__err_prefix(err, rc, "containers need root (try sudo)")
	               : rc;
}

static struct loci_create_opts create_opts(const struct loci_ocirun_settings *s)
{
	return (struct loci_create_opts){
	        .struct_size = sizeof(struct loci_create_opts),
	        .bundle = s->bundle,
	        .console_socket = s->console_socket,
	        .pid_file = s->pid_file,
	        .preserve_fds = s->preserve_fds,
	        .flags = s->no_pivot ? LOCI_CREATE_NO_PIVOT : 0,
	        .overlay_upper_fd = -1,
	        .overlay_work_fd = -1,
	};
}

static int print_plan(struct loci_runtime *rt, const char *id, const struct loci_create_opts *o,
                      struct loci_error *err)
{
	loci__cleanup_free char *plan = NULL;
	int rc = loci_runtime_plan(rt, id, o, &plan, err);
	return rc < 0 ? rc : loci__print(plan, strlen(plan), err);
}

int loci__ocirun_create(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	struct loci_create_opts o = create_opts(s);
	pid_t pid;
	int rc = s->dry_run ? 0 : loci__ocirun_protect(err);
	if (rc < 0 || (rc = loci__ocirun_open_runtime(inv, &rt, err)) < 0)
		return rc;
	if (s->dry_run)
		return print_plan(rt, inv->args[0], &o, err);
	return loci_runtime_create(rt, inv->args[0], &o, &pid, err);
}

int loci__ocirun_start(const struct loci_invocation *inv, struct loci_error *err)
{
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	int rc = loci__ocirun_open_runtime(inv, &rt, err);
	return rc < 0 ? rc : loci_runtime_start(rt, inv->args[0], err);
}

/* Whether process.terminal is set; what is wrong with the file the runtime will say. */
static bool wants_terminal(const char *bundle)
{
	loci__cleanup_close int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_free char *text = NULL;
	struct loci__runtime_config config;
	size_t n;
	if (dir < 0 ||
	    loci__read_file(dir, "config.json", LOCI_RUNTIME_CONFIG_MAX_BYTES, &text, &n, NULL) <
	            0 ||
	    loci__runtime_config_parse(text, n, &config, NULL) < 0)
		return false;
	bool terminal = config.terminal;
	loci__runtime_config_done(&config);
	return terminal;
}

static int run_detached(struct loci_runtime *rt, const char *id, const struct loci_create_opts *o,
                        struct loci_error *err)
{
	pid_t pid;
	int rc = loci_runtime_create(rt, id, o, &pid, err);
	if (rc < 0 || (rc = loci_runtime_start(rt, id, err)) >= 0)
		return rc;
	(void)!loci_runtime_delete(rt, id, LOCI_DELETE_FORCE, NULL);
	return rc;
}

int loci__ocirun_run(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	bool exec_failed;
	int status, rc = s->dry_run ? 0 : loci__ocirun_protect(err);
	struct loci_foreground fg = {.id = inv->args[0], .create = create_opts(s)};
	if (rc < 0 || (rc = loci__ocirun_open_runtime(inv, &rt, err)) < 0)
		return rc;
	if (s->dry_run)
		return print_plan(rt, fg.id, &fg.create, err);
	if (s->detach)
		return run_detached(rt, fg.id, &fg.create, err);
	fg.terminal = wants_terminal(s->bundle) && !s->console_socket;
	fg.interactive = fg.terminal;
	rc = loci__foreground_run(rt, &fg, &status, &exec_failed, err);
	return rc < 0 ? rc : status;
}

int loci__ocirun_state(const struct loci_invocation *inv, struct loci_error *err)
{
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	loci__cleanup_free char *json = NULL;
	int rc = loci__ocirun_open_runtime(inv, &rt, err);
	if (rc < 0 || (rc = loci_runtime_state(rt, inv->args[0], NULL, &json, err)) < 0)
		return rc;
	return loci__printf(err, "%.*s\n", (int)strcspn(json, "\n"), json);
}

/* "TERM", "SIGTERM", "15", "RTMIN+3" */
static int parse_signal(const char *text, int *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	uint64_t n;
	if (loci__parse_u64(text, strlen(text), &n) && n > 0 && n <= (uint64_t)SIGRTMAX) {
		*ret = (int)n;
		return 0;
	}
	(void)loci__take_text_nocase(&c, "SIG");
	struct loci_slice name = loci__slice(c.p, loci__cursor_left(&c));
	if (loci__take_text_nocase(&c, "RTMIN+") && loci__take_u64(&c, &n) &&
	    loci__cursor_at_end(&c) && n <= (uint64_t)(SIGRTMAX - SIGRTMIN)) {
		*ret = SIGRTMIN + (int)n;
		return 0;
	}
	for (int signo = 1; signo < SIGRTMIN; signo++) {
		const char *known = sigabbrev_np(signo);
		if (known && loci__slice_is_nocase(name, known)) {
			*ret = signo;
			return 0;
		}
	}
	return loci__err_set(err, LOCI_E_USAGE,
	                     "signal '%.40s': expected a name such as TERM or a number", text);
}

int loci__ocirun_kill(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	int signo = SIGTERM;
	int rc = inv->n_args > 1 ? parse_signal(inv->args[1], &signo, err) : 0;
	if (rc < 0 || (rc = loci__ocirun_open_runtime(inv, &rt, err)) < 0)
		return rc;
	return loci_runtime_kill(rt, inv->args[0], signo, s->all ? LOCI_KILL_ALL : 0, err);
}

int loci__ocirun_delete(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	int rc = loci__ocirun_open_runtime(inv, &rt, err);
	if (rc < 0)
		return rc;
	rc = loci_runtime_delete(rt, inv->args[0], s->force ? LOCI_DELETE_FORCE : 0, err);
	/* runc's: with --force there is nothing wrong with nothing. */
	return rc == LOCI_E_NOT_FOUND && s->force ? 0 : rc;
}

struct listing {
	struct loci_runtime *rt;
	struct loci_buf text;
	int format;
	size_t n;
};

/* A container that went away meanwhile is left out. */
static int list_one(void *arg, const char *id)
{
	struct listing *l = arg;
	static const struct loci_json_limits limits = {STATE_MAX, 32};
	loci__cleanup_free char *json = NULL;
	loci__cleanup_json json_t *state = NULL;
	int status;
	if (loci_runtime_state(l->rt, id, &status, &json, NULL) < 0 ||
	    loci__json_parse(json, strlen(json), &limits, "state", &state, NULL) < 0)
		return 0;
	const char *bundle = json_string_value(json_object_get(state, "bundle"));
	if (l->format == LOCI_OCIRUN_LIST_JSON)
		loci__buf_printf(&l->text, "%s%.*s", l->n++ ? "," : "", (int)strcspn(json, "\n"),
		                 json);
	else
		loci__buf_printf(&l->text, "%-32s %-8lld %-10s %s\n", id,
		                 (long long)json_integer_value(json_object_get(state, "pid")),
		                 loci_container_status_name(status), bundle ? bundle : "");
	return 0;
}

int loci__ocirun_list(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup(close_runtime) struct loci_runtime *rt = NULL;
	int rc = loci__ocirun_open_runtime(inv, &rt, err);
	if (rc < 0)
		return rc;
	struct listing l = {.rt = rt, .text = LOCI_BUF_INIT(LIST_MAX), .format = s->list_format};
	if (l.format == LOCI_OCIRUN_LIST_JSON)
		loci__buf_putc(&l.text, '[');
	else
		loci__buf_printf(&l.text, "%-32s %-8s %-10s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	rc = loci_runtime_foreach(rt, list_one, &l, err);
	if (l.format == LOCI_OCIRUN_LIST_JSON)
		loci__buf_puts(&l.text, "]\n");
	if (rc >= 0)
		rc = loci__buf_check(&l.text, "list", err);
	if (rc >= 0)
		rc = loci__print(l.text.p, l.text.len, err);
	loci__buf_done(&l.text);
	return rc;
}

int loci__ocirun_spec(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct loci_ocirun_settings *s = inv->settings;
	loci__cleanup_free char *json = NULL;
	loci__cleanup_close int dir = open(s->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return loci__err_sys(err, "open '%s'", s->bundle);
	int rc = loci_bundle_default_config(&json, err);
	if (rc < 0)
		return rc;
	loci__cleanup_close int fd =
	        openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return loci__err_sys(err, "create '%s/config.json'", s->bundle);
	if (loci__write_all(fd, json, strlen(json)) < 0 || loci__write_all(fd, "\n", 1) < 0)
		return loci__err_sys(err, "write '%s/config.json'", s->bundle);
	return 0;
}
