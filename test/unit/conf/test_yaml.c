/* SPDX-License-Identifier: Apache-2.0 */
/* The file: good ones, wrong ones with the position in the message, hostile ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/yaml.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "test/unit/conf/sample_options.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	struct sample s;
	struct loci_options *o;
	struct loci_error err;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	struct loci_option_set set = {"Options", sample_options, &f->s};
	assert_int_equal(loci__options_new("SAMPLE_", &f->o, NULL), 0);
	assert_int_equal(loci__options_add(f->o, &set, &f->err), 0);
}

static void end(struct fixture *f)
{
	loci__options_free(f->o);
}

static int read_text(struct fixture *f, const char *text)
{
	return loci__options_yaml(f->o, "c.yaml", text, strlen(text), &f->err);
}

static void test_a_whole_file(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_int_equal(read_text(&f, "# comment\n"
	                               "store: \"/with space\"\n"
	                               "http:\n"
	                               "  listen:\n"
	                               "    - '[::1]:5000'\n"
	                               "    - 127.0.0.1:0\n"
	                               "  idle-timeout: 5m\n"
	                               "  limits: { head: 32KiB }\n"
	                               "share: 0.25\n"
	                               "delete: no\n"
	                               "durability: relaxed\n"),
	                 0);
	assert_string_equal(f.s.store, "/with space");
	assert_int_equal(f.s.listen.n, 2);
	assert_string_equal(f.s.listen.v[0], "[::1]:5000");
	assert_int_equal(f.s.idle_ms, 300000);
	assert_int_equal(f.s.max_head, 32768);
	assert_true(f.s.share == 0.25);
	assert_false(f.s.delete);
	assert_int_equal(f.s.durability, 1);
	end(&f);
}

static const char *const harmless[] = {
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "http:\n",
        "http: {}\n",
        "http: ~\n",
        "http:\n  # all commented out\n",
        "%YAML 1.1\n---\nshare: 1\n",
};

static void test_harmless_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		struct fixture f;
		begin(&f);
		if (read_text(&f, harmless[i]) != 0)
			fail_msg("%s: %s", harmless[i], f.err.msg);
		assert_string_equal(f.s.store, "/default");
		end(&f);
	}
}

static void test_lists(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_int_equal(read_text(&f, "http: {listen: one:1}\n"),
	                 0); /* a scalar is a list of one */
	assert_int_equal(f.s.listen.n, 1);
	end(&f);
	begin(&f);
	assert_int_equal(read_text(&f, "http: {listen: []}\n"), 0); /* none, and no defaults */
	assert_int_equal(f.s.listen.n, 0);
	end(&f);
}

