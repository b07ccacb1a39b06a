/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/idle.h"

#include "loci/sys/blobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MAX 256 /* hashers, some 400 bytes each */

struct entry {
	char name[LOCI_SESSION_NAME_MAX]; /* "": free */
	uint64_t hashed;
	uint64_t age; /* smaller is older */
	struct loci_hasher *h;
};

struct loci__idle {
	pthread_mutex_t lock;
	uint64_t clock;
	struct entry entries[IDLE_MAX];
};

struct loci__idle *loci__idle_new(void)
{
	struct loci__idle *t = calloc(1, sizeof(*t));
	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void loci__idle_free(struct loci__idle *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < IDLE_MAX; i++)
		loci_hasher_free(t->entries[i].h);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void loci__idle_put(struct loci__idle *t, const char *name, uint64_t hashed,
                    struct loci_hasher *take_h)
{
	pthread_mutex_lock(&t->lock);
	struct entry *to = &t->entries[0];
	for (size_t i = 1; i < IDLE_MAX && to->h; i++)
		if (!t->entries[i].h || t->entries[i].age < to->age)
			to = &t->entries[i];
	struct loci_hasher *old = to->h;
	to->h = take_h;
	to->hashed = hashed;
	to->age = ++t->clock;
	memcpy(to->name, name, strlen(name) + 1); /* ≤ LOCI_SESSION_NAME_MAX by contract */
	pthread_mutex_unlock(&t->lock);
	loci_hasher_free(old);
}

struct loci_hasher *loci__idle_take(struct loci__idle *t, const char *name, uint64_t *ret_hashed)
{
	struct loci_hasher *h = NULL;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < IDLE_MAX && !h; i++) {
		struct entry *e = &t->entries[i];
		if (!e->h || strcmp(e->name, name))
			continue;
		h = e->h;
		*ret_hashed = e->hashed;
		e->h = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	return h;
}
