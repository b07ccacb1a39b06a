/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime library on a command line, for tests only:
 *   driver ROOT VERB ID [BUNDLE] [OPTION …]
 * run prints nothing of its own and exits as the container did; errors go to stderr as
 * "CODE: text" with exit status 125.
 */
#include "loci/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void print_log(void *arg, const struct loci_log_record *rec)
{
	(void)arg;
	fprintf(stderr, "log %d: %s\n", rec->level, rec->msg);
}

static int fail(const struct loci_error *err)
{
	fprintf(stderr, "%s: %s\n", loci_code_name(err->code), err->msg);
	return 125;
}

static int print_id(void *arg, const char *id)
{
	(void)arg;
	puts(id);
	return 0;
}

/* Copies what the terminal says until its other end is gone. */
static void copy_terminal(int master)
{
	char buf[4096];
	ssize_t n;
	while ((n = read(master, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && write(1, buf, (size_t)n) < 0)
			return;
}

struct call {
	struct loci_runtime *rt;
	const char *id;
	struct loci_create_opts o;
	int master;
};

static int run(struct call *c)
{
	struct loci_error err, ignored;
	int status = 125;
	c->o.flags |= LOCI_CREATE_FOREGROUND;
	c->o.ret_master_fd = &c->master;
	if (loci_runtime_create(c->rt, c->id, &c->o, NULL, &err) < 0)
		return fail(&err);
	if (loci_runtime_start(c->rt, c->id, &err) < 0) {
		fail(&err);
	} else {
		if (c->master >= 0)
			copy_terminal(c->master);
		if (loci_runtime_wait(c->rt, c->id, &status, &err) < 0)
			status = fail(&err);
	}
	if (loci_runtime_delete(c->rt, c->id, LOCI_DELETE_FORCE, &ignored) < 0)
		fail(&ignored);
	return status;
}

static int create(struct call *c)
{
	struct loci_error err;
	pid_t pid;
	if (loci_runtime_create(c->rt, c->id, &c->o, &pid, &err) < 0)
		return fail(&err);
	return 0;
}

static int state(struct call *c)
{
	struct loci_error err;
	char *json;
	if (loci_runtime_state(c->rt, c->id, NULL, &json, &err) < 0)
		return fail(&err);
	fputs(json, stdout);
	free(json);
	return 0;
}

static int plan(struct call *c)
{
	struct loci_error err;
	char *text;
	if (loci_runtime_plan(c->rt, c->id, &c->o, &text, &err) < 0)
		return fail(&err);
	fputs(text, stdout);
	free(text);
	return 0;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		exit(125);
	}
	return fd;
}

/* Options behind the bundle: NAME VALUE pairs. */
static int lowers[16];
static void parse_options(struct call *c, char **argv)
{
	for (; argv[0] && argv[1]; argv += 2) {
		if (!strcmp(argv[0], "console-socket"))
			c->o.console_socket = argv[1];
		else if (!strcmp(argv[0], "pid-file"))
			c->o.pid_file = argv[1];
		else if (!strcmp(argv[0], "preserve"))
			c->o.preserve_fds = (unsigned)strtoul(argv[1], NULL, 10);
		else if (!strcmp(argv[0], "listen"))
			c->o.listen_fds = (unsigned)strtoul(argv[1], NULL, 10);
		else if (!strcmp(argv[0], "lower"))
			lowers[c->o.n_overlay_lower_fds++] = open_dir(argv[1]);
		else if (!strcmp(argv[0], "upper"))
			c->o.overlay_upper_fd = open_dir(argv[1]);
		else if (!strcmp(argv[0], "work"))
			c->o.overlay_work_fd = open_dir(argv[1]);
		else
			exit(2);
	}
	c->o.overlay_lower_fds = lowers;
}

static int dispatch(struct call *c, const char *verb, const char *arg)
{
	struct loci_error err;
	int rc;
	if (!strcmp(verb, "run"))
		return run(c);
	if (!strcmp(verb, "create"))
		return create(c);
	if (!strcmp(verb, "plan"))
		return plan(c);
	if (!strcmp(verb, "state"))
		return state(c);
	if (!strcmp(verb, "start"))
		rc = loci_runtime_start(c->rt, c->id, &err);
	else if (!strcmp(verb, "kill"))
		rc = loci_runtime_kill(c->rt, c->id, (int)strtol(arg, NULL, 10), 0, &err);
	else if (!strcmp(verb, "kill-all"))
		rc = loci_runtime_kill(c->rt, c->id, (int)strtol(arg, NULL, 10), LOCI_KILL_ALL,
		                       &err);
	else if (!strcmp(verb, "delete"))
		rc = loci_runtime_delete(c->rt, c->id, 0, &err);
	else if (!strcmp(verb, "force-delete"))
		rc = loci_runtime_delete(c->rt, c->id, LOCI_DELETE_FORCE, &err);
	else if (!strcmp(verb, "list"))
		rc = loci_runtime_foreach(c->rt, print_id, NULL, &err);
	else
		return 2;
	return rc < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
	struct loci_error err;
	if (argc < 4)
		return 2;
	if (!strcmp(argv[2], "protected")) {
		char *envp[] = {NULL};
		if (loci_runtime_protect_self(argv, envp, &err) < 0)
			return fail(&err);
		struct statvfs fs;
		int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int seals = fcntl(fd, F_GET_SEALS);
		bool sealed = seals >= 0 && (seals & F_SEAL_WRITE);
		bool read_only = fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY);
		puts(sealed || read_only ? "protected" : "writable");
		return 0;
	}
	struct loci_log log = {.fn = print_log, .max_level = LOCI_LOG_WARN};
	struct loci_runtime_opts ro = {.struct_size = sizeof(ro), .log = &log, .root = argv[1]};
	struct call c = {.id = argv[3], .master = -1};
	c.o = (struct loci_create_opts){.struct_size = sizeof(c.o),
	                                .bundle = argc > 4 ? argv[4] : NULL,
	                                .overlay_upper_fd = -1,
	                                .overlay_work_fd = -1};
	if (argc > 5)
		parse_options(&c, argv + 5);
	if (loci_runtime_open(&ro, &c.rt, &err) < 0)
		return fail(&err);
	int rc = dispatch(&c, argv[2], argc > 4 ? argv[4] : "");
	loci_runtime_close(c.rt);
	return rc;
}
