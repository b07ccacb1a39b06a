/* SPDX-License-Identifier: Apache-2.0 */
/* The sample program as a process: what it prints where, and how it exits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/log.h"
#include "cli/program.h"
#include "core/base/json.h"
#include "core/base/logger.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 12
#define TEXT_MAX 65536

struct result {
	int status;
	char out[TEXT_MAX];
	char err[TEXT_MAX];
};

static void read_back(int fd, char *to)
{
	ssize_t n = pread(fd, to, TEXT_MAX - 1, 0);
	assert_true(n >= 0);
	to[n] = '\0';
	close(fd);
}

static int scratch(void)
{
	char path[] = "/tmp/loci-test-cli-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static pid_t spawn(const char *const *args, const char *const *env, int out, int err)
{
	const char *argv[ARGS_MAX + 2] = {"sample"};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[i + 1] = args[i];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	assert_int_equal(
	        posix_spawn(&pid, LOCI_TEST_PROGRAM, &actions, NULL, (char **)argv, (char **)env),
	        0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void run_env(struct result *r, const char *const *args, const char *const *env)
{
	int out = scratch(), err = scratch(), status;
	pid_t pid = spawn(args, env, out, err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	read_back(out, r->out);
	read_back(err, r->err);
}

#define LIST(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}
#define RUN(r, ...) run_env(r, LIST(__VA_ARGS__), LIST("HOME=/home/x", "LOCI_STORE=/s"))

static void test_texts(void **state)
{
	struct result *r = *state;
	RUN(r, "--version");
	assert_int_equal(r->status, 0);
	assert_true(strncmp(r->out, "sample ", 7) == 0);
	assert_string_equal(r->err, "");

	RUN(r, "--help");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "Usage: sample [OPTION...] IMAGE [CMD...]\n"));
	assert_non_null(strstr(r->out, "  -l, --listen ADDR:PORT      Listen here;"));
	assert_non_null(strstr(r->out, "($SAMPLE_HTTP_IDLE_TIMEOUT)"));
	assert_non_null(strstr(r->out, "sample alpine:3.19 sh -c 'exit 3'"));
	assert_null(strstr(r->out, "help-man"));
	assert_non_null(strstr(r->out, "      --[no-]tidy "));
	assert_non_null(strstr(r->out, "      --read-only "));
	for (const char *line = r->out; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);

	RUN(r, "--help-man");
	assert_int_equal(r->status, 0);
	assert_non_null(
	        strstr(r->out, "\nA second paragraph with a back\\eslash and a \\-dash.\n"));
	assert_non_null(strstr(r->out, ".It Ev SAMPLE_HTTP_IDLE_TIMEOUT\n"));
	assert_non_null(strstr(r->out, ".It Fl -[no-]tidy\n"));

	RUN(r, "create", "--help");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "Usage: sample [OPTION...] create [OPTION...] ID\n"));
	assert_non_null(strstr(r->out, "-n, --name TEXT"));
	assert_null(strstr(r->out, "--tty"));
}

static const struct {
	const char *args[8];
	int status;
	const char *out, *err;
} lines[] = {
        {{"img"}, 0, "command=- store=/s idle=60000 tty=0 name=- args=[img]\n", ""},
        {{"-t", "img", "sh", "-t", "--x"},
         0,
         "command=- store=/s idle=60000 tty=1 name=- args=[img][sh][-t][--x]\n",
         ""},
        {{"--", "create"}, 0, "command=- store=/s idle=60000 tty=0 name=- args=[create]\n", ""},
        {{"--store", "/o", "create", "-n", "me", "id", "--idle-timeout=2s"},
         0,
         "command=create store=/o idle=2000 tty=0 name=me args=[id]\n",
         ""},
        {{"create", "--", "-n"},
         0,
         "command=create store=/s idle=60000 tty=0 name=- args=[-n]\n",
         ""},
        {{NULL}, 2, "", "sample: missing argument: expected IMAGE [CMD...]\n"},
        {{"create"}, 2, "", "sample: create: missing argument: expected ID\n"},
        {{"create", "a", "b"}, 2, "", "sample: create: unexpected argument 'b'\n"},
        {{"-t", "create", "a"},
         2,
         "",
         "sample: before 'create': unknown option '-t'; see --help\n"},
        {{"create", "-t", "a"}, 2, "", "sample: unknown option '-t'; see --help\n"},
        {{"--idle-timeuot=2s", "a"},
         2,
         "",
         "sample: unknown option '--idle-timeuot'; did you mean '--idle-timeout'?\n"},
        {{"-q", "-v", "a"}, 2, "", "sample: --quiet and --verbose exclude each other\n"},
        {{"-c", "/nonexistent/x.yaml", "a"},
         2,
         "",
         "sample: open '/nonexistent/x.yaml': No such file or directory\n"},
        {{"complain", "USAGE"}, 2, "", "sample: as asked for: USAGE\n"},
        {{"complain", "NOT_FOUND"}, 3, "", "sample: as asked for: NOT_FOUND\n"},
        {{"complain", "UNAUTHORIZED"}, 4, "", "sample: as asked for: UNAUTHORIZED\n"},
        {{"complain", "DENIED"}, 4, "", "sample: as asked for: DENIED\n"},
        {{"complain", "TIMEOUT"}, 5, "", "sample: as asked for: TIMEOUT\n"},
        {{"complain", "DIGEST_MISMATCH"}, 6, "", "sample: as asked for: DIGEST_MISMATCH\n"},
        {{"complain", "NO_SPACE"}, 7, "", "sample: as asked for: NO_SPACE\n"},
        {{"complain", "INVALID"}, 8, "", "sample: as asked for: INVALID\n"},
        {{"complain", "CANCELED"}, 130, "", "sample: as asked for: CANCELED\n"},
        {{"complain", "STATE"}, 1, "", "sample: as asked for: STATE\n"},
        {{"complain", "nothing"}, 77, "", ""},
};

static void test_command_lines(void **state)
{
	struct result *r = *state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		run_env(r, lines[i].args, LIST("LOCI_STORE=/s"));
		assert_string_equal(r->err, lines[i].err);
		assert_string_equal(r->out, lines[i].out);
		assert_int_equal(r->status, lines[i].status);
	}
}

static void test_default_store(void **state)
{
	struct result *r = *state;
	if (geteuid() == 0) {
		run_env(r, LIST("img"), LIST("XDG_DATA_HOME=/xdg", "HOME=/home/x"));
		assert_non_null(strstr(r->out, "store=/var/lib/loci "));
		return;
	}
	run_env(r, LIST("img"), LIST("XDG_DATA_HOME=/xdg", "HOME=/home/x"));
	assert_non_null(strstr(r->out, "store=/xdg/loci "));
	run_env(r, LIST("img"), LIST("XDG_DATA_HOME=relative", "HOME=/home/x"));
	assert_non_null(strstr(r->out, "store=/home/x/.local/share/loci "));
}

static void test_configuration_and_its_sources(void **state)
{
	struct result *r = *state;
	char path[] = "/tmp/loci-test-cli-XXXXXX";
	static const char text[] = "http:\n  idle-timeout: 9s\nmode: fast\nlimit: 1KiB\n";
	char where[128];
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	run_env(r, LIST("--config", path, "check-config", "--limit=2KiB"),
	        LIST("SAMPLE_MODE=safe", "SAMPLE_READ_ONLY=yes", "LOCI_STORE=/s"));
	assert_string_equal(r->err, "");
	assert_int_equal(r->status, 0);
	snprintf(where, sizeof(where), "  idle-timeout: 9s  # %s:2\n", path);
	assert_non_null(strstr(r->out, where));
	assert_non_null(strstr(r->out, "mode: safe  # $SAMPLE_MODE\n"));
	assert_non_null(strstr(r->out, "limit: 2KiB  # --limit\n"));
	assert_non_null(strstr(r->out, "read-only: true  # $SAMPLE_READ_ONLY\n"));
	assert_non_null(strstr(r->out, "store: /s  # $LOCI_STORE\n"));
	assert_non_null(
	        strstr(r->out, "listen: [\"127.0.0.1:5000\", \"[::1]:5000\"]  # default\n"));

	run_env(r, LIST("--config", path, "check-config"), LIST("SAMPLE_LIMIT=lots"));
	assert_int_equal(r->status, 2);
	assert_string_equal(r->err, "sample: environment SAMPLE_LIMIT: expected a size like 512KiB "
	                            "or 10GB, found 'lots'\n");
	unlink(path);

	RUN(r, "sample-config");
	assert_non_null(strstr(r->out, "#mode: safe\n"));
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;
	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

static void test_log_levels(void **state)
{
	struct result *r = *state;
	RUN(r, "log");
	assert_int_equal(count_lines(r->err), 3); /* the program's level is info */
	assert_non_null(strstr(r->err, "Z error sample: an error\\x0aof two lines\n"));
	assert_non_null(strstr(r->err, "Z info sample: a note plain=a spaced=\"b \\\"c\\\"\"\n"));
	RUN(r, "-q", "log");
	assert_int_equal(count_lines(r->err), 1);
	RUN(r, "log", "-v");
	assert_int_equal(count_lines(r->err), 4);
	RUN(r, "log", "-vvvv");
	assert_int_equal(count_lines(r->err), 4);
	RUN(r, "log", "--log-level=warn");
	assert_int_equal(count_lines(r->err), 2);
}

