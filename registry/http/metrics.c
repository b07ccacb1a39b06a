/* SPDX-License-Identifier: Apache-2.0 */
/* The server's numbers at its registry's /metrics, beside those of requests. */
#include "loci/metrics.h"

#include "registry/http/server.h"

#include "core/base/cleanup.h"

static uint64_t field(const struct loci_http_server_stats *s, size_t offset)
{
	return *(const uint64_t *)((const char *)s + offset);
}

static void collect_number(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct loci_http_server_stats s = {.struct_size = sizeof(s)};
	loci_http_server_stats(arg, &s);
	loci_metrics_value(m, NULL, 0, (double)field(&s, f->offset));
}

#define FIELD(name) offsetof(struct loci_http_server_stats, name)

static const struct {
	const char *why;
	size_t offset;
} cuts[] = {
        {"idle", FIELD(cut_idle)},           {"head", FIELD(cut_head)},
        {"body", FIELD(cut_body)},           {"body-rate", FIELD(cut_body_rate)},
        {"write", FIELD(cut_write)},         {"write-rate", FIELD(cut_write_rate)},
        {"room", FIELD(cut_for_room)},       {"head-memory", FIELD(cut_head_memory)},
        {"stop", FIELD(cut_by_stop)},        {"client", FIELD(lost)},
        {"handshake", FIELD(cut_handshake)},
};

static void collect_cuts(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct loci_http_server_stats s = {.struct_size = sizeof(s)};
	(void)f;
	loci_http_server_stats(arg, &s);
	for (size_t i = 0; i < loci__array_len(cuts); i++) {
		const struct loci_metric_label label = {"reason", cuts[i].why};
		loci_metrics_value(m, &label, 1, (double)field(&s, cuts[i].offset));
	}
}

static const struct loci_metric_family families[] = {
        {"loci_http_connections", "Connections that are open", LOCI_METRIC_GAUGE, collect_number,
         FIELD(connections)},
        {"loci_http_in_flight", "Requests whose head is whole and whose end is not yet",
         LOCI_METRIC_GAUGE, collect_number, FIELD(in_flight)},
        {"loci_http_head_memory_bytes", "What unfinished and large request heads hold",
         LOCI_METRIC_GAUGE, collect_number, FIELD(head_memory)},
        {"loci_http_accepted_total", "Connections that were accepted", LOCI_METRIC_COUNTER,
         collect_number, FIELD(accepted)},
        {"loci_http_turned_away_total", "Connections of clients that had as many as they may",
         LOCI_METRIC_COUNTER, collect_number, FIELD(turned_away)},
        {"loci_http_held_up_total", "Times that new connections had to wait", LOCI_METRIC_COUNTER,
         collect_number, FIELD(held_up)},
        {"loci_http_refused_total", "Requests that the server itself refused", LOCI_METRIC_COUNTER,
         collect_number, FIELD(refused)},
        {"loci_http_cut_total", "Connections that ended before their time", LOCI_METRIC_COUNTER,
         collect_cuts, 0},
        {"loci_http_received_bytes_total", "Bytes from clients, heads too", LOCI_METRIC_COUNTER,
         collect_number, FIELD(bytes_in)},
        {"loci_http_sent_bytes_total", "Bytes to clients, heads too", LOCI_METRIC_COUNTER,
         collect_number, FIELD(bytes_out)},
        {"loci_http_cold_reads_total", "Times that a response waited for the disk",
         LOCI_METRIC_COUNTER, collect_number, FIELD(cold_reads)},
        {"loci_http_tls_handshakes_total", "TLS connections that came about", LOCI_METRIC_COUNTER,
         collect_number, FIELD(tls_handshakes)},
        {"loci_http_tls_resumed_total", "Of these, with a session of before", LOCI_METRIC_COUNTER,
         collect_number, FIELD(tls_resumed)},
        {"loci_http_tls_failed_total", "Connections that did not become TLS connections",
         LOCI_METRIC_COUNTER, collect_number, FIELD(tls_failed)},
        {"loci_http_tls_not_after_seconds",
         "When the certificate expires, in seconds since 1970; 0 without TLS", LOCI_METRIC_GAUGE,
         collect_number, FIELD(tls_not_after)},
};

int loci__server_show_metrics(struct loci_http_server *s, struct loci_error *err)
{
	int rc = loci_registry_metrics_add_source(s->shared.registry, families,
	                                          loci__array_len(families), s, err);
	return rc == LOCI_E_EXISTS ? 0 : rc; /* those of another server of this registry */
}

void loci__server_hide_metrics(struct loci_http_server *s)
{
	loci_registry_metrics_remove_source(s->shared.registry, s);
}
