/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/state.h"

#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "rtcore/runtime/console.h"
#include "rtcore/runtime/sys.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define STATE_MAX   (2 * LOCI_RUNTIME_CONFIG_MAX_BYTES)
#define OCI_VERSION "1.2.1"

int loci__id_check(const char *id, struct loci_error *err)
{
	size_t n = id ? strlen(id) : 0;
	if (n == 0 || n > LOCI_ID_MAX)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "container id '%.32s': expected 1 to %d characters",
		                     id ? id : "", LOCI_ID_MAX);
	bool dots = true;
	for (const char *s = id; *s; s++) {
		if (!loci__is_alnum((unsigned char)*s) && !strchr("_+-.", *s))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "container id '%s': expected letters, digits and _+-.",
			                     id);
		dots &= *s == '.';
	}
	if (dots)
		return loci__err_set(err, LOCI_E_INVALID, "container id '%s': is no name", id);
	return 0;
}

int loci__state_open(struct loci_runtime *rt, const char *id, int *ret_fd, struct loci_error *err)
{
	int rc = loci__id_check(id, err);
	if (rc < 0)
		return rc;
	int fd = openat(rt->root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? loci__err_set(err, LOCI_E_NOT_FOUND,
		                                       "container '%s': does not exist", id)
		                       : loci__err_sys(err, "container '%s': open its state", id);
	*ret_fd = fd;
	return 0;
}

int loci__state_lock(struct loci_runtime *rt, const char *id, int *ret_fd, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	int rc = loci__state_open(rt, id, &fd, err);
	if (rc < 0)
		return rc;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return loci__err_sys(err, "container '%s': lock", id);
	/* Whoever had the lock before us may have deleted it. */
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "container '%s': does not exist", id);
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

/* --- writing -------------------------------------------------------------------------------- */

static void put_member(struct loci_buf *b, const char *key, const char *value)
{
	loci__buf_printf(b, ",\"%s\":", key);
	loci__buf_json_string(b, value);
}

static void put_annotations(struct loci_buf *b, const struct loci__pairs *a)
{
	loci__buf_puts(b, ",\"annotations\":{");
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			loci__buf_putc(b, ',');
		loci__buf_json_string(b, a->v[i].key);
		loci__buf_putc(b, ':');
		loci__buf_json_string(b, a->v[i].value);
	}
	loci__buf_putc(b, '}');
}

static void put_strings(struct loci_buf *b, const char *key, const struct loci__strings *s)
{
	loci__buf_printf(b, ",\"%s\":[", key);
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			loci__buf_putc(b, ',');
		loci__buf_json_string(b, s->v[i]);
	}
	loci__buf_putc(b, ']');
}

static void put_hooks(struct loci_buf *b, const char *kind, const struct loci__cfg_hooks *hooks)
{
	loci__buf_printf(b, "\"%s\":[", kind);
	for (size_t i = 0; i < hooks->n; i++) {
		const struct loci__cfg_hook *h = &hooks->v[i];
		loci__buf_puts(b, i > 0 ? ",{\"path\":" : "{\"path\":");
		loci__buf_json_string(b, h->path);
		put_strings(b, "args", &h->args);
		put_strings(b, "env", &h->env);
		if (h->timeout)
			loci__buf_printf(b, ",\"timeout\":%llu", (unsigned long long)h->timeout);
		loci__buf_putc(b, '}');
	}
	loci__buf_putc(b, ']');
}

static void put_cgroup(struct loci_buf *b, const struct loci__cgroup *cg)
{
	loci__buf_puts(b, ",\"cgroup\":{\"path\":");
	loci__buf_json_string(b, cg->path);
	loci__buf_printf(b, ",\"layout\":%d,\"levels\":%u,\"v1\":[", (int)cg->layout, cg->levels);
	for (size_t i = 0; i < cg->n_v1; i++)
		loci__buf_printf(b, "%s\"%s\"", i ? "," : "", cg->v1[i]);
	loci__buf_puts(b, "]}");
}

