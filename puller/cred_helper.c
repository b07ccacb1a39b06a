/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/cred_helper.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/json.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

#define HELPER_PREFIX   "docker-credential-"
#define HELPER_NAME_MAX 64
#define SAID_MAX        200 /* bytes of a helper's complaint that are shown */

bool loci__cred_helper_name_is_valid(const char *name)
{
	size_t n = strlen(name);
	if (!n || n > HELPER_NAME_MAX || *name == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!loci__is_alnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	}
	return true;
}

int loci__cred_helper_parse(const void *json, size_t n, char *user, size_t user_n, char *secret,
                            size_t secret_n, struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_CRED_HELPER_OUTPUT_MAX, 8};
	loci__cleanup_json json_t *doc = NULL;
	const char *user_text, *secret_text;
	int rc = loci__json_parse(json, n, &limits, "credential helper's answer", &doc, err);
	if (rc < 0)
		return rc;
	struct loci_json_at root = loci__json_root(doc);
	struct loci_json_at user_at = loci__json_member(&root, "Username");
	struct loci_json_at secret_at = loci__json_member(&root, "Secret");
	if ((rc = loci__json_object(&root, err)) < 0 ||
	    (rc = loci__json_string(&user_at, &user_text, err)) < 0 ||
	    (rc = loci__json_string(&secret_at, &secret_text, err)) < 0)
		return rc;
	if (!loci__slice_copy(loci__slice(user_text, strlen(user_text)), user, user_n) ||
	    !loci__slice_copy(loci__slice(secret_text, strlen(secret_text)), secret, secret_n))
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "credential helper's answer: user or secret too long");
	return 0;
}

/* A file in memory holds the question: a pipe would mean SIGPIPE when the helper does not read. */
static int question_fd(const char *server)
{
	loci__cleanup_close int fd = memfd_create("server", MFD_CLOEXEC);
	if (fd < 0 || loci__write_all(fd, server, strlen(server)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return loci__steal_fd(&fd);
}

static int spawn(char *program, int in, int out, pid_t *ret)
{
	char verb[] = "get";
	char *const argv[] = {program, verb, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipe_signal;
	sigemptyset(&none);
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	/* This thread may have all signals blocked, and the program SIGPIPE ignored; the helper
	 * should inherit neither. */
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe_signal);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int bad = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!bad)
		bad = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!bad)
		bad = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
		                                       O_WRONLY, 0);
	if (!bad)
		bad = posix_spawnp(ret, program, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return bad;
}

/* Everything the helper says until it closes its end. */
static int read_answer(int fd, struct loci_buf *b, struct loci_error *err)
{
	uint64_t end = loci__clock_ms() + LOCI_CRED_HELPER_TIMEOUT_MS;
	for (;;) {
		uint64_t now = loci__clock_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = now < end ? poll(&p, 1, (int)(end - now)) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return loci__err_sys(err, "wait for a credential helper");
		if (!ready)
			return loci__err_set(err, LOCI_E_TIMEOUT, "no answer in %d ms",
			                     LOCI_CRED_HELPER_TIMEOUT_MS);
		char *room = loci__buf_reserve(b, 4096);
		if (!room)
			return loci__buf_check(b, "credential helper's answer", err);
		ssize_t n = read(fd, room, 4096);
		if (n < 0 && errno != EINTR)
			return loci__err_sys(err, "read from a credential helper");
		if (n == 0)
			return 0;
		if (n > 0)
			b->len += (size_t)n;
	}
}

static bool wait_is_success(pid_t pid)
{
	int status;
	pid_t got;
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	/* A program that ignores SIGCHLD leaves no status: the answer has to speak for itself. */
	if (got < 0)
		return true;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Room from the start: growing would leave secrets behind in freed memory. */
static int run(char *program, const char *server, struct loci_buf *answer, bool *ret_ok,
               struct loci_error *err)
{
	int pipe_fds[2];
	loci__cleanup_close int in = question_fd(server);
	if (in < 0)
		return loci__err_sys(err, "make a file in memory");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return loci__err_sys(err, "make a pipe");
	loci__cleanup_close int from = pipe_fds[0];
	loci__cleanup_close int to = pipe_fds[1];
	pid_t pid;
	int bad = spawn(program, in, to, &pid);
	if (bad)
		/* Not NOT_FOUND: that would mean "no credentials". */
		return loci__err_set(err, LOCI_E_SYS, "cannot be run: %s", strerror(bad));
	loci__close_fd(&to);
	int rc = loci__buf_reserve(answer, LOCI_CRED_HELPER_OUTPUT_MAX)
	                 ? read_answer(from, answer, err)
	                 : loci__err_nomem(err);
	if (rc < 0)
		kill(pid, SIGKILL);
	*ret_ok = wait_is_success(pid);
	return rc;
}

static int interpret(const struct loci_buf *answer, bool ok, const char *server, char *user,
                     size_t user_n, char *secret, size_t secret_n, struct loci_error *err)
{
	static const char none[] = "credentials not found";
	if (ok)
		return loci__cred_helper_parse(answer->p, answer->len, user, user_n, secret,
		                               secret_n, err);
	/* docker-credential-helpers: the text on stdout, exit status 1 */
	if (answer->len >= sizeof(none) - 1 && !memcmp(answer->p, none, sizeof(none) - 1))
		return loci__err_set(err, LOCI_E_NOT_FOUND, "no credentials for %s", server);
	/* Any other reason comes the same way; its first line is enough. */
	size_t n = 0;
	while (n < answer->len && n < SAID_MAX && !strchr("\r\n", answer->p[n])) /* or a NUL */
		n++;
	return loci__err_set(err, LOCI_E_SYS, "ended with a failure%s%.*s", n ? ": " : "", (int)n,
	                     n ? answer->p : "");
}

int loci__cred_helper_get(const char *name, const char *server, char *user, size_t user_n,
                          char *secret, size_t secret_n, struct loci_error *err)
{
	char program[sizeof(HELPER_PREFIX) + HELPER_NAME_MAX];
	struct loci_buf answer = LOCI_BUF_INIT(LOCI_CRED_HELPER_OUTPUT_MAX + 4096);
	bool ok = false;
	if (!loci__cred_helper_name_is_valid(name))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "credential helper '%.64s': expected letters, digits, '-_.'",
		                     name);
	snprintf(program, sizeof(program), HELPER_PREFIX "%s", name);
	int rc = run(program, server, &answer, &ok, err);
	if (rc >= 0)
		rc = interpret(&answer, ok, server, user, user_n, secret, secret_n, err);
	if (answer.p)
		explicit_bzero(answer.p, answer.len);
	loci__buf_done(&answer);
	return rc < 0 ? loci__err_prefix(err, rc, "%s", program) : 0;
}
