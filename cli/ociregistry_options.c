/* SPDX-License-Identifier: Apache-2.0 */
/* The options of ociregistry: one row each makes flag, environment, file, help and man page. */
#include "cli/ociregistry.h"
#include "conf/value.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "loci/notify.h"
#include "loci/quota.h"
#include "loci/registry_http.h"
#include "loci/retention.h"

#include <string.h>

/* "ADDR:PORT", "[V6]:PORT", ":PORT" or "unix:/PATH"; whether ADDR is one of this machine shows when
 * binding. */
static int check_listen(const char *value, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	struct loci_slice host = {value, 0};
	uint64_t port;
	if (loci__take_text(&c, "unix:/"))
		return 0;
	bool good = loci__take_char(&c, '[') ? loci__take_until(&c, ']', &host) && host.n > 0 &&
	                                               loci__take_char(&c, ':')
	                                     : loci__take_until(&c, ':', &host);
	if (good && loci__take_u64(&c, &port) && loci__cursor_at_end(&c) && port <= 65535)
		return 0;
	return loci__err_set(
	        err, LOCI_E_USAGE,
	        "'%s': expected ADDRESS:PORT, [IPV6-ADDRESS]:PORT, :PORT or unix:/PATH", value);
}

static int check_retention(const char *rule, struct loci_error *err)
{
	struct loci_retention *r;
	int rc = loci_retention_parse(&rule, 1, &r, err);
	if (rc == 0)
		loci_retention_free(r);
	else if (err)
		err->code = LOCI_E_USAGE;
	return rc < 0 ? LOCI_E_USAGE : 0;
}

int loci__ociregistry_parse_quota(const char *text, size_t *ret_path_n, uint64_t *ret_bytes,
                                  struct loci_error *err)
{
	static const struct loci_option size = {LOCI_OPT_SIZE(struct loci_quota, bytes)};
	struct loci_error why;
	const char *sign = strchr(text, '=');
	size_t n = sign ? (size_t)(sign - text) : 0;
	size_t name_n = n > 0 && text[n - 1] == '/' ? n - 1 : n;
	if (!sign || (name_n && !loci_repo_is_valid(text, name_n)))
		return loci__err_set(
		        err, LOCI_E_USAGE,
		        "'%.300s': expected PATH=SIZE ('team/=10GiB', '/=1TiB' for all)", text);
	if (loci__option_value_parse(&size, sign + 1, ret_bytes, &why) < 0)
		return loci__err_set(err, LOCI_E_USAGE, "'%.300s': %s", text, why.msg);
	*ret_path_n = n;
	return 0;
}

static int check_quota(const char *text, struct loci_error *err)
{
	size_t n;
	uint64_t bytes;
	return loci__ociregistry_parse_quota(text, &n, &bytes, err);
}

static const struct loci_option_word durabilities[] = {
        {"full", LOCI_DURABILITY_FULL}, {"relaxed", LOCI_DURABILITY_RELAXED}, {0}};

const struct loci_option_word loci__ociregistry_formats[] = {
        {"table", LOCI_OCIREGISTRY_TABLE}, {"json", LOCI_OCIREGISTRY_JSON}, {0}};

static const struct loci_option_word tls_versions[] = {
        {"1.2", LOCI_TLS_1_2}, {"1.3", LOCI_TLS_1_3}, {0}};

