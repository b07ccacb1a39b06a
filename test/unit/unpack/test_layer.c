/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way of a layer: limits, faults of the source at every place, options, diff IDs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "scratch_dir.h"
#include "tar_maker.h"
#include "unpack/layer.h"

#define TAR_TYPE "application/vnd.oci.image.layer.v1.tar"

static struct archive archive;
static struct scratch top;

struct source {
	size_t at, n, step;
	int code;
};

static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	if (s->at == s->n && s->code)
		return loci__err_set(err, s->code, "the source broke");
	n = n < s->step ? n : s->step;
	n = n < s->n - s->at ? n : s->n - s->at;
	memcpy(buf, archive.bytes + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static int setup(void **state)
{
	(void)state;
	char text[3000];
	umask(0);
	archive.n = 0;
	memset(text, 't', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 60; i++) {
		char name[32];
		snprintf(name, sizeof(name), "dir%d/file%d", i % 7, i);
		archive_file(&archive, name, text);
	}
	archive_file(&archive, "dir0/.wh.gone", "");
	archive_file(&archive, ".wh..wh.aufs", "");
	archive_end(&archive);
	return scratch_open(&top);
}

static int teardown(void **state)
{
	(void)state;
	return scratch_close(&top);
}

static int run(struct source *s, enum loci_stages stages, int alg,
               const struct loci_unpack_opts *given, struct loci_unpack_stats *ret,
               struct loci_error *err)
{
	struct loci_reader in = {source_read, s};
	struct loci_layer_job job = {
	        .root_fd = top.fd, .media_type = TAR_TYPE, .in = &in, .alg = alg, .stages = stages};
	struct loci_unpack_opts o = given ? *given : (struct loci_unpack_opts){0}, full;
	o.struct_size = sizeof(o);
	o.reserve = 1;
	o.flags = geteuid() ? LOCI_UNPACK_ROOTLESS : 0;
	assert_int_equal(loci__unpack_opts(&o, &full, NULL), 0);
	return loci__unpack_run(&job, &full, ret, err);
}

static void test_stats(void **state)
{
	(void)state;
	static const int algs[] = {LOCI_SHA256, LOCI_SHA512};
	for (int stages = LOCI_STAGES_AUTO; stages <= LOCI_STAGES_TWO; stages++)
		for (int a = 0; a < 2; a++) {
			struct source s = {.n = archive.n, .step = 1000};
			struct loci_unpack_stats stats;
			struct loci_error err = {0};
			struct loci_digest want;
			if (run(&s, (enum loci_stages)stages, algs[a], NULL, &stats, &err) < 0)
				fail_msg("%s", err.msg);
			assert_int_equal(
			        loci_digest_bytes(algs[a], archive.bytes, archive.n, &want, NULL),
			        0);
			assert_true(loci_digest_equal(&want, &stats.diff_id));
			assert_int_equal(stats.entries, 62);
			assert_int_equal(stats.skipped, 1);
			assert_int_equal(stats.bytes, archive.n);
		}
}

/* A source that breaks at any place: its error, no thread and no fd left. */
static void test_source_breaks(void **state)
{
	(void)state;
	unsigned before = count_fds();
	for (size_t n = 0; n <= archive.n; n += 4999)
		for (int stages = LOCI_STAGES_ONE; stages <= LOCI_STAGES_TWO; stages++) {
			struct source s = {.n = n, .step = 512, .code = LOCI_E_TIMEOUT};
			struct loci_unpack_stats stats;
			struct loci_error err = {0};
			assert_int_equal(
			        run(&s, (enum loci_stages)stages, LOCI_SHA256, NULL, &stats, &err),
			        LOCI_E_TIMEOUT);
			assert_string_equal(err.msg, "the source broke");
			assert_int_equal(count_fds(), before);
		}
}

static void test_limits(void **state)
{
	(void)state;
	struct loci_unpack_stats stats;
	const struct {
		struct loci_unpack_opts o;
		int code;
	} rows[] = {
	        {{.max_bytes = 100000}, LOCI_E_TOO_LARGE},
	        {{.max_bytes = 300000}, 0},
	        {{.max_entries = 61}, LOCI_E_TOO_LARGE},
	        {{.max_entries = 62}, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct source s = {.n = archive.n, .step = 4096};
		assert_int_equal(run(&s, LOCI_STAGES_AUTO, LOCI_SHA256, &rows[i].o, &stats, NULL),
		                 rows[i].code);
	}
}

static void test_public_call(void **state)
{
	(void)state;
	struct source s = {.n = archive.n, .step = 4096};
	struct loci_reader in = {source_read, &s};
	struct loci_unpack_opts o = {.struct_size = sizeof(o), .reserve = 1};
	struct loci_error err = {0};
	o.flags = geteuid() ? LOCI_UNPACK_ROOTLESS : 0;
	assert_int_equal(loci_unpack_layer(top.fd, "text/plain", &in, &o, NULL, &err),
	                 LOCI_E_UNSUPPORTED);
	assert_int_equal(loci_unpack_layer(top.fd, TAR_TYPE "+gzip", &in, &o, NULL, &err),
	                 LOCI_E_INVALID);
	s.at = 0;
	assert_int_equal(loci_unpack_layer(top.fd, TAR_TYPE, &in, &o, NULL, &err), 0);
	assert_int_equal(faccessat(top.fd, "dir6/file6", F_OK, 0), 0);
	struct loci_unpack_opts unset = {0};
	assert_int_equal(loci_unpack_layer(top.fd, TAR_TYPE, &in, &unset, NULL, &err),
	                 LOCI_E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_source_breaks, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_public_call, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
