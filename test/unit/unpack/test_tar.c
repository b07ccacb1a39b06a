/* SPDX-License-Identifier: Apache-2.0 */
/* The parser alone. What hostile archives do as a whole is tested by test/integration/unpack. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "tar_maker.h"
#include "unpack/tar_parts.h"

#include <limits.h>
#include <stdlib.h>

static struct archive archive;

/* ---- numbers ---- */

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *field; /* 12 bytes */
		bool good;
		int64_t want;
	} rows[] = {
	        {"00000000017\0", true, 15},
	        {"17 \0\0\0\0\0\0\0\0\0", true, 15},
	        {"  17\0junk!\0\0", true, 15},
	        {"            ", true, 0},
	        {"\0\0\0\0\0\0\0\0\0\0\0\0", true, 0},
	        {"777777777777", true, 0xfffffffff},
	        {"18          ", false, 0},
	        {"-1\0\0\0\0\0\0\0\0\0\0", false, 0},
	        {"0x1\0\0\0\0\0\0\0\0\0", false, 0},
	        {"\x80\0\0\0\0\0\0\0\0\0\1\2", true, 258},
	        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", true, -2},
	        {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", true, INT64_MAX},
	        {"\x80\0\0\0\x80\0\0\0\0\0\0\0", false, 0},
	        {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", true, INT64_MIN},
	        {"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", false, 0},
	        {"\x80\1\0\0\0\0\0\0\0\0\0\0", false, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t v = 0;
		bool good = loci__tar_number((const unsigned char *)rows[i].field, 12, &v);
		if (good != rows[i].good || v != rows[i].want)
			fail_msg("row %zu: %d %lld", i, good, (long long)v);
	}
}

/* ---- extended headers ---- */

static void test_pax_times(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t s;
		long ns;
	} rows[] = {
	        {"0", true, 0, 0},
	        {"1.5", true, 1, 500000000},
	        {"1.000000001", true, 1, 1},
	        {"1.0000000019", true, 1, 1},
	        {"-1", true, -1, 0},
	        {"-1.25", true, -2, 750000000},
	        {"-0.1", true, -1, 900000000},
	        {"1.", true, 1, 0},
	        {"9223372036854775806", true, INT64_MAX - 1, 0},
	        {"9223372036854775807", false, 0, 0},
	        {"99999999999999999999", false, 0, 0},
	        {"1.5x", false, 0, 0},
	        {".5", false, 0, 0},
	        {"--1", false, 0, 0},
	        {"-", false, 0, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char record[64];
		/* 2 digits, blank, "mtime=", value, newline */
		int n = snprintf(record, sizeof(record), "%zu mtime=%s\n",
		                 strlen(rows[i].text) + 10, rows[i].text);
		struct loci_tar_pax x = {0};
		loci__tar_pax_reset(&x);
		int rc = loci__tar_pax_parse(&x, record, (size_t)n, NULL);
		if ((rc == 0) != rows[i].good || x.mtime != rows[i].s || x.mtime_ns != rows[i].ns)
			fail_msg("%s: %d %lld.%09ld", rows[i].text, rc, (long long)x.mtime,
			         x.mtime_ns);
		loci__tar_pax_done(&x);
	}
}

static void test_pax_records(void **state)
{
	(void)state;
	char good[] = "15 path=a=b\nc\n\n7 k=vv\n8 path=\n27 SCHILY.xattr.user.a=x\0y\n";
	struct loci_tar_pax x = {0};
	struct loci_error err = {0};
	loci__tar_pax_reset(&x);
	assert_int_equal(loci__tar_pax_parse(&x, good, 15, &err), 0);
	assert_string_equal(x.path, "a=b\nc\n");
	assert_int_equal(loci__tar_pax_parse(&x, good + 15, sizeof(good) - 1 - 15, &err), 0);
	assert_null(x.path);
	assert_int_equal(x.n_xattrs, 1);
	assert_string_equal(x.xattrs[0].name, "user.a");
	assert_int_equal(x.xattrs[0].n, 3);
	assert_memory_equal(x.xattrs[0].value, "x\0y", 3);
	loci__tar_pax_reset(&x);
	assert_int_equal(x.n_xattrs, 0);
	loci__tar_pax_done(&x);
}

/* ---- streams ---- */

struct source {
	size_t at, n, step;
	int code; /* at the end */
};

static ssize_t source_next(void *arg, const unsigned char **ret, struct loci_error *err)
{
	struct source *s = arg;
	size_t n = s->n - s->at < s->step ? s->n - s->at : s->step;
	if (!n && s->code)
		return loci__err_set(err, s->code, "the source broke");
	/* A copy that dies at the next call: whoever keeps a pointer shows under a sanitizer. */
	static unsigned char *lent;
	free(lent);
	lent = malloc(n + 1);
	memcpy(lent, archive.bytes + s->at, n);
	*ret = lent;
	s->at += n;
	return (ssize_t)n;
}

/* A text of everything the parser says, and its last code. */
static int transcribe(struct source *s, char *out, size_t size, struct loci_error *err)
{
	struct loci_chunks in = {source_next, s};
	struct loci_tar *t;
	const struct loci_tar_entry *e;
	size_t n = 0;
	int rc;
	assert_int_equal(loci__tar_new(&in, &t, NULL), 0);
	while ((rc = loci__tar_next(t, &e, err)) > 0) {
		uint64_t offset;
		const unsigned char *p;
		size_t length;
		n += (size_t)snprintf(out + n, size - n, "%c %s>%s %llu:", e->type, e->name,
		                      e->link, (unsigned long long)e->size);
		/* Content of every second entry is left unread. */
		if (e->name[0] == '-')
			continue;
		while ((rc = loci__tar_data(t, &offset, &p, &length, err)) > 0)
			for (size_t i = 0; i < length; i++)
				n += (size_t)snprintf(out + n, size - n, " %llu%c",
				                      (unsigned long long)offset + i, p[i]);
		n += (size_t)snprintf(out + n, size - n, "\n");
		if (rc < 0)
			break;
	}
	if (rc == 0)
		assert_int_equal(loci__tar_next(t, &e, err), 0); /* the end stays */
	loci__tar_free(t);
	return rc;
}

static void make_sample(void)
{
	char big[1300];
	archive.n = 0;
	memset(big, 'z', sizeof(big));
	archive_add(&archive, '5', "d/", "", NULL, 0);
	archive_file(&archive, "d/f", "abc");
	archive_add(&archive, '0', "-skipped", "", big, sizeof(big));
	archive_add(&archive, '2', "d/s", "target", NULL, 0);
	archive_add(&archive, 'x', "pax", "", "16 path=renamed\n", 16);
	archive_file(&archive, "x", "");
	archive_add(&archive, 'L', "l", "", "long name", 10);
	archive_file(&archive, "x", "0123456789");
	archive_add(&archive, 'x', "pax", "",
	            "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=holes\n"
	            "27 GNU.sparse.realsize=100\n",
	            22 + 22 + 25 + 27);
	char content[512 + 3] = "2\n5\n2\n90\n1\n";
	memcpy(content + 512, "pqr", 3);
	archive_add(&archive, '0', "x", "", content, sizeof(content));
	archive_end(&archive);
}

static const char sample_text[] = "5 d/> 0:\n"
                                  "0 d/f> 3: 0a 1b 2c\n"
                                  "0 -skipped> 1300:"
                                  "2 d/s>target 0:\n"
                                  "0 renamed> 0:\n"
                                  "0 long name> 10: 00 11 22 33 44 55 66 77 88 99\n"
                                  "0 holes> 100: 5p 6q 90r\n";

static void test_every_chunk_size(void **state)
{
	(void)state;
	make_sample();
	for (size_t step = 1; step < 1200; step += step < 20 ? 1 : 37) {
		char text[4096] = "";
		struct source s = {.n = archive.n, .step = step};
		struct loci_error err = {0};
		int rc = transcribe(&s, text, sizeof(text), &err);
		if (rc < 0)
			fail_msg("step %zu: %s", step, err.msg);
		assert_string_equal(text, sample_text);
	}
}

/* Wherever the source breaks its own error comes out; wherever the stream is cut it is either a
 * prefix of the archive or refused, never other entries. */
static void test_every_cut(void **state)
{
	(void)state;
	make_sample();
	size_t whole = archive.n - 1024;
	for (size_t n = 0; n < whole; n += 13) {
		char text[4096] = "";
		struct loci_error err = {0};
		struct source s = {.n = n, .step = 512, .code = LOCI_E_UNREACHABLE};
		assert_int_equal(transcribe(&s, text, sizeof(text), &err), LOCI_E_UNREACHABLE);
		assert_string_equal(err.msg, "the source broke");
		s = (struct source){.n = n, .step = 512};
		int rc = transcribe(&s, text, sizeof(text), &err);
		assert_true(rc == 0 || rc == LOCI_E_INVALID);
		if (rc < 0)
			assert_non_null(strstr(err.msg, "cut short"));
	}
}

/* A flipped bit in a header is seen; the message says where. */
static void test_damage_is_located(void **state)
{
	(void)state;
	make_sample();
	char text[4096];
	struct loci_error err = {0};
	archive.bytes[512 + 30] ^= 1;
	struct source s = {.n = archive.n, .step = 4096};
	assert_int_equal(transcribe(&s, text, sizeof(text), &err), LOCI_E_INVALID);
	assert_string_equal(err.msg, "tar header at byte 512: its checksum is wrong");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_pax_times),
	        cmocka_unit_test(test_pax_records), cmocka_unit_test(test_every_chunk_size),
	        cmocka_unit_test(test_every_cut),   cmocka_unit_test(test_damage_is_located),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