static void parse_line(const char *line, size_t n, json_t **ret)
{
	static const struct loci_json_limits limits = {.max_bytes = 4096, .max_depth = 2};
	struct loci_error err = {0};
	if (loci__json_parse(line, n, &limits, "line", ret, &err) != 0)
		fail_msg("%.*s: %s", (int)n, line, err.msg);
}

static void test_log_as_json(void **state)
{
	struct result *r = *state;
	RUN(r, "--log-format", "json", "log", "-v");
	assert_int_equal(count_lines(r->err), 4);
	for (const char *line = r->err; *line; line += strcspn(line, "\n") + 1) {
		json_t *v loci__cleanup_json = NULL;
		parse_line(line, strcspn(line, "\n"), &v);
		assert_string_equal(json_string_value(json_object_get(v, "component")), "sample");
		assert_non_null(json_string_value(json_object_get(v, "msg")));
		assert_non_null(json_string_value(json_object_get(v, "time")));
		assert_non_null(json_string_value(json_object_get(v, "level")));
	}
	/* A failure is a record, too. */
	json_t *v loci__cleanup_json = NULL;
	RUN(r, "--log-format", "json", "complain", "BUSY");
	assert_int_equal(count_lines(r->err), 1);
	parse_line(r->err, strlen(r->err) - 1, &v);
	assert_string_equal(json_string_value(json_object_get(v, "msg")), "as asked for: BUSY");
	assert_string_equal(json_string_value(json_object_get(v, "level")), "error");
}

