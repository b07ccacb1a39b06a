/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edit distance with transpositions counted once (optimal string alignment), because "lsiten" is
 * the commonest slip. Names are short: three rows of a matrix on the stack.
 */
#include "conf/nearest.h"

#include <limits.h>
#include <string.h>

#define NAME_MAX_COMPARED 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

static unsigned edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned rows[3][NAME_MAX_COMPARED + 1];
	for (unsigned j = 0; j <= n_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		unsigned *now = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= n_b; j++) {
			now[j] = min3(above[j] + 1, now[j - 1] + 1,
			              above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < now[j])
				now[j] = above2[j - 2] + 1;
		}
	}
	return rows[n_a % 3][n_b];
}

void loci__nearest_init(struct loci_nearest *n, const char *wanted)
{
	*n = (struct loci_nearest){.wanted = wanted, .distance = UINT_MAX};
}

void loci__nearest_offer(struct loci_nearest *n, const char *candidate)
{
	size_t n_w = strlen(n->wanted), n_c = strlen(candidate);
	if (n_w > NAME_MAX_COMPARED || n_c > NAME_MAX_COMPARED || n_w < 2)
		return;
	/* A third of the letters may be wrong, and something that merely starts alike is close. */
	unsigned limit = n_w < 4 ? 1 : (unsigned)(n_w + 2) / 3;
	unsigned distance = edit_distance(n->wanted, n_w, candidate, n_c);
	if (distance > limit && n_w >= 3 && strncmp(n->wanted, candidate, n_w) == 0)
		distance = limit;
	if (distance <= limit && distance < n->distance) {
		n->best = candidate;
		n->distance = distance;
	}
}
