/* SPDX-License-Identifier: Apache-2.0 */
/* Another program's names for our keys: what counts, what yields, what is refused and how. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/alias.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <stdio.h>
#include <string.h>

struct sample {
	bool delete, quiet;
	char *store;
	struct loci_string_list listen;
};

static const struct loci_option options[] = {
        {LOCI_OPT_LIST(struct sample, listen), .key = "http.listen", .flag = "listen",
         .value = "localhost:1"},
        {LOCI_OPT_BOOL(struct sample, quiet), .key = "http.quiet", .flag = "quiet"},
        {LOCI_OPT_BOOL(struct sample, delete), .key = "delete", .flag = "delete", .value = "true"},
        {LOCI_OPT_PATH(struct sample, store), .key = "store", .flag = "store", .value = "/ours"},
        {0}};

static int negate(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	if (strcmp(text, "true") == 0)
		return loci__buf_puts(ret, "false");
	if (strcmp(text, "false") == 0)
		return loci__buf_puts(ret, "true");
	return loci__err_set(err, LOCI_E_USAGE, "expected true or false, found '%s'", text);
}

static int only_zero(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return strcmp(text, "0") == 0 ? 0 : loci__err_set(err, LOCI_E_USAGE, "expected 0");
}

static const struct loci_alias rows[] = {
        {LOCI_ALIAS_KEY, "http.addr", "http.listen"},
        {LOCI_ALIAS_ADDS, "http.debug.addr", "http.listen"},
        {LOCI_ALIAS_KEY, "http.log", "http.quiet", negate},
        {LOCI_ALIAS_KEY, "storage.delete.enabled", "delete"},
        {LOCI_ALIAS_KEY, "storage.root", "store"},
        {LOCI_ALIAS_HARMLESS, "version", NULL, only_zero, "only 0"},
        {LOCI_ALIAS_HARMLESS, "storage.cache.*", NULL, NULL, "not needed"},
        {LOCI_ALIAS_REFUSED, "http.tls.*", NULL, NULL, "no TLS"},
        {LOCI_ALIAS_REFUSED, "auth.*", NULL, NULL, "no auth"},
        {0}};
static const struct loci_alias_default file_defaults[] = {
        {"store", "/theirs"}, {"delete", "false"}, {0}};
static const struct loci_alias_set aliases = {.prefix = "THEIRS_",
                                              .program = "theirs",
                                              .mark = "version",
                                              .rows = rows,
                                              .file_defaults = file_defaults,
                                              .list_start = ":9"};

struct fixture {
	struct sample s;
	struct loci_options *o;
	struct loci_error err;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	const struct loci_option_set set = {"Options", options, &f->s};
	assert_int_equal(loci__options_new("OURS_", &f->o, NULL), 0);
	loci__options_set_aliases(f->o, &aliases);
	assert_int_equal(loci__options_add(f->o, &set, NULL), 0);
}

static int env(struct fixture *f, const char *const *list)
{
	return loci__options_env(f->o, (char *const *)list, &f->err);
}
#define ENV(...)                  \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static int file(struct fixture *f, const char *text)
{
	return loci__options_yaml(f->o, "x.yml", text, strlen(text), &f->err);
}

static const char *listens(const struct fixture *f)
{
	static char text[256];
	text[0] = '\0';
	for (size_t i = 0; i < f->s.listen.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
		         f->s.listen.v[i]);
	return text;
}

static void test_table(void **state)
{
	static const struct loci_alias wrong[][2] = {
	        {{LOCI_ALIAS_KEY, "a", "nowhere"}},
	        {{LOCI_ALIAS_KEY, "a.*", "store"}},
	        {{LOCI_ALIAS_ADDS, "a", "store"}},
	        {{LOCI_ALIAS_HARMLESS, "a", NULL, NULL, NULL}},
	        {{LOCI_ALIAS_REFUSED, "a", NULL, NULL, "a full stop."}},
	};
	static const struct loci_alias hidden[] = {{LOCI_ALIAS_REFUSED, "a.*", NULL, NULL, "x"},
	                                           {LOCI_ALIAS_KEY, "a.b", "store"},
	                                           {0}};
	struct fixture f;
	(void)state;
	begin(&f);
	if (loci__alias_check_table(f.o, &aliases, &f.err) < 0)
		fail_msg("%s", f.err.msg);
	for (size_t i = 0; i < loci__array_len(wrong); i++) {
		struct loci_alias_set set = aliases;
		set.rows = wrong[i];
		assert_int_equal(loci__alias_check_table(f.o, &set, NULL), LOCI_E_INTERNAL);
	}
	struct loci_alias_set set = aliases;
	set.rows = hidden;
	assert_int_equal(loci__alias_check_table(f.o, &set, NULL), LOCI_E_INTERNAL);
	loci__options_free(f.o);
}

static void test_environment(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(env(&f, ENV("THEIRS_HTTP_ADDR=:5000", "THEIRS_STORAGE_CACHE_KIND=x",
	                             "THEIRS_STORAGE_DELETE_ENABLED=false", "THEIRS_HTTP_LOG=false",
	                             "OTHER=1")),
	                 0);
	assert_string_equal(listens(&f), ":5000");
	assert_false(f.s.delete);
	assert_true(f.s.quiet);
	assert_int_equal(loci__options_source(f.o, &f.s.listen), LOCI_SOURCE_ALIAS);
	assert_string_equal(loci__options_notes(f.o), "");
	struct loci_buf b = LOCI_BUF_INIT(4096);
	loci__options_print_values(f.o, &b);
	assert_non_null(strstr(b.p, "listen: [\":5000\"]  # $THEIRS_HTTP_ADDR\n"));
	loci__buf_done(&b);
	loci__options_free(f.o);
}

static void test_order_of_sources(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(file(&f, "store: /file\ndelete: false\n"), 0);
	assert_int_equal(env(&f, ENV("THEIRS_STORAGE_ROOT=/alias", "THEIRS_HTTP_ADDR=:1",
	                             "OURS_HTTP_LISTEN=:2", "OURS_DELETE=true",
	                             "THEIRS_STORAGE_DELETE_ENABLED=true")),
	                 0);
	assert_string_equal(f.s.store, "/alias");
	assert_string_equal(listens(&f), ":2");
	assert_true(f.s.delete);
	/* Only what differs is worth a word. */
	assert_string_equal(loci__options_notes(f.o),
	                    "THEIRS_HTTP_ADDR does not count, as OURS_HTTP_LISTEN is given, too\n");
	loci__options_free(f.o);
}

