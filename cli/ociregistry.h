/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of ociregistry share: its settings, the table that fills them, its commands. */
#ifndef LOCI_CLI_OCIREGISTRY_H
#define LOCI_CLI_OCIREGISTRY_H

#include "cli/program.h"
#include "loci/registry.h"

#include <pthread.h>

struct loci_ociregistry_settings {
	char *config;
	char *store;
	/* http */
	struct loci_string_list listen;
	bool access_log, metrics;
	unsigned loops, workers, carriers, max_connections;
	uint64_t idle_ms, head_ms, body_ms, write_ms, drain_ms;
	uint64_t min_body_rate, min_write_rate, rate_grace_ms;
	uint64_t max_head, max_head_memory;
	unsigned max_per_client, refusals_logged;
	char *tls_certificate, *tls_key;
	int tls_minimum;
	struct loci_string_list tls_ciphers;
	/* registry */
	uint64_t max_manifest_size, max_blob_size;
	unsigned list_max;
	bool delete, read_only, allow_sparse, allow_sparse_index, allow_foreign;
	struct loci_string_list immutable_tags;
	/* limits */
	unsigned requests_per_s, request_burst, errors_per_s, error_burst, total_per_s, total_burst;
	unsigned max_clients;
	struct loci_string_list trusted_proxies;
	/* storage */
	int durability;
	uint64_t lease_ms, map_size;
	uint64_t upload_expiry_ms, upload_check_ms;
	unsigned max_readers;
	bool force_remote;
	/* retention */
	struct loci_string_list retention_rules;
	/* gc */
	uint64_t gc_interval_ms, gc_grace_ms;
	unsigned gc_share;
	/* limits */
	uint64_t max_uploads, max_upload_bytes;
	struct loci_string_list quotas;
	struct {
		bool dry_run;
		uint64_t older_than_ms, wait_ms;
		int format;           /* enum loci_ociregistry_format */
		bool delete_untagged; /* of garbage-collect */
	} gc;
	struct {
		char *repo;
		bool link, copy, trust, keep_tags, dry_run;
		unsigned jobs;
	} import;
	struct {
		char *repo;
		uint64_t rate;
		bool fix, fix_unreadable, restart;
		int format;
	} scrub;
	struct {
		char *output;
		bool referrers, link;
	} export_to;
	struct {
		bool dry_run;
	} retention;
	struct {
		int format; /* enum loci_ociregistry_format */
		bool dry_run;
	} repo;
	/* read-only */
	char *reason;
	struct {
		int format; /* enum loci_ociregistry_format */
		uint64_t older_than_ms;
	} upload;
	/* notify */
	struct loci_string_list notify_endpoints, notify_headers, notify_secrets;
	char *notify_source;
	uint64_t notify_queue_max, notify_timeout_ms, notify_retry_ms, notify_retry_max_ms;
	unsigned notify_rejects_max;
	uint64_t min_free;
};
enum loci_ociregistry_format { LOCI_OCIREGISTRY_TABLE = 0, LOCI_OCIREGISTRY_JSON };
extern const struct loci_option_word loci__ociregistry_formats[];

extern const struct loci_option loci__ociregistry_options[];
extern const struct loci_option loci__ociregistry_upload_options[];
extern const struct loci_alias_set loci__ociregistry_aliases;
extern const struct loci_option loci__ociregistry_import_options[];
extern const struct loci_option loci__ociregistry_export_options[];
extern const struct loci_option loci__ociregistry_scrub_options[];
extern const struct loci_exit_row loci__ociregistry_scrub_exits[];

/* The store of --store, with what the settings say of it. */
int loci__ociregistry_open_store(const struct loci_invocation *inv, struct loci_store **ret,
                                 struct loci_error *err);

/* USAGE when the store is another user's: what root makes in it, its server could not read. */
int loci__ociregistry_check_user(const struct loci_ociregistry_settings *s, struct loci_error *err);

/* What the settings say of the registry, but for its store. */
struct loci_registry_opts loci__ociregistry_registry_opts(const struct loci_ociregistry_settings *s,
                                                          const struct loci_log *log);

/* What the settings say of TLS, into the fields of o. USAGE. */
struct loci_http_server_opts;
struct loci_http_server;
int loci__ociregistry_set_tls(const struct loci_ociregistry_settings *s,
                              struct loci_http_server_opts *o, struct loci_error *err);
/* Whether that can be served with; until when, into the log. */
int loci__ociregistry_check_tls(const struct loci_ociregistry_settings *s,
                                const struct loci_log *log, struct loci_error *err);