#define S struct loci_ociregistry_settings
const struct loci_option loci__ociregistry_options[] = {
        LOCI_OPT_ROW_CONFIG(S, config),
        LOCI_OPT_ROW_STORE(S, store),
        {LOCI_OPT_LIST(S, listen), .key = "http.listen", .flag = "listen", .letter = 'l',
         .env = "OCIREGISTRY_LISTEN", .value = "127.0.0.1:5000,[::1]:5000", .metavar = "ADDR:PORT",
         .help = "Listen on this address; repeat for more; port 0 takes any free one",
         .section = "HTTP", .check = check_listen},
        {LOCI_OPT_BOOL(S, access_log), .key = "http.access-log", .flag = "access-log",
         .value = "true", .help = "Log one line for each request"},
        {LOCI_OPT_BOOL(S, metrics), .key = "http.metrics", .flag = "metrics", .value = "true",
         .help = "Count requests, and show counters at /metrics in the text format of Prometheus"},
        {LOCI_OPT_SIZE(S, min_free), .key = "http.ready-min-free", .flag = "ready-min-free",
         .value = "64MiB",
         .help = "With less space than this on the store's disk /readyz answers 503; 0 is any"},
        {LOCI_OPT_NUMBER(S, loops), .key = "http.loops", .flag = "loops", .value = "0", .max = 256,
         .help = "Event loops; 0 is one for each core"},
        {LOCI_OPT_NUMBER(S, workers), .key = "http.workers", .flag = "workers", .value = "0",
         .max = 1024,
         .help = "Most threads that wait for the disk with a response, and so many again for all "
                 "else that waits; 0 is 8 for each core, at least 16"},
        {LOCI_OPT_NUMBER(S, carriers), .key = "http.carriers", .flag = "carriers", .value = "0",
         .max = 256,
         .help = "Most threads that receive, hash and write the bodies of uploads; 0 is one for "
                 "each core"},
        {LOCI_OPT_NUMBER(S, max_connections), .key = "http.max-connections",
         .flag = "max-connections", .value = "0",
         .help = "Most connections at a time; 0 is by the limit on open files"},
        {LOCI_OPT_DURATION(S, idle_ms), .key = "http.idle-timeout", .flag = "idle-timeout",
         .value = "60s", .min = 1, .help = "Close a connection that makes no request for so long"},
        {LOCI_OPT_DURATION(S, head_ms), .key = "http.head-timeout", .flag = "head-timeout",
         .value = "10s", .min = 1, .help = "Time for a whole request head"},
        {LOCI_OPT_DURATION(S, body_ms), .key = "http.body-timeout", .flag = "body-timeout",
         .value = "60s", .min = 1, .help = "Time without a byte of an upload from a client"},
        {LOCI_OPT_DURATION(S, write_ms), .key = "http.write-timeout", .flag = "write-timeout",
         .value = "60s", .min = 1, .help = "Time without a byte taken by a client"},
        {LOCI_OPT_SIZE(S, min_body_rate), .key = "http.min-body-rate", .flag = "min-body-rate",
         .value = "512", .min = 1, .max = 1 << 30,
         .help = "Least bytes a second of an upload, of the time that its client is waited for"},
        {LOCI_OPT_SIZE(S, min_write_rate), .key = "http.min-write-rate", .flag = "min-write-rate",
         .value = "512", .min = 1, .max = 1 << 30,
         .help = "Least bytes a second that a client takes of a response"},
        {LOCI_OPT_DURATION(S, rate_grace_ms), .key = "http.rate-grace", .flag = "rate-grace",
         .value = "30s", .min = 100, .max = 3600 * 1000,
         .help = "Cut a client that is slower than these rates for so long"},
        {LOCI_OPT_DURATION(S, drain_ms), .key = "http.drain-timeout", .flag = "drain-timeout",
         .value = "30s", .min = 1, .help = "Time for requests in flight when stopping"},
        {LOCI_OPT_SIZE(S, max_head), .key = "http.max-head", .flag = "max-head", .value = "64KiB",
         .min = 4096, .max = 1 << 20, .help = "Largest request head"},
        {LOCI_OPT_SIZE(S, max_head_memory), .key = "http.max-head-memory",
         .flag = "max-head-memory", .value = "32MiB", .min = 1 << 20, .max = 1ull << 36,
         .help = "Memory for unfinished and large request heads of all connections; beyond it the "
                 "oldest unfinished ones are refused"},
        {LOCI_OPT_NUMBER(S, max_per_client), .key = "http.max-connections-per-client",
         .flag = "max-connections-per-client", .value = "0",
         .help = "Most connections of one address (of IPv6: one /64); 0 is any number, which is "
                 "right behind a proxy"},
        {LOCI_OPT_NUMBER(S, refusals_logged), .key = "http.refusals-logged",
         .flag = "refusals-logged", .value = "20", .min = 1,
         .help = "Most access-log lines a second and loop about malformed requests; more are "
                 "counted in one"},
        {LOCI_OPT_PATH(S, tls_certificate), .key = "http.tls.certificate",
         .flag = "tls-certificate", .metavar = "FILE", .flags = LOCI_OPTION_RELOADS,
         .help = "Serve by HTTPS with this certificate (PEM), those that lead to its root behind "
                 "it; the file is read again on SIGHUP"},
        {LOCI_OPT_PATH(S, tls_key), .key = "http.tls.key", .flag = "tls-key", .metavar = "FILE",
         .flags = LOCI_OPTION_RELOADS, .help = "Its private key (PEM), without a passphrase"},
        {LOCI_OPT_ENUM(S, tls_minimum), .key = "http.tls.minimum-version",
         .flag = "tls-minimum-version", .value = "1.2", .words = tls_versions,
         .flags = LOCI_OPTION_RELOADS, .help = "Oldest TLS version that is spoken"},
        {LOCI_OPT_LIST(S, tls_ciphers), .key = "http.tls.cipher-suites", .flag = "tls-cipher-suite",
         .metavar = "NAME", .flags = LOCI_OPTION_RELOADS,
         .help = "Allow this suite (TLS_AES_128_GCM_SHA256), the preferred one first; of a TLS "
                 "version of which none is named: those with AEAD and forward secrecy"},
        {LOCI_OPT_SIZE(S, max_manifest_size), .key = "registry.max-manifest-size",
         .flag = "max-manifest-size", .value = "4MiB", .min = 1024, .max = 64 << 20,
         .help = "Largest manifest that is taken", .section = "Registry"},
        {LOCI_OPT_SIZE(S, max_blob_size), .key = "registry.max-blob-size", .flag = "max-blob-size",
         .value = "1TiB", .min = 1, .help = "Largest blob that is taken"},
        {LOCI_OPT_NUMBER(S, list_max), .key = "registry.list-max", .flag = "list-max",
         .value = "1000", .min = 1, .max = 10000, .help = "Most names in one page of a listing"},
        {LOCI_OPT_BOOL(S, delete), .key = "registry.delete", .flag = "delete", .value = "true",
         .help = "Allow clients to delete tags, manifests and blobs", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_BOOL(S, read_only), .key = "registry.read-only", .flag = "read-only",
         .value = "false", .help = "Refuse everything that writes", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_BOOL(S, allow_sparse), .key = "registry.allow-sparse", .flag = "allow-sparse",
         .value = "false", .help = "Take manifests that refer to content that is not there",
         .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_BOOL(S, allow_sparse_index), .key = "registry.allow-sparse-index",
         .flag = "allow-sparse-index", .value = "false",
         .help = "Take indexes that list manifests which are not there",
         .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_BOOL(S, allow_foreign), .key = "registry.allow-foreign", .flag = "allow-foreign",
         .value = "true",
         .help = "Take images whose foreign (non-distributable) layers are not there",
         .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_LIST(S, immutable_tags), .key = "registry.immutable-tags",
         .flag = "immutable-tags", .metavar = "REPOS:TAGS",
         .help = "Neither move nor delete tags that these two patterns fit (* within a part of a "
                 "name, ** across parts, ?), as in prod/**:v*; repeat for more",
         .flags = LOCI_OPTION_RELOADS, .check = loci_tag_rule_check},
        {LOCI_OPT_ENUM(S, durability), .key = "storage.durability", .flag = "durability",
         .value = "full", .words = durabilities, .section = "Storage",
         .help = "With relaxed, a power cut may lose what was acknowledged in the last seconds"},
        {LOCI_OPT_DURATION(S, lease_ms), .key = "storage.lease", .flag = "lease", .value = "24h",
         .min = 1000, .max = 3650ull * 24 * 3600 * 1000,
         .help = "Keep a blob that no manifest refers to for so long"},
        {LOCI_OPT_DURATION(S, upload_expiry_ms), .key = "storage.upload-expiry",
         .flag = "upload-expiry", .value = "7d", .min = 1000, .max = 3650ull * 24 * 3600 * 1000,
         .help = "Give up an upload that nobody wrote to for so long"},
        {LOCI_OPT_DURATION(S, upload_check_ms), .key = "storage.upload-check",
         .flag = "upload-check", .value = "1h", .min = 1000, .max = 30ull * 24 * 3600 * 1000,
         .help = "Look so often for uploads to give up"},
        {LOCI_OPT_SIZE(S, map_size), .key = "storage.map-size", .flag = "map-size", .value = "1TiB",
         .min = 1 << 20, .help = "Address space reserved for the index"},
        {LOCI_OPT_NUMBER(S, max_readers), .key = "storage.max-readers", .flag = "max-readers",
         .value = "1024", .min = 8, .max = 65536,
         .help = "Reader slots of the index, for all processes on the store"},
        {LOCI_OPT_BOOL(S, force_remote), .key = "storage.force-remote", .flag = "force-remote",
         .value = "false", .help = "Open a store on a network file system all the same"},
        {LOCI_OPT_LIST(S, retention_rules), .key = "retention.rules", .flag = "retention",
         .metavar = "RULE", .section = "Retention", .check = check_retention,
         .help = "Keep in repositories what 'GLOB: WORD…' says (keep-untagged=TIME, keep-last=N, "
                 "keep-pushed=TIME, keep-pulled=TIME, keep-tags=GLOB,…, keep-all) and remove the "
                 "rest; repeat for more, the first that fits counts",
         .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_DURATION(S, gc_interval_ms), .key = "gc.interval", .flag = "gc-interval",
         .value = "1h", .max = 3650ull * 24 * 3600 * 1000, .section = "Garbage collection",
         .help = "Collect so often while serving, beside all that goes on; 0 never"},
        {LOCI_OPT_DURATION(S, gc_grace_ms), .key = "gc.grace", .flag = "gc-grace", .value = "10s",
         .min = 1000, .max = 24ull * 3600 * 1000,
         .help = "Between hiding what goes and removing it; a push that refers to it brings it "
                 "back"},
        {LOCI_OPT_NUMBER(S, gc_share), .key = "gc.share", .flag = "gc-share", .value = "25",
         .min = 1, .max = 100,
         .help = "Percent of the time that a collection may work; the rest it rests"},
        {LOCI_OPT_NUMBER(S, max_uploads), .key = "limits.max-uploads", .flag = "max-uploads",
         .value = "10000", .min = 1, .section = "Limits",
         .help = "Most uploads open at a time, in the whole store"},
        {LOCI_OPT_SIZE(S, max_upload_bytes), .key = "limits.max-upload-bytes",
         .flag = "max-upload-bytes", .value = "0",
         .help = "Most bytes in open uploads, in the whole store; 0 is what the disk holds"},
        {LOCI_OPT_LIST(S, quotas), .key = "limits.quota", .flag = "quota", .metavar = "PATH=SIZE",
         .check = check_quota,
         .help = "Let the repositories at a path and below it hold so many bytes at most; repeat "
                 "for more, all that fit count",
         .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_NUMBER(S, requests_per_s), .key = "limits.requests-per-second",
         .flag = "requests-per-second", .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Most requests a second of a client (an IPv4 address or an IPv6 /64), others are "
                 "answered 429; 0 is any number"},
        {LOCI_OPT_NUMBER(S, request_burst), .key = "limits.request-burst", .flag = "request-burst",
         .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Requests that a client may make at once; 0 is ten seconds' worth"},
        {LOCI_OPT_NUMBER(S, errors_per_s), .key = "limits.errors-per-second",
         .flag = "errors-per-second", .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Most failures a second of a client (4xx, but not 404 to a HEAD), then it is "
                 "answered 429; 0 is any number"},
        {LOCI_OPT_NUMBER(S, error_burst), .key = "limits.error-burst", .flag = "error-burst",
         .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Failures that a client may have at once; 0 is ten seconds' worth"},
        {LOCI_OPT_NUMBER(S, total_per_s), .key = "limits.total-requests-per-second",
         .flag = "total-requests-per-second", .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Most requests a second of all clients together; 0 is any number"},
        {LOCI_OPT_NUMBER(S, total_burst), .key = "limits.total-request-burst",
         .flag = "total-request-burst", .value = "0", .flags = LOCI_OPTION_RELOADS,
         .help = "Requests of all clients at once; 0 is ten seconds' worth"},
        {LOCI_OPT_NUMBER(S, max_clients), .key = "limits.clients", .flag = "clients",
         .value = "65536", .min = 64, .max = 1 << 22,
         .help = "Clients that these limits tell apart at a time; beyond it the quietest are "
                 "forgotten"},
        {LOCI_OPT_LIST(S, trusted_proxies), .key = "limits.trusted-proxies",
         .flag = "trusted-proxies", .metavar = "NETWORK", .flags = LOCI_OPTION_RELOADS,
         .help = "Take the client's address from X-Forwarded-For when it comes from here (an "
                 "address, 10.0.0.0/8, unix); repeat for more",
         .check = loci_network_check},
        {LOCI_OPT_LIST(S, notify_endpoints), .key = "notify.endpoints", .flag = "notify",
         .metavar = "NAME=URL ...", .section = "Webhooks", .check = loci_notify_check_endpoint,
         .help = "POST what is pushed and deleted to this URL; behind it may stand "
                 "events=push,delete,pull,blobs repos=GLOB,... format=cloudevents|distribution "
                 "batch=N tls=verify|insecure; repeat for more; in the environment a plus does for "
                 "a comma in lists"},
        {LOCI_OPT_LIST(S, notify_headers), .key = "notify.headers", .flag = "notify-header",
         .metavar = "NAME: FIELD: VALUE", .check = loci_notify_check_header,
         .flags = LOCI_OPTION_SECRET,
         .help = "Send this header to the webhook of that name; repeat for more"},
        {LOCI_OPT_LIST(S, notify_secrets), .key = "notify.secrets", .flag = "notify-secret",
         .metavar = "NAME=KEY", .check = loci_notify_check_secret, .flags = LOCI_OPTION_SECRET,
         .help = "Sign what the webhook of that name gets (HMAC with SHA-256, in "
                 "X-Loci-Signature); @FILE reads the key from a file"},
        {LOCI_OPT_STRING(S, notify_source), .key = "notify.source", .flag = "notify-source",
         .metavar = "URI",
         .help = "How events name this registry, best the URL it is reached at; else // and the "
                 "host's name"},
        {LOCI_OPT_NUMBER(S, notify_queue_max), .key = "notify.queue-max",
         .flag = "notify-queue-max", .value = "100000", .min = 1, .max = 100000000,
         .help = "Events that may wait for webhooks; beyond it the oldest are dropped"},
        {LOCI_OPT_DURATION(S, notify_timeout_ms), .key = "notify.timeout", .flag = "notify-timeout",
         .value = "10s", .min = 10, .max = 3600 * 1000,
         .help = "Time for a webhook to take a connection, and without progress of its answer"},
        {LOCI_OPT_DURATION(S, notify_retry_ms), .key = "notify.retry", .flag = "notify-retry",
         .value = "500ms", .min = 10, .max = 3600 * 1000,
         .help = "First wait after a failed request, then doubled"},
        {LOCI_OPT_DURATION(S, notify_retry_max_ms), .key = "notify.retry-max",
         .flag = "notify-retry-max", .value = "60s", .min = 10, .max = 24 * 3600 * 1000,
         .help = "Longest wait between requests to a webhook that fails"},
        {LOCI_OPT_NUMBER(S, notify_rejects_max), .key = "notify.rejects-max",
         .flag = "notify-rejects-max", .value = "5", .min = 1, .max = 1000,
         .help = "Give an event up after it was refused so often with 400, 413, 415 or 422"},
        {0},
};