static void test_log_to_a_file(void **state)
{
	struct result *r = *state;
	char path[] = "/tmp/loci-test-cli-XXXXXX", below[sizeof(path) + 4];
	struct loci_log_sink sink;
	struct loci_error err = {0};
	int fd = mkstemp(path);
	loci__log_sink_init(&sink, LOCI_LOG_TEXT, LOCI_LOG_INFO);
	assert_int_equal(loci__log_sink_open(&sink, path, &err), 0);
	loci__log(&sink.log, LOCI_LOG_WARN, "test", "one");
	assert_int_equal(loci__log_sink_open(&sink, path, &err), 0); /* appends */
	loci__log(&sink.log, LOCI_LOG_WARN, "test", "two");
	loci__log(&sink.log, LOCI_LOG_DEBUG, "test", "three");
	/* A record that is too long is said to be so, and the log goes on. */
	char *large = test_malloc(70000);
	memset(large, 'x', 69999);
	large[69999] = '\0';
	struct loci_log_field field = {"large", large};
	loci__log_fields(&sink.log, LOCI_LOG_WARN, "test", "four", &field, 1);
	test_free(large);
	loci__log_sink_close(&sink);
	assert_int_equal(sink.fd, STDERR_FILENO);
	read_back(fd, r->out);
	unlink(path);
	assert_int_equal(count_lines(r->out), 3);
	assert_non_null(strstr(r->out, " warn test: one\n"));
	assert_non_null(strstr(r->out, " warn test: two\n"));
	assert_non_null(strstr(r->out, " warn test: (a record too long to be logged)\n"));
	snprintf(below, sizeof(below), "%s/log", path);
	assert_int_equal(loci__log_sink_open(&sink, below, &err), LOCI_E_NOT_FOUND);
}

static void test_a_full_disk_is_an_error(void **state)
{
	struct result *r = *state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), err = scratch(), status;
	assert_true(full >= 0);
	pid_t pid = spawn(LIST("--help"), LIST("HOME=/"), full, err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_back(err, r->err);
	close(full);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(r->err, "sample: write to stdout: No space left on device\n");
}

static void test_signals_are_waited_for(void **state)
{
	struct result *r = *state;
	int out[2], err = scratch(), status;
	char ready[16];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = spawn(LIST("wait"), LIST("HOME=/"), out[1], err);
	close(out[1]);
	assert_int_equal(read(out[0], ready, sizeof(ready)), 6); /* "ready\n": it blocks them now */
	assert_int_equal(kill(pid, SIGTERM), 0);
	ssize_t n = read(out[0], r->out, sizeof(r->out) - 1);
	assert_true(n > 0);
	r->out[n] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(r->out, "signal 15\n");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(out[0]);
	close(err);
}

static void test_closed_standard_fds(void **state)
{
	struct result *r = *state;
	int err = scratch(), status;
	posix_spawn_file_actions_t actions;
	const char *argv[] = {"sample", "img", NULL}, *env[] = {"LOCI_STORE=/s", NULL};
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, STDIN_FILENO);
	posix_spawn_file_actions_addclose(&actions, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	assert_int_equal(
	        posix_spawn(&pid, LOCI_TEST_PROGRAM, &actions, NULL, (char **)argv, (char **)env),
	        0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_back(err, r->err);
	assert_string_equal(r->err, ""); /* stdout was /dev/null, not closed */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_exit_table(void **state)
{
	(void)state;
	static const struct loci_exit_row rows[] = {{127, LOCI_E_NOT_FOUND, "No such thing"},
	                                            {125, 0, "Any other failure"}};
	assert_int_equal(loci__exit_status(rows, LOCI_E_NOT_FOUND), 127);
	assert_int_equal(loci__exit_status(rows, LOCI_E_SYS), 125);
	assert_int_equal(loci__exit_status(rows, 0), 0);
	assert_int_equal(loci__exit_status(NULL, LOCI_E_SYS), 1);
}

int main(void)
{
	static struct result result;
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_prestate(fn, &result)
	        TEST(test_texts),
	        TEST(test_command_lines),
	        TEST(test_default_store),
	        TEST(test_configuration_and_its_sources),
	        TEST(test_log_levels),
	        TEST(test_log_as_json),
	        TEST(test_log_to_a_file),
	        TEST(test_a_full_disk_is_an_error),
	        TEST(test_signals_are_waited_for),
	        TEST(test_closed_standard_fds),
	        TEST(test_exit_table),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
