/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/clients.h"

#include "core/base/err.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 4096 /* chains stay short at tens of thousands of clients */

struct loci__client {
	struct loci__client *next;
	uint64_t key;
	bool is_v6;
	unsigned n;
};

struct loci__clients {
	pthread_mutex_t lock;
	unsigned max_each;
	uint64_t seed; /* so that nobody chooses addresses of one bucket */
	struct loci__client *buckets[BUCKETS];
};

int loci__clients_new(unsigned max_each, struct loci__clients **ret, struct loci_error *err)
{
	struct loci__clients *c = calloc(1, sizeof(*c));
	if (!c)
		return loci__err_nomem(err);
	c->max_each = max_each;
	(void)!getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK);
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void loci__clients_free(struct loci__clients *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static uint64_t key_of_v6(const struct in6_addr *a, bool *ret_is_v6)
{
	uint64_t key = 0;
	*ret_is_v6 = !IN6_IS_ADDR_V4MAPPED(a);
	memcpy(&key, a->s6_addr + (*ret_is_v6 ? 0 : 12), *ret_is_v6 ? 8 : 4);
	return key;
}

static bool key_of(const struct sockaddr *from, uint64_t *ret_key, bool *ret_is_v6)
{
	if (from->sa_family == AF_INET6) {
		*ret_key = key_of_v6(&((const struct sockaddr_in6 *)from)->sin6_addr, ret_is_v6);
		return true;
	}
	*ret_is_v6 = false;
	if (from->sa_family == AF_INET)
		*ret_key = ((const struct sockaddr_in *)from)->sin_addr.s_addr;
	return from->sa_family == AF_INET;
}

static struct loci__client **bucket(struct loci__clients *c, uint64_t key)
{
	uint64_t h = (key ^ c->seed) * 0x9e3779b97f4a7c15u;
	return &c->buckets[(h ^ h >> 32) % BUCKETS];
}

static struct loci__client *find_or_make(struct loci__clients *c, uint64_t key, bool is_v6)
{
	struct loci__client **head = bucket(c, key);
	struct loci__client *at = *head;
	while (at && (at->key != key || at->is_v6 != is_v6))
		at = at->next;
	if (at || !(at = calloc(1, sizeof(*at))))
		return at;
	*at = (struct loci__client){.next = *head, .key = key, .is_v6 = is_v6};
	*head = at;
	return at;
}

bool loci__clients_enter(struct loci__clients *c, const struct sockaddr *from,
                         struct loci__client **ret)
{
	uint64_t key;
	bool is_v6;
	*ret = NULL;
	if (!c || !key_of(from, &key, &is_v6))
		return true;
	pthread_mutex_lock(&c->lock);
	struct loci__client *client = find_or_make(c, key, is_v6);
	if (client && client->n < c->max_each) {
		client->n++;
		*ret = client;
	}
	pthread_mutex_unlock(&c->lock);
	return *ret != NULL;
}

void loci__clients_leave(struct loci__clients *c, struct loci__client *client)
{
	if (!client)
		return;
	pthread_mutex_lock(&c->lock);
	if (--client->n == 0) {
		struct loci__client **at = bucket(c, client->key);
		while (*at != client)
			at = &(*at)->next;
		*at = client->next;
		free(client);
	}
	pthread_mutex_unlock(&c->lock);
}
