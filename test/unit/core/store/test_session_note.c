/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/store/session_note.h"

#include <stdio.h>
#include <string.h>

static struct loci__session_note sample(void)
{
	struct loci__session_note note = {.started = 0x0102030405060708, .state_n = 5};
	snprintf(note.boot, sizeof(note.boot), "d8853c0b-5ace-4bb5-925d-2b56c139c141");
	snprintf(note.repo, sizeof(note.repo), "team/app");
	memcpy(note.state, "state", 5);
	return note;
}

static void assert_same(const struct loci__session_note *a, const struct loci__session_note *b)
{
	assert_true(a->started == b->started);
	assert_string_equal(a->boot, b->boot);
	assert_string_equal(a->repo, b->repo);
	assert_int_equal(a->state_n, b->state_n);
	assert_memory_equal(a->state, b->state, a->state_n);
}

static void round_trip(const struct loci__session_note *note)
{
	unsigned char bytes[LOCI_SESSION_NOTE_MAX + 16];
	struct loci__session_note back;
	size_t n = loci__session_note_format(note, bytes);
	assert_true(n <= LOCI_SESSION_NOTE_MAX);
	assert_int_equal(loci__session_note_parse(bytes, n, &back, NULL), 0);
	assert_same(note, &back);
	memset(bytes + n, 0xee, 16); /* of a longer one that stood there */
	assert_int_equal(loci__session_note_parse(bytes, n + 16, &back, NULL), 0);
	assert_same(note, &back);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct loci__session_note note = sample(), empty = {0}, full = sample();
	round_trip(&note);
	round_trip(&empty);
	memset(full.repo, 'a', LOCI_REPO_MAX);
	memset(full.state, 0x5a, sizeof(full.state));
	full.state_n = sizeof(full.state);
	round_trip(&full);
}

/* Torn or flipped, anywhere: refused. */
static void test_damage(void **state)
{
	(void)state;
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note = sample(), back;
	size_t n = loci__session_note_format(&note, bytes);
	for (size_t i = 0; i < n; i++) {
		assert_true(loci__session_note_parse(bytes, i, &back, NULL) < 0);
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (unsigned char)(1 << bit);
			assert_true(loci__session_note_parse(bytes, n, &back, NULL) < 0);
			bytes[i] ^= (unsigned char)(1 << bit);
		}
	}
	assert_int_equal(loci__session_note_parse(bytes, n, &back, NULL), 0);
	bytes[7]++;
	assert_int_equal(loci__session_note_parse(bytes, n, &back, NULL), LOCI_E_UNSUPPORTED);
}

/* Whole by its checksum, and yet not to be believed. */
static void test_no_repository(void **state)
{
	(void)state;
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note = sample(), back;
	snprintf(note.repo, sizeof(note.repo), "../etc");
	size_t n = loci__session_note_format(&note, bytes);
	assert_int_equal(loci__session_note_parse(bytes, n, &back, NULL), LOCI_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_round_trip),
	        cmocka_unit_test(test_damage),
	        cmocka_unit_test(test_no_repository),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