/* For commands: the same, and an error when there is none or when it is another user's. */
int loci__ociregistry_open_existing_store(const struct loci_invocation *inv,
                                          struct loci_store **ret, struct loci_error *err);

/* "PATH=SIZE": the length of the path, and the bytes. USAGE. */
int loci__ociregistry_parse_quota(const char *text, size_t *ret_path_n, uint64_t *ret_bytes,
                                  struct loci_error *err);
/* limits.quota, from the next write on. */
int loci__ociregistry_set_quotas(const struct loci_ociregistry_settings *s,
                                 struct loci_store *store, struct loci_error *err);

extern const struct loci_option loci__ociregistry_repo_options[];
int loci__ociregistry_repo(const struct loci_invocation *inv, struct loci_error *err);

/* The rules of retention that a server applies; see ociregistry_rules.c. */
struct loci_retention;
struct loci_ociregistry_rules {
	struct loci_store *store;
	const struct loci_log *log;
	pthread_mutex_t lock;
	struct loci_retention *now;           /* NULL: none */
	const struct loci_retention *running; /* what a run began with */
};
void loci__ociregistry_rules_init(struct loci_ociregistry_rules *r, struct loci_store *store,
                                  const struct loci_log *log);
void loci__ociregistry_rules_done(struct loci_ociregistry_rules *r);
/* Those of the settings, from the next run on. */
int loci__ociregistry_rules_set(struct loci_ociregistry_rules *r,
                                const struct loci_ociregistry_settings *s, struct loci_error *err);
/* A loci_upkeep_task_fn; arg: the rules. */
int loci__ociregistry_rules_run(void *arg, bool (*is_canceled)(void *arg), void *cancel_arg,
                                struct loci_error *err);

extern const struct loci_option loci__ociregistry_retention_options[];
int loci__ociregistry_retention(const struct loci_invocation *inv, struct loci_error *err);
/* Applies the rules of the settings and prints what goes. */
int loci__ociregistry_apply_retention(const struct loci_invocation *inv, struct loci_store *store,
                                      bool dry_run, struct loci_error *err);
/* Whether a rule asks when something was pulled. */
bool loci__ociregistry_wants_pulls(const struct loci_ociregistry_settings *s);

extern const struct loci_option loci__ociregistry_gc_options[];
extern const struct loci_exit_row loci__ociregistry_gc_exits[];
int loci__ociregistry_gc(const struct loci_invocation *inv, struct loci_error *err);
extern const struct loci_option loci__ociregistry_garbage_collect_options[];
int loci__ociregistry_garbage_collect(const struct loci_invocation *inv, struct loci_error *err);
int loci__ociregistry_upload(const struct loci_invocation *inv, struct loci_error *err);
/* cli/ociregistry_notify.c: the webhooks of the configuration. */
struct loci_notify;
int loci__ociregistry_notify_new(const struct loci_invocation *inv, struct loci_store *store,
                                 struct loci_registry *registry, struct loci_notify **ret,
                                 struct loci_error *err);

/* cli/ociregistry_metrics.c: numbers of collections, at /metrics. */
struct loci_gc_stats;
void loci__ociregistry_count_collection(void *arg, int rc, const struct loci_gc_stats *stats);
int loci__ociregistry_metrics_add(struct loci_registry *registry, struct loci_error *err);

int loci__ociregistry_serve(const struct loci_invocation *inv, struct loci_error *err);
int loci__ociregistry_import(const struct loci_invocation *inv, struct loci_error *err);
int loci__ociregistry_export(const struct loci_invocation *inv, struct loci_error *err);
int loci__ociregistry_scrub(const struct loci_invocation *inv, struct loci_error *err);
/* On SIGHUP: reads file and environment again and applies what may change. */
void loci__ociregistry_reload(const struct loci_invocation *inv,
                              struct loci_ociregistry_rules *rules, struct loci_registry *registry,
                              struct loci_http_server *server);

extern const struct loci_option loci__ociregistry_read_only_options[];
int loci__ociregistry_read_only(const struct loci_invocation *inv, struct loci_error *err);

/* fn for each argument behind the verb, whatever becomes of the others, until it is interrupted
 * (CANCELED). Each failure is told; the last one is returned. */
typedef int (*loci__ociregistry_argument_fn)(const struct loci_invocation *inv,
                                             struct loci_store *store, const char *text,
                                             struct loci_error *err);
int loci__ociregistry_each_argument(const struct loci_invocation *inv, struct loci_store *store,
                                    loci__ociregistry_argument_fn fn, struct loci_error *err);

#endif
