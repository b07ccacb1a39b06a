/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that ask for the same again and again. `requests`: as many as answers come, or at a
 * rate of its own, in which case waiting for a free connection counts as the registry's time.
 * `download`: each connection pulls its blob so many times.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

struct requests {
	struct loci_slice *heads; /* one a path */
	unsigned next;
	struct connection **idle; /* of a fixed rate: connections that wait */
	unsigned n_idle;
	uint64_t due_ns;
};

static void prepare(struct load *l)
{
	struct requests *r = calloc(1, sizeof(*r));
	struct connection *scratch = calloc(1, sizeof(*scratch));
	if (!r || !scratch)
		load_die("out of memory");
	r->heads = calloc(l->o.n_paths, sizeof(*r->heads));
	r->idle = calloc(l->o.connections, sizeof(struct connection *));
	if (!r->heads || !r->idle)
		load_die("out of memory");
	for (unsigned i = 0; i < l->o.n_paths; i++) {
		struct loci_slice head =
		        request_head(l, scratch, l->o.method, l->o.paths[i], /* query= */ "",
		                     /* type= */ "application/octet-stream", /* length= */ 0);
		char *copy = malloc(head.n);
		if (!copy)
			load_die("out of memory");
		memcpy(copy, head.p, head.n);
		r->heads[i] = loci__slice(copy, head.n);
	}
	free(scratch);
	l->verb_data = r;
}

static void check(struct load *l, const struct connection *c)
{
	connection_expect(c, l->o.expect);
	uint64_t size = c->answer.is_chunked ? c->chunks.bytes : c->answer.length;
	if (l->o.size && size != l->o.size)
		load_die("%llu bytes, expected %llu", (unsigned long long)size,
		         (unsigned long long)l->o.size);
	latency_add(&l->latency, l->now_ns - c->begun_ns);
	l->n_units++;
}

static bool is_over(const struct load *l)
{
	return (l->end_ns && l->now_ns >= l->end_ns) || (l->o.count && l->n_begun >= l->o.count);
}

static void begin(struct load *l, struct connection *c, uint64_t at_ns, unsigned path)
{
	const struct requests *r = l->verb_data;
	c->begun_ns = at_ns;
	l->n_begun++;
	connection_send(l, c, r->heads[path], (struct loci_slice){0});
}

static unsigned next_path(struct load *l)
{
	struct requests *r = l->verb_data;
	unsigned path = r->next++;
	if (r->next == l->o.n_paths)
		r->next = 0;
	return path;
}

static bool go_on(struct load *l, struct connection *c, bool is_first)
{
	struct requests *r = l->verb_data;
	if (!is_first)
		check(l, c);
	if (is_over(l))
		return false;
	if (l->o.rate)
		r->idle[r->n_idle++] = c;
	else
		begin(l, c, l->now_ns, next_path(l));
	return true;
}

static uint64_t on_time(struct load *l)
{
	struct requests *r = l->verb_data;
	const uint64_t every = 1000000000 / l->o.rate;
	l->now_ns = load_now_ns();
	if (!r->due_ns)
		r->due_ns = l->now_ns;
	while (r->n_idle && is_over(l)) {
		r->n_idle--;
		l->n_active--;
	}
	while (r->n_idle && r->due_ns <= l->now_ns && !is_over(l)) {
		begin(l, r->idle[--r->n_idle], r->due_ns, next_path(l));
		r->due_ns += every;
	}
	return r->due_ns > l->now_ns ? r->due_ns - l->now_ns : every;
}

static bool pull_on(struct load *l, struct connection *c, bool is_first)
{
	if (!is_first)
		check(l, c);
	if (c->item++ == l->o.count)
		return false;
	begin(l, c, l->now_ns, c->index % l->o.n_paths);
	return true;
}

const struct verb load_requests = {
        .name = "requests",
        .unit = "request",
        .prepare = prepare,
        .go_on = go_on,
        .on_time = on_time,
};
const struct verb load_download = {
        .name = "download",
        .unit = "blob",
        .prepare = prepare,
        .go_on = pull_on,
};
