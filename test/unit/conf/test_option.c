/* SPDX-License-Identifier: Apache-2.0 */
/* Command line, environment, precedence, and the check of tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/conf/sample_options.h"

#include <string.h>

#define ARGS_MAX 16

struct fixture {
	struct sample s;
	struct loci_options *o;
	char *room[ARGS_MAX + 1];
	struct loci_positionals pos;
	struct loci_error err;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	struct loci_option_set set = {"Options", sample_options, &f->s};
	f->pos.v = f->room;
	assert_int_equal(loci__options_new("SAMPLE_", &f->o, NULL), 0);
	assert_int_equal(loci__options_add(f->o, &set, &f->err), 0);
}

static void end(struct fixture *f)
{
	loci__options_free(f->o);
	assert_null(f->s.store);
	assert_null(f->s.listen.v);
}

static int parse(struct fixture *f, unsigned flags, const char *const *args)
{
	return loci__options_args(f->o, (char *const *)args, flags, &f->pos, &f->err);
}
#define ARGS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static void test_defaults(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_string_equal(f.s.store, "/default");
	assert_int_equal(f.s.listen.n, 2);
	assert_string_equal(f.s.listen.v[1], "b:2");
	assert_int_equal(f.s.idle_ms, 60000);
	assert_int_equal(f.s.max_head, 65536);
	assert_true(f.s.delete);
	assert_true(f.s.share == 0.5);
	assert_null(f.s.user);
	assert_int_equal(loci__options_source(f.o, &f.s.store), LOCI_SOURCE_DEFAULT);
	end(&f);
}

static void test_forms_of_options(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_int_equal(
	        parse(&f, 0,
	              ARGS("-it", "--store=/x", "one", "-vvl", "c:3", "--no-delete", "-uroot",
	                   "--idle-timeout", "5s", "--listen=d:4", "-v", "two", "-")),
	        0);
	assert_true(f.s.interactive && f.s.tty && !f.s.delete);
	assert_string_equal(f.s.store, "/x");
	assert_int_equal(f.s.verbose, 3);
	assert_int_equal(f.s.listen.n, 2); /* the defaults are gone */
	assert_string_equal(f.s.listen.v[0], "c:3");
	assert_string_equal(f.s.listen.v[1], "d:4");
	assert_string_equal(f.s.user, "root");
	assert_int_equal(f.s.idle_ms, 5000);
	assert_int_equal(f.pos.n, 3);
	assert_string_equal(f.pos.v[0], "one");
	assert_string_equal(f.pos.v[2], "-");
	assert_null(f.pos.v[3]);
	assert_int_equal(loci__options_source(f.o, &f.s.store), LOCI_SOURCE_FLAG);
	end(&f);
}

static void test_the_end_of_options(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_int_equal(parse(&f, 0, ARGS("-t", "--", "--store", "-x")), 0);
	assert_true(f.pos.after_dashes);
	assert_int_equal(f.pos.n, 2);
	assert_string_equal(f.pos.v[0], "--store");
	end(&f);

	begin(&f);
	assert_int_equal(parse(&f, 0, ARGS("a", "--", "-t")), 0);
	assert_false(f.pos.after_dashes);
	assert_int_equal(f.pos.n, 2);
	end(&f);

	begin(&f);
	assert_int_equal(parse(&f, LOCI_ARGS_STOP_AT_FIRST, ARGS("-t", "alpine", "sh", "-i", "--")),
	                 0);
	assert_false(f.s.interactive);
	assert_int_equal(f.pos.n, 4);
	assert_string_equal(f.pos.v[3], "--");
	end(&f);

	begin(&f); /* --help: what stands behind it need not be right */
	assert_int_equal(parse(&f, 0, ARGS("--help", "--nonsense")), 0);
	assert_true(f.pos.stopped && f.s.help);
	end(&f);
}

static void test_the_last_one_wins(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	assert_int_equal(parse(&f, 0,
	                       ARGS("--store", "/a", "--store", "/b", "--no-tty", "--tty",
	                            "--delete=false")),
	                 0);
	assert_string_equal(f.s.store, "/b");
	assert_true(f.s.tty && !f.s.delete);
	end(&f);
}

