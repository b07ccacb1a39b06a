/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of one loop. Only its thread writes them, so an addition is a load and a store, not a
 * locked instruction; anybody may read. A row here is a field of struct loci_http_server_stats.
 */
#ifndef LOCI_REGISTRY_HTTP_COUNTERS_H
#define LOCI_REGISTRY_HTTP_COUNTERS_H

#include "loci/registry_http.h"

#include <stdatomic.h>

#define LOCI_HTTP_COUNTER_MAP(X) \
	X(accepted)              \
	X(turned_away)           \
	X(held_up)               \
	X(requests)              \
	X(refused)               \
	X(ended)                 \
	X(cut_idle)              \
	X(cut_head)              \
	X(cut_head_memory)       \
	X(cut_body)              \
	X(cut_body_rate)         \
	X(cut_write)             \
	X(cut_write_rate)        \
	X(cut_for_room)          \
	X(cut_by_stop)           \
	X(lost)                  \
	X(bytes_in)              \
	X(bytes_out)             \
	X(cold_reads)            \
	X(tls_handshakes)        \
	X(tls_resumed)           \
	X(tls_failed)            \
	X(cut_handshake)

enum loci__http_counter {
#define X(name) LOCI_COUNT_##name,
	LOCI_HTTP_COUNTER_MAP(X)
#undef X
	        LOCI_COUNTERS_
};

struct loci__http_counters {
	_Alignas(64) atomic_uint_fast64_t v[LOCI_COUNTERS_];
};

static inline void loci__count(struct loci__http_counters *c, enum loci__http_counter which,
                               uint64_t n)
{
	uint64_t v = atomic_load_explicit(&c->v[which], memory_order_relaxed);
	atomic_store_explicit(&c->v[which], v + n, memory_order_relaxed);
}

#endif