static void format_now(char buf[32])
{
	time_t now = (time_t)loci__clock_epoch();
	struct tm tm;
	if (!gmtime_r(&now, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
}

int loci__state_write(int dir_fd, const char *id, const char *bundle,
                      const struct loci__runtime_config *config, const struct loci__cgroup *cg,
                      pid_t pid, struct loci_error *err)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(STATE_MAX);
	char now[32];
	uint64_t start = 0;
	if (pid > 0 && !loci__process_start_time(pid, &start))
		return loci__err_set(err, LOCI_E_STATE, "container '%s': its process is gone", id);
	format_now(now);
	loci__buf_printf(&b, "{\"ociVersion\":\"%s\"", OCI_VERSION);
	put_member(&b, "id", id);
	put_member(&b, "bundle", bundle);
	put_member(&b, "created", now);
	loci__buf_puts(&b, ",\"root\":{\"path\":");
	loci__buf_json_string(&b, config->root_path);
	loci__buf_printf(&b, "},\"pid\":%d,\"startTime\":%llu", pid, (unsigned long long)start);
	if (cg && cg->path)
		put_cgroup(&b, cg);
	put_annotations(&b, &config->annotations);
	loci__buf_puts(&b, ",\"hooks\":{");
	put_hooks(&b, "poststart", &config->poststart);
	loci__buf_putc(&b, ',');
	put_hooks(&b, "poststop", &config->poststop);
	loci__buf_puts(&b, "}}\n");
	int rc = loci__buf_check(&b, "state", err);
	return rc < 0 ? rc
	              : loci__write_file_atomic(dir_fd, LOCI_STATE_FILE, b.p, b.len, 0600,
	                                        /* sync= */ false, err);
}

/* --- reading -------------------------------------------------------------------------------- */

static int read_v1(const struct loci_json_at *at, struct loci__cgroup *cg, struct loci_error *err)
{
	size_t n;
	int rc = loci__json_array(at, &n, err);
	if (rc >= 0 && n > LOCI_CGROUP_MAX_V1)
		return loci__json_err(at, err, "too many hierarchies");
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct loci_json_at e = loci__json_element(at, i);
		const char *name;
		rc = loci__json_string(&e, &name, err);
		if (rc >= 0 &&
		    !loci__slice_copy(loci__slice(name, strlen(name)), cg->v1[i], LOCI_CGROUP_NAME))
			return loci__json_err(&e, err, "is too long");
		cg->v1_tasks[i] = -1;
	}
	cg->n_v1 = rc >= 0 ? n : 0;
	return rc;
}

static int read_cgroup(const struct loci_json_at *at, struct loci__cgroup *cg,
                       struct loci_error *err)
{
	if (!at->v)
		return 0;
	struct loci_json_at path = loci__json_member(at, "path");
	struct loci_json_at layout = loci__json_member(at, "layout");
	struct loci_json_at levels = loci__json_member(at, "levels");
	struct loci_json_at v1 = loci__json_member(at, "v1");
	uint64_t layout_n, levels_n;
	int rc = loci__json_string(&path, &cg->path, err);
	if (rc < 0 || (rc = loci__json_u64(&layout, &layout_n, err)) < 0 ||
	    (rc = loci__json_u64(&levels, &levels_n, err)) < 0)
		return rc;
	if (layout_n < LOCI_CGROUPS_V2 || layout_n > LOCI_CGROUPS_V1)
		return loci__json_err(&layout, err, "is no layout");
	cg->layout = (enum loci__cgroup_layout)layout_n;
	cg->levels = (unsigned)levels_n;
	return read_v1(&v1, cg, err);
}

static int read_members(struct loci__state *s, struct loci_error *err)
{
	struct loci_json_at root = loci__json_root(s->config.doc);
	struct loci_json_at id = loci__json_member(&root, "id");
	struct loci_json_at bundle = loci__json_member(&root, "bundle");
	struct loci_json_at created = loci__json_member(&root, "created");
	struct loci_json_at pid = loci__json_member(&root, "pid");
	struct loci_json_at start = loci__json_member(&root, "startTime");
	struct loci_json_at cgroup = loci__json_member(&root, "cgroup");
	uint64_t pid_n;
	int rc = loci__json_string(&id, &s->id, err);
	if (rc < 0 || (rc = loci__json_string(&bundle, &s->bundle, err)) < 0 ||
	    (rc = loci__json_string(&created, &s->created, err)) < 0 ||
	    (rc = loci__json_u64(&pid, &pid_n, err)) < 0 ||
	    (rc = loci__json_u64(&start, &s->start_time, err)) < 0)
		return rc;
	s->pid = pid_n <= INT32_MAX ? (pid_t)pid_n : 0;
	return read_cgroup(&cgroup, &s->cgroup, err);
}

int loci__state_read(int dir_fd, const char *id, struct loci__state *ret, struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	struct loci__state s = {.id = id, .cgroup = LOCI_CGROUP_INIT};
	int rc = loci__read_file(dir_fd, LOCI_STATE_FILE, STATE_MAX, &text, &n, err);
	if (rc >= 0)
		rc = loci__runtime_config_parse(text, n, &s.config, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "state of container '%s'", id);
	rc = read_members(&s, err);
	if (rc < 0) {
		loci__state_done(&s);
		return loci__err_prefix(err, rc, "state of container '%s'", id);
	}
	*ret = s;
	return 0;
}

void loci__state_done(struct loci__state *s)
{
	loci__runtime_config_done(&s->config);
}