static const struct {
	const char *text;
	const char *message;
} wrong[] = {
        {"stor: /x\n", "c.yaml:1:7: stor: unknown key; did you mean 'store'?"},
        {"http:\n  lsiten: x\n",
         "c.yaml:2:11: http.lsiten: unknown key; did you mean 'http.listen'?"},
        {"frobnicate: 1\n", "c.yaml:1:13: frobnicate: unknown key"},
        {"frobnicate: {a: 1}\n", "c.yaml:1:13: frobnicate: unknown key"},
        {"frobnicate: [1]\n", "c.yaml:1:13: frobnicate: unknown key"},
        {"tty: true\n", "c.yaml:1:6: tty: unknown key"}, /* a flag without a key */
        {"http: 5\n", "c.yaml:1:7: http: expected a section with keys"},
        {"http: [a]\n", "c.yaml:1:7: http: expected a section with keys"},
        {"store: {a: b}\n", "c.yaml:1:8: store: expected a value, found a section"},
        {"store: [a]\n", "c.yaml:1:8: store: expected one value, found a list"},
        {"store:\n", "c.yaml:1:7: store: no value"},
        {"store: ~\n", "c.yaml:1:8: store: no value"},
        {"http: {listen: [~]}\n", "c.yaml:1:17: http.listen: no value"},
        {"http: {listen: [[a]]}\n", "c.yaml:1:17: http.listen: expected a value in the list"},
        {"http: {listen: [{a: b}]}\n", "c.yaml:1:17: http.listen: expected a value in the list"},
        {"http:\n  loops: many\n",
         "c.yaml:2:10: http.loops: expected a whole number, found 'many'"},
        {"http: {loops: 99}\n", "c.yaml:1:15: http.loops: expected at most 64, found '99'"},
        {"http: {limits: {head: 2MiB}}\n",
         "c.yaml:1:23: http.limits.head: expected at most 1MiB, found '2MiB'"},
        {"store: /a\nstore: /b\n", "c.yaml:2:1: store: given twice"},
        {"http: {loops: 1}\nhttp: {loops: 2}\n", "c.yaml:2:1: http: given twice"},
        {"http.loops: 1\n", "c.yaml:1:1: expected a name of letters, digits and - as the key "
                            "(sections are nested)"},
        {"'': 1\n", "c.yaml:1:1: expected a name of letters, digits and - as the key "
                    "(sections are nested)"},
        {"? [a]\n: 1\n", "c.yaml:1:3: expected a name as the key"},
        {"<<: {a: b}\n", "c.yaml:1:1: expected a name of letters, digits and - as the key "
                         "(sections are nested)"},
        {"store: &a /x\n", "c.yaml:1:8: store: anchors are not supported"},
        {"http: &a {loops: 1}\n", "c.yaml:1:7: http: anchors are not supported"},
        {"store: *a\n", "c.yaml:1:8: store: aliases are not supported"},
        {"*a : 1\n", "c.yaml:1:1: aliases are not supported"},
        {"http: {listen: [*a]}\n", "c.yaml:1:17: http.listen: aliases are not supported"},
        {"store: !!str /x\n", "c.yaml:1:8: store: tags are not supported"},
        {"http: !x {loops: 1}\n", "c.yaml:1:7: http: tags are not supported"},
        {"store: /x\n---\nstore: /y\n", "c.yaml:2:1: more than one document"},
        {"- a\n", "c.yaml:1:1: expected keys and values at the top"},
        {"word\n", "c.yaml:1:1: expected keys and values at the top"},
        {"store: \"a\\0b\"\n", "c.yaml:1:8: store: NUL in a value"},
        {"http: {loops: 1\n", "c.yaml:2:1: http: did not find expected ',' or '}'"},
        {"store: 'x\n", "c.yaml:2:1: store: found unexpected end of stream"},
        {"\tstore: x\n", "c.yaml:1:1: found character that cannot start any token"},
        {"store: \x01\n", "c.yaml: byte 7: control characters are not allowed"},
        {"store: \xff\n", "c.yaml: byte 7: invalid leading UTF-8 octet"},
};

static void test_wrong_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fixture f;
		begin(&f);
		int r = read_text(&f, wrong[i].text);
		if (r != LOCI_E_USAGE)
			fail_msg("%s: gave %d", wrong[i].text, r);
		assert_string_equal(f.err.msg, wrong[i].message);
		end(&f);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct fixture f;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1 << 20);

	begin(&f); /* depth, in flow style: one byte each */
	loci__buf_puts(&b, "http: {limits: ");
	for (int i = 0; i < 100000; i++)
		loci__buf_putc(&b, '{');
	assert_int_equal(read_text(&f, b.p), LOCI_E_USAGE);
	end(&f);

	begin(&f); /* a key longer than any path */
	loci__buf_reset(&b);
	for (int i = 0; i < 300; i++)
		loci__buf_putc(&b, 'k');
	loci__buf_puts(&b, ": 1\n");
	assert_int_equal(read_text(&f, b.p), LOCI_E_USAGE);
	assert_string_equal(f.err.msg, "c.yaml:1:1: key too long");
	end(&f);
}

struct count {
	unsigned scalars, maps;
};

static int count_scalar(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	(void)node;
	(void)err;
	((struct count *)arg)->scalars++;
	return 0;
}

static int count_map(void *arg, const struct loci_yaml_node *node, struct loci_error *err)
{
	(void)node;
	(void)err;
	((struct count *)arg)->maps++;
	return 0;
}

static const struct loci_yaml_handler counting = {count_scalar, count_map, count_map};