static void test_a_name_that_adds(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f); /* whatever stands first */
	assert_int_equal(env(&f, ENV("THEIRS_HTTP_DEBUG_ADDR=:2", "THEIRS_HTTP_ADDR=:1")), 0);
	assert_string_equal(listens(&f), ":1,:2");
	loci__options_free(f.o);
	begin(&f); /* to their default */
	assert_int_equal(env(&f, ENV("THEIRS_HTTP_DEBUG_ADDR=:2")), 0);
	assert_string_equal(listens(&f), ":9,:2");
	loci__options_free(f.o);
	begin(&f); /* to what the file says */
	assert_int_equal(file(&f, "http:\n  listen: [':7', ':8']\n"), 0);
	assert_int_equal(env(&f, ENV("THEIRS_HTTP_DEBUG_ADDR=:2")), 0);
	assert_string_equal(listens(&f), ":7,:8,:2");
	loci__options_free(f.o);
}

static void test_sections_as_values(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(env(&f, ENV("THEIRS_STORAGE={\"delete\": {\"enabled\": false}, root: /x}",
	                             "THEIRS_STORAGE_CACHE={}")),
	                 0);
	assert_false(f.s.delete);
	assert_string_equal(f.s.store, "/x");
	assert_int_equal(env(&f, ENV("THEIRS_STORAGE={delte: {enabled: true}}")), LOCI_E_USAGE);
	assert_int_equal(env(&f, ENV("THEIRS_STORAGE={delete: ")), LOCI_E_USAGE);
	assert_int_equal(env(&f, ENV("THEIRS_HTTP_TLS={certificate: x}")), LOCI_E_USAGE);
	loci__options_free(f.o);
}

static const struct {
	const char *variable;
	const char *message;
} refused[] = {
        {"THEIRS_HTTP_TLS_KEY=x", "environment THEIRS_HTTP_TLS_KEY: cannot be honoured: no TLS"},
        {"THEIRS_AUTH=x", "environment THEIRS_AUTH: cannot be honoured: no auth"},
        {"THEIRS_VERSION=1", "environment THEIRS_VERSION: expected 0"},
        {"THEIRS_HTTP_LOG=x", "environment THEIRS_HTTP_LOG: expected true or false, found 'x'"},
        {"THEIRS_STORAGE_DELETE_ENABLED=x",
         "environment THEIRS_STORAGE_DELETE_ENABLED: expected true or false, found 'x'"},
        {"THEIRS_HTTP_ADR=x", "environment THEIRS_HTTP_ADR: not known as a setting of theirs; did "
                              "you mean 'THEIRS_HTTP_ADDR'?"},
        {"THEIRS_ZZZZZZ=x", "environment THEIRS_ZZZZZZ: not known as a setting of theirs"},
        {"THEIRS_HTTP=x", "environment THEIRS_HTTP: not known as a setting of theirs; did you mean "
                          "'THEIRS_HTTP_ADDR'?"},
        {"THEIRS_AUTHOR=x", "environment THEIRS_AUTHOR: not known as a setting of theirs; did you "
                            "mean 'THEIRS_AUTH'?"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < loci__array_len(refused); i++) {
		struct fixture f;
		begin(&f);
		assert_int_equal(env(&f, ENV(refused[i].variable)), LOCI_E_USAGE);
		assert_string_equal(f.err.msg, refused[i].message);
		loci__options_free(f.o);
	}
}