/* --- the process ---------------------------------------------------------------------------- */

/* /proc/PID/stat: the name in parentheses may hold anything, so count from the last ')'. */
bool loci__process_start_time(pid_t pid, uint64_t *ret)
{
	char path[32];
	loci__cleanup_free char *text = NULL;
	size_t n;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (loci__read_file(AT_FDCWD, path, 8192, &text, &n, NULL) < 0)
		return false;
	const char *p = strrchr(text, ')');
	if (!p || p[1] != ' ' || !p[2] || p[2] == 'Z' || p[2] == 'X')
		return false;
	struct loci_cursor c = loci__cursor(p + 2, n - (size_t)(p + 2 - text));
	for (int field = 3; field < 22; field++) {
		struct loci_slice skipped;
		if (!loci__take_until(&c, ' ', &skipped))
			return false;
	}
	return loci__take_u64(&c, ret);
}

static bool is_alive(const struct loci__state *s)
{
	uint64_t start;
	return s->pid > 0 && loci__process_start_time(s->pid, &start) && start == s->start_time;
}

int loci__state_pidfd(const struct loci__state *s)
{
	if (s->pid <= 0)
		return -1;
	loci__cleanup_close int fd = loci__pidfd_open(s->pid);
	/* The number may have gone to another process before the fd held it. */
	return fd >= 0 && is_alive(s) ? loci__steal_fd(&fd) : -1;
}

/* By asking: a start that was killed may have left the socket's name behind. */
static bool waits_for_start(int dir_fd)
{
	struct sockaddr_un addr;
	loci__socket_address(dir_fd, LOCI_START_SOCKET, &addr);
	loci__cleanup_close int fd =
	        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return faccessat(dir_fd, LOCI_START_SOCKET, F_OK, 0) == 0;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
}

int loci__state_status(int dir_fd, const struct loci__state *s, bool locked)
{
	if (s->pid == 0) {
		/* Its creator holds the lock for as long as it lives. */
		if (!locked && flock(dir_fd, LOCK_SH | LOCK_NB) < 0)
			return LOCI_CONTAINER_CREATING;
		if (!locked)
			flock(dir_fd, LOCK_UN);
		return LOCI_CONTAINER_STOPPED;
	}
	if (!is_alive(s))
		return LOCI_CONTAINER_STOPPED;
	return waits_for_start(dir_fd) ? LOCI_CONTAINER_CREATED : LOCI_CONTAINER_RUNNING;
}

/* --- showing -------------------------------------------------------------------------------- */

static const struct {
	int status;
	const char *name;
} status_names[] = {
        {LOCI_CONTAINER_CREATING, "creating"},
        {LOCI_CONTAINER_CREATED, "created"},
        {LOCI_CONTAINER_RUNNING, "running"},
        {LOCI_CONTAINER_STOPPED, "stopped"},
};

const char *loci_container_status_name(int status)
{
	for (size_t i = 0; i < loci__array_len(status_names); i++)
		if (status_names[i].status == status)
			return status_names[i].name;
	return "unknown";
}

int loci__state_format(const struct loci__state *s, int status, char **ret, struct loci_error *err)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(STATE_MAX);
	loci__buf_printf(&b, "{\"ociVersion\":\"%s\"", OCI_VERSION);
	put_member(&b, "id", s->id);
	put_member(&b, "status", loci_container_status_name(status));
	loci__buf_printf(&b, ",\"pid\":%d", status == LOCI_CONTAINER_STOPPED ? 0 : s->pid);
	put_member(&b, "bundle", s->bundle);
	put_member(&b, "created", s->created);
	put_annotations(&b, &s->config.annotations);
	loci__buf_puts(&b, "}\n");
	int rc = loci__buf_check(&b, "state", err);
	if (rc >= 0)
		*ret = loci__buf_steal(&b);
	return rc;
}

int loci__state_for_hooks(const struct loci__runtime_config *config, const char *id,
                          const char *bundle, struct loci__hook_state *ret, char **ret_block,
                          struct loci_error *err)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(STATE_MAX);
	loci__buf_printf(&b, "{\"ociVersion\":\"%s\"", OCI_VERSION);
	put_member(&b, "id", id);
	loci__buf_append(&b, ",\"status\":\"", sizeof(",\"status\":\""));
	size_t tail = b.len;
	put_member(&b, "bundle", bundle);
	put_annotations(&b, &config->annotations);
	loci__buf_puts(&b, "}");
	int rc = loci__buf_check(&b, "state", err);
	if (rc < 0)
		return rc;
	*ret_block = loci__buf_steal(&b);
	*ret = (struct loci__hook_state){*ret_block, "\",\"pid\":", *ret_block + tail};
	return 0;
}