static const struct {
	const char *args[4];
	const char *message;
} wrong[] = {
        {{"--lsiten", "x"}, "unknown option '--lsiten'; did you mean '--listen'?"},
        {{"--lsiten=x"}, "unknown option '--lsiten'; did you mean '--listen'?"},
        {{"--lis"}, "unknown option '--lis'; did you mean '--listen'?"},
        {{"--frobnicate"}, "unknown option '--frobnicate'; see --help"},
        {{"--no-delte"}, "unknown option '--no-delte'; did you mean '--no-delete'?"},
        {{"--no-store"}, "unknown option '--no-store'; see --help"},
        {{"--no-help"}, "unknown option '--no-help'; see --help"},
        {{"--\x1b[2J"}, "unknown option '--?[2J'; see --help"},
        {{"---"}, "unknown option '---'; see --help"},
        {{"--=x"}, "unknown option '--'; see --help"},
        {{"-x"}, "unknown option '-x'; see --help"},
        {{"-tx"}, "unknown option '-x'; see --help"},
        {{"--store"}, "--store: needs a value: --store PATH"},
        {{"-s"}, "-s: needs a value: -s PATH"},
        {{"--store", "--tty"}, "--store: needs a value: --store PATH"},
        {{"--store", "--"}, "--store: needs a value: --store PATH"},
        {{"--store="}, "--store: expected a path, found nothing"},
        {{"--verbose=2"}, "--verbose: takes no value"},
        {{"--tty=maybe"}, "--tty: expected true or false, found 'maybe'"},
        {{"--no-tty=true"}, "--no-tty: takes no value"},
        {{"--loops", "65"}, "--loops: expected at most 64, found '65'"},
        {{"--idle-timeout=30"},
         "--idle-timeout: expected a time like 500ms, 30s, 5m or 1h, found '30'"},
        {{"--durability", "none"}, "--durability: expected full or relaxed, found 'none'"},
};

static void test_wrong_command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fixture f;
		begin(&f);
		assert_int_equal(parse(&f, 0, wrong[i].args), LOCI_E_USAGE);
		assert_string_equal(f.err.msg, wrong[i].message);
		end(&f);
	}
}

static void test_environment(void **state)
{
	(void)state;
	struct fixture f;
	static const char *const env[] = {"PATH=/bin",
	                                  "LOCI_STORE=/env",
	                                  "SAMPLE_STORE=/not-this",
	                                  "SAMPLE_HTTP_LISTEN=c:3,d:4,e:5",
	                                  "SAMPLE_HTTP_IDLE_TIMEOUT=7s",
	                                  "SAMPLE_HTTP_LIMITS_HEAD=",
	                                  "SAMPLE_DELETE=0",
	                                  NULL};
	begin(&f);
	assert_int_equal(loci__options_env(f.o, (char *const *)env, &f.err), 0);
	assert_string_equal(f.s.store, "/env");
	assert_int_equal(f.s.listen.n, 3);
	assert_string_equal(f.s.listen.v[2], "e:5");
	assert_int_equal(f.s.idle_ms, 7000);
	assert_int_equal(f.s.max_head, 65536); /* empty is absent */
	assert_false(f.s.delete);
	assert_int_equal(loci__options_source(f.o, &f.s.store), LOCI_SOURCE_ENV);
	end(&f);

	begin(&f);
	static const char *const bad[] = {"SAMPLE_HTTP_LOOPS=many", NULL};
	assert_int_equal(loci__options_env(f.o, (char *const *)bad, &f.err), LOCI_E_USAGE);
	assert_string_equal(f.err.msg,
	                    "environment SAMPLE_HTTP_LOOPS: expected a whole number, found 'many'");
	end(&f);
}

static void test_precedence(void **state)
{
	(void)state;
	struct fixture f;
	static const char *const env[] = {"LOCI_STORE=/env", "SAMPLE_HTTP_LISTEN=env:1", NULL};
	static const char file[] = "store: /file\nhttp: {listen: [f:1, f:2], loops: 3}\n";
	begin(&f); /* in the order of a program: flags, file, environment */
	assert_int_equal(parse(&f, 0, ARGS("--store", "/flag")), 0);
	assert_int_equal(loci__options_yaml(f.o, "f", file, strlen(file), &f.err), 0);
	assert_int_equal(loci__options_env(f.o, (char *const *)env, &f.err), 0);
	assert_string_equal(f.s.store, "/flag");
	assert_int_equal(f.s.listen.n, 1);
	assert_string_equal(f.s.listen.v[0], "env:1");
	assert_int_equal(f.s.loops, 3);
	assert_int_equal(f.s.idle_ms, 60000);
	assert_int_equal(loci__options_source(f.o, &f.s.loops), LOCI_SOURCE_FILE);

	/* What is hidden must be right all the same. */
	static const char bad[] = "http: {listen: [''], loops: 3}\n";
	assert_int_equal(loci__options_yaml(f.o, "f", bad, strlen(bad), &f.err), LOCI_E_USAGE);
	assert_string_equal(f.err.msg, "f:1:17: http.listen: expected a text, found nothing");
	end(&f);
}