static void test_depth_and_keys_of_the_walker(void **state)
{
	(void)state;
	struct count n = {0};
	struct loci_error err = {0};
	static const char eight[] = "{a: {b: {c: {d: {e: {f: {g: {h: 1}}}}}}}}";
	static const char nine[] = "{a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}}";
	assert_int_equal(loci__yaml_walk("f", eight, strlen(eight), &counting, &n, &err), 0);
	assert_int_equal(n.scalars, 1);
	assert_int_equal(loci__yaml_walk("f", nine, strlen(nine), &counting, &n, &err),
	                 LOCI_E_USAGE);
	assert_string_equal(err.msg, "f:1:33: a.b.c.d.e.f.g.h: nested deeper than 8");

	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1 << 20);
	for (int i = 0; i <= LOCI_YAML_KEYS_MAX; i++)
		loci__buf_printf(&b, "k%d: 1\n", i);
	assert_int_equal(loci__yaml_walk("f", b.p, b.len, &counting, &n, &err), LOCI_E_USAGE);
	assert_string_equal(err.msg, "f:4097:1: k4096: more than 4096 keys");
}

static void test_the_file_itself(void **state)
{
	(void)state;
	char path[] = "/tmp/loci-test-conf-XXXXXX";
	struct fixture f;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	static const char text[] = "store: /from-file\nbad: 1\n";
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	begin(&f);
	char want[128];
	snprintf(want, sizeof(want), "%s:2:6: bad: unknown key", path);
	assert_int_equal(loci__options_file(f.o, path, &f.err), LOCI_E_USAGE);
	assert_string_equal(f.err.msg, want);
	assert_int_equal(ftruncate(fd, LOCI_OPTION_FILE_MAX + 1), 0);
	assert_int_equal(loci__options_file(f.o, path, &f.err), LOCI_E_TOO_LARGE);
	unlink(path);
	close(fd);
	assert_int_equal(loci__options_file(f.o, path, &f.err), LOCI_E_NOT_FOUND);
	assert_non_null(strstr(f.err.msg, path));
	end(&f);
}

/* What check-config prints is a configuration file. */
static void test_printed_values_can_be_read(void **state)
{
	(void)state;
	struct fixture f, g;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1 << 16);
	begin(&f);
	assert_int_equal(read_text(&f, "store: \"/a \\\"b\\\": #c\"\nhttp: {loops: 3}\n"
	                               "token: hunter2\n"),
	                 0);
	loci__options_print_values(f.o, &b);
	assert_non_null(strstr(b.p, "  # c.yaml:1\n"));
	assert_non_null(strstr(b.p, "  loops: 3  # c.yaml:2\n"));
	assert_non_null(strstr(b.p, "  idle-timeout: 1m  # default\n"));
	assert_null(strstr(b.p, "hunter2"));
	begin(&g);
	if (read_text(&g, b.p) != 0)
		fail_msg("%s\n%s", g.err.msg, b.p);
	assert_string_equal(g.s.store, "/a \"b\": #c");
	assert_int_equal(g.s.loops, 3);
	assert_int_equal(g.s.listen.n, 2);
	end(&g);
	end(&f);
}

static void test_sample_uncommented_can_be_read(void **state)
{
	(void)state;
	struct fixture f;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(1 << 16);
	struct loci_buf plain loci__cleanup_buf = LOCI_BUF_INIT(1 << 16);
	begin(&f);
	loci__options_print_sample(f.o, &b);
	/* "#key: value" becomes "key: value"; "# text" stays; keys without a default stay out. */
	for (const char *p = b.p, *end; *p; p = end) {
		size_t indent = strspn(p, " ");
		end = p + strcspn(p, "\n") + 1;
		bool commented = p[indent] == '#' && p[indent + 1] != ' ';
		if (commented && end[-2] == ' ')
			continue;
		loci__buf_append(&plain, p, indent);
		loci__buf_append(&plain, p + indent + commented,
		                 (size_t)(end - p) - indent - commented);
	}
	if (read_text(&f, plain.p) != 0)
		fail_msg("%s\n%s", f.err.msg, plain.p);
	assert_int_equal(loci__options_source(f.o, &f.s.idle_ms), LOCI_SOURCE_FILE);
	assert_int_equal(f.s.idle_ms, 60000);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_whole_file),
	        cmocka_unit_test(test_harmless_files),
	        cmocka_unit_test(test_lists),
	        cmocka_unit_test(test_wrong_files),
	        cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_depth_and_keys_of_the_walker),
	        cmocka_unit_test(test_the_file_itself),
	        cmocka_unit_test(test_printed_values_can_be_read),
	        cmocka_unit_test(test_sample_uncommented_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