static void test_what_is_nobodys_setting(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	/* Empty ones, and Kubernetes' about a service that is called like the prefix. */
	assert_int_equal(
	        env(&f, ENV("THEIRS_HTTP_TLS_KEY=", "THEIRS_SERVICE_HOST=10.0.0.1",
	                    "THEIRS_SERVICE_PORT=5000", "THEIRS_SERVICE_PORT_HTTP=5000",
	                    "THEIRS_PORT=tcp://10.0.0.1:5000", "THEIRS_PORT_5000_TCP=tcp://x",
	                    "THEIRS_PORT_5000_TCP_ADDR=10.0.0.1", "THEIRS_PORT_5000_TCP_PORT=5000",
	                    "THEIRS_PORT_5000_UDP_PROTO=udp", "THEIRS_UI_SERVICE_HOST=10.0.0.2",
	                    "THEIRS_UI_PORT_80_TCP_PROTO=tcp")),
	        0);
	assert_int_equal(env(&f, ENV("THEIRS_PORT=5000")), LOCI_E_USAGE);
	assert_int_equal(env(&f, ENV("THEIRS_PORT_5000_TCP_X=1")), LOCI_E_USAGE);
	assert_int_equal(env(&f, ENV("THEIRS_PORT_X_TCP=1")), LOCI_E_USAGE);
	loci__options_free(f.o);
}

static void test_their_file(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(
	        file(&f, "http:\n  debug:\n    addr: :2\n  addr: :1\nauth:\nstorage:\n  cache:\n"
	                 "    kind: [a, b]\nversion: 0\n"),
	        LOCI_E_USAGE); /* a driver of auth without options is one all the same */
	assert_string_equal(f.err.msg, "x.yml:5:6: auth: cannot be honoured: no auth");
	loci__options_free(f.o);
	begin(&f);
	assert_int_equal(file(&f, "http:\n  debug:\n    addr: :2\n  addr: :1\nstorage:\n  cache:\n"
	                          "    kind: [a, b]\nversion: 0\n"),
	                 0);
	assert_string_equal(listens(&f), ":1,:2");
	assert_string_equal(f.s.store, "/theirs");
	assert_false(f.s.delete);
	assert_int_equal(env(&f, ENV("THEIRS_STORAGE_ROOT=/x", "OURS_HTTP_LISTEN=:3")), 0);
	assert_string_equal(f.s.store, "/x");
	assert_string_equal(listens(&f), ":3");
	assert_string_equal(loci__options_notes(f.o), "");
	loci__options_free(f.o);
}

static void test_mistakes_in_their_file(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	        {"version: 1\n", "x.yml:1:10: version: expected 0"},
	        {"version: 0\nhttp:\n  adr: x\n", "x.yml:3:8: http.adr: not known as a setting of "
	                                          "theirs; did you mean 'http.addr'?"},
	        {"version: 0\nhttp:\n  addr:\n", "x.yml:3:8: http.addr: no value"},
	        {"version: 0\nauth:\n  - name: x\n",
	         "x.yml:3:3: auth: cannot be honoured: no auth"},
	        {"version: 0\nhttp: [\n", "x.yml:3:1: "},
	        {"version: 0\nstore: /x\n", "x.yml:2:8: store: not known as a setting of theirs"},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(cases); i++) {
		struct fixture f;
		begin(&f);
		assert_int_equal(file(&f, cases[i].text), LOCI_E_USAGE);
		if (strncmp(f.err.msg, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s\nexpected %s", f.err.msg, cases[i].message);
		loci__options_free(f.o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_table),
	        cmocka_unit_test(test_environment),
	        cmocka_unit_test(test_order_of_sources),
	        cmocka_unit_test(test_a_name_that_adds),
	        cmocka_unit_test(test_sections_as_values),
	        cmocka_unit_test(test_refusals),
	        cmocka_unit_test(test_what_is_nobodys_setting),
	        cmocka_unit_test(test_their_file),
	        cmocka_unit_test(test_mistakes_in_their_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
