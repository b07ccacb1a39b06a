/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n newest of any number of tags, in the memory of n: a heap with the oldest of them at its
 * top, which gives way to a newer one.
 */
#include "registry/retention.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	uint64_t time;
	char tag[LOCI_TAG_MAX + 1];
};
struct loci__newest {
	size_t max;
	size_t n;
	struct entry *heap[];
};

/* Older by time; of the same second, the name that comes first. */
static bool is_older(const struct entry *a, const struct entry *b)
{
	return a->time != b->time ? a->time < b->time : strcmp(a->tag, b->tag) < 0;
}

int loci__newest_new(size_t n, struct loci__newest **ret, struct loci_error *err)
{
	struct loci__newest *w =
	        calloc(1, sizeof(*w) + n * (sizeof(w->heap[0]) + sizeof(struct entry)));
	if (!w)
		return loci__err_nomem(err);
	struct entry *entries = (struct entry *)(w->heap + n);
	w->max = n;
	for (size_t i = 0; i < n; i++)
		w->heap[i] = &entries[i];
	*ret = w;
	return 0;
}

void loci__newest_free(struct loci__newest *w)
{
	free(w);
}

static void swap(struct loci__newest *w, size_t a, size_t b)
{
	struct entry *e = w->heap[a];
	w->heap[a] = w->heap[b];
	w->heap[b] = e;
}

static void sift_up(struct loci__newest *w, size_t i)
{
	for (; i > 0 && is_older(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(w, i, (i - 1) / 2);
}

static void sift_down(struct loci__newest *w)
{
	for (size_t i = 0;;) {
		size_t oldest = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < w->n; child++)
			if (is_older(w->heap[child], w->heap[oldest]))
				oldest = child;
		if (oldest == i)
			return;
		swap(w, i, oldest);
		i = oldest;
	}
}

static struct entry entry_of(const struct loci_tag_info *tag)
{
	struct entry e = {.time = tag->pushed_at};
	memcpy(e.tag, tag->tag, sizeof(e.tag));
	return e;
}

void loci__newest_offer(struct loci__newest *w, const struct loci_tag_info *tag)
{
	struct entry e = entry_of(tag);
	if (w->n < w->max) {
		*w->heap[w->n] = e;
		sift_up(w, w->n++);
	} else if (w->n && is_older(w->heap[0], &e)) {
		*w->heap[0] = e;
		sift_down(w);
	}
}

bool loci__newest_has(const struct loci__newest *w, const struct loci_tag_info *tag)
{
	struct entry e = entry_of(tag);
	return w->n < w->max || (w->n && !is_older(&e, w->heap[0]));
}