static int make_default(char **ret, struct loci_error *err)
{
	(void)err;
	*ret = strdup("/made");
	return 0;
}

static void test_made_defaults_come_last(void **state)
{
	(void)state;
	static const struct loci_option rows[] = {
	        {LOCI_OPT_PATH(struct sample, store), .flag = "store", .help = "Store",
	         .make_default = make_default, .default_text = "made"},
	        {LOCI_OPT_STRING(struct sample, user), .flag = "user", .help = "User",
	         .make_default = make_default, .default_text = "made"},
	        {0}};
	struct sample s = {0};
	struct loci_option_set set = {"Options", rows, &s};
	struct loci_options *o;
	char *room[ARGS_MAX];
	struct loci_positionals pos = {.v = room};
	assert_int_equal(loci__options_new(NULL, &o, NULL), 0);
	assert_int_equal(loci__options_add(o, &set, NULL), 0);
	assert_int_equal(loci__options_args(o, (char *const *)ARGS("--user", "me"), 0, &pos, NULL),
	                 0);
	assert_int_equal(loci__options_finish(o, NULL), 0);
	assert_string_equal(s.store, "/made");
	assert_string_equal(s.user, "me");
	loci__options_free(o);
}

static void test_sample_table_is_sound(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f);
	if (loci__options_check_tables(f.o, &f.err) != 0)
		fail_msg("%s", f.err.msg);
	end(&f);
}

#define GOOD_ROW LOCI_OPT_STRING(struct sample, user), .help = "User"
static const struct {
	struct loci_option rows[4];
	const char *message;
} unsound[] = {
        {{{GOOD_ROW}}, "row ?: neither flag nor key nor env"},
        {{{GOOD_ROW, .flag = "Bad"}}, "row Bad: flag is not lower-case-with-dashes"},
        {{{GOOD_ROW, .flag = "good"}, {GOOD_ROW, .flag = "no-good"}},
         "row no-good: flag is the --no- form of another"},
        {{{GOOD_ROW, .key = "a."}}, "row a.: key is not lower-case.with-dashes"},
        {{{LOCI_OPT_ENUM(struct sample, durability), .flag = "a", .help = "A"}},
         "row a: enum without words"},
        {{{LOCI_OPT_STRING(struct sample, user), .flag = "a", .help = "a thing"}},
         "row a: help is no sentence with a capital and without full stop"},
        {{{LOCI_OPT_STRING(struct sample, user), .flag = "a", .help = "A thing."}},
         "row a: help is no sentence with a capital and without full stop"},
        {{{GOOD_ROW, .flag = "a"}, {GOOD_ROW, .flag = "a"}}, "row a: flag twice"},
        {{{GOOD_ROW, .flag = "a", .letter = 'x'}, {GOOD_ROW, .flag = "b", .letter = 'x'}},
         "row a: letter twice"},
        {{{GOOD_ROW, .key = "a"}, {GOOD_ROW, .key = "a"}}, "row a: key twice"},
        {{{GOOD_ROW, .key = "a"}, {GOOD_ROW, .flag = "b", .env = "SAMPLE_A"}},
         "row a: environment name twice"},
        {{{GOOD_ROW, .key = "a"}, {GOOD_ROW, .key = "a.b"}},
         "row a: key is the section of another key"},
        {{{GOOD_ROW, .key = "a.b"}, {GOOD_ROW, .key = "c"}, {GOOD_ROW, .key = "a.d"}},
         "row a.d: apart from the other keys of its section"},
};

static void test_unsound_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++) {
		struct sample s = {0};
		struct loci_option_set set = {"Options", unsound[i].rows, &s};
		struct loci_options *o;
		struct loci_error err = {0};
		assert_int_equal(loci__options_new("SAMPLE_", &o, NULL), 0);
		assert_int_equal(loci__options_add(o, &set, NULL), 0);
		assert_int_equal(loci__options_check_tables(o, &err), LOCI_E_INTERNAL);
		assert_string_equal(err.msg, unsound[i].message);
		loci__options_free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_defaults),
	        cmocka_unit_test(test_forms_of_options),
	        cmocka_unit_test(test_the_end_of_options),
	        cmocka_unit_test(test_the_last_one_wins),
	        cmocka_unit_test(test_wrong_command_lines),
	        cmocka_unit_test(test_environment),
	        cmocka_unit_test(test_precedence),
	        cmocka_unit_test(test_made_defaults_come_last),
	        cmocka_unit_test(test_sample_table_is_sound),
	        cmocka_unit_test(test_unsound_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
