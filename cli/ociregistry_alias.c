/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of registry:2 (distribution, 2.x and 3.x): which are ours by another name, which say
 * nothing here, which cannot be honoured and so keep the server from starting. Whoever swaps the
 * image in a compose file must neither lose a setting without a word nor have to rename the others.
 */
#include "cli/ociregistry.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <inttypes.h>
#include <string.h>

/* ---- their values as ours -------------------------------------------------------------------- */

static int refuse(const char *text, const char *expected, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_USAGE, "expected %s, found '%.64s'", expected, text);
}

struct word {
	const char *theirs, *ours;
};

static int take_word(const struct word *words, size_t n, const char *text, const char *expected,
                     struct loci_buf *ret, struct loci_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].theirs, text) == 0)
			return loci__buf_puts(ret, words[i].ours);
	return refuse(text, expected, err);
}

static int to_level(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	static const struct word words[] = {
	        {"error", "error"}, {"warn", "warn"},   {"warning", "warn"}, {"info", "info"},
	        {"debug", "debug"}, {"trace", "debug"}, {"fatal", "error"},  {"panic", "error"},
	};
	return take_word(words, loci__array_len(words), text, "error, warn, info or debug", ret,
	                 err);
}

static int to_format(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	static const struct word words[] = {
	        {"text", "text"}, {"json", "json"}, {"logstash", "json"}};
	return take_word(words, loci__array_len(words), text, "text, json or logstash", ret, err);
}

static int to_sparse(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	static const struct word words[] = {{"all", "false"}, {"none", "true"}};
	return take_word(words, loci__array_len(words), text, "all or none", ret, err);
}

static int to_tls_version(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	static const struct word words[] = {{"tls1.2", "1.2"}, {"tls1.3", "1.3"}};
	return take_word(words, loci__array_len(words), text, "tls1.2 or tls1.3", ret, err);
}

/* "[A, B]", as the environment has it; in a file each has come by itself. */
static int to_list(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	size_t n = strlen(text);
	bool braced = n > 1 && text[0] == '[' && text[n - 1] == ']';
	(void)err;
	for (size_t i = braced; i < n - braced; i++)
		if (!strchr(" '\"", text[i]))
			loci__buf_putc(ret, text[i]);
	return 0;
}

/* As YAML 1.1 has them. */
static bool take_switch(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
	             {"false", false}, {"no", false}, {"off", false}, {"0", false}};
	for (size_t i = 0; i < loci__array_len(words); i++)
		if (loci__slice_is_nocase(loci__slice(text, strlen(text)), words[i].word)) {
			*ret = words[i].value;
			return true;
		}
	return false;
}

static int to_switch(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	bool on;
	if (!take_switch(text, &on))
		return refuse(text, "true or false", err);
	return loci__buf_puts(ret, on ? "true" : "false");
}

/* The whole section as one value: "enabled: true". */
static int to_enabled(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	if (loci__take_text(&c, "enabled:"))
		loci__skip_blanks(&c);
	return to_switch(c.p, ret, err);
}

static int to_negation(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	bool on;
	if (!take_switch(text, &on))
		return refuse(text, "true or false", err);
	return loci__buf_puts(ret, on ? "false" : "true");
}

/* One number and unit of a Go duration, in milliseconds; a fraction may follow a dot. */
static bool take_go_part(struct loci_cursor *c, double *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"h", 3600e3}, {"ms", 1},    {"m", 60e3},      {"s", 1e3},
	             {"ns", 1e-6},  {"us", 1e-3}, {"\u00b5s", 1e-3}};
	struct loci_slice digits;
	uint64_t whole;
	double fraction = 0, scale = 1;
	if (!loci__take_u64(c, &whole) || whole > UINT32_MAX)
		return false;
	if (loci__take_char(c, '.') && loci__take_run(c, loci__is_digit, &digits))
		for (size_t i = 0; i < digits.n; i++)
			fraction += (digits.p[i] - '0') / (scale *= 10);
	for (size_t i = 0; i < loci__array_len(units); i++)
		if (loci__take_text(c, units[i].unit)) {
			*ret_ms += ((double)whole + fraction) * units[i].ms;
			return true;
		}
	return false;
}

/* "1h30m", "1.5s", "0". None at all is the shortest that we have. */
static int to_duration(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	double ms = 0;
	bool well = strcmp(text, "0") == 0;
	if (!well)
		do
			well = take_go_part(&c, &ms);
		while (well && !loci__cursor_at_end(&c));
	if (!well || ms > 1e15)
		return refuse(text, "a time like 30s or 1h30m", err);
	return loci__buf_printf(ret, "%" PRIu64 "ms", ms < 1 ? 1 : (uint64_t)ms);
}

/* ---- values that are without effect ---------------------------------------------------------- */

static int only(const char *text, const char *value, struct loci_error *err)
{
	return strcmp(text, value) == 0 ? 0 : refuse(text, value, err);
}

static int only_version(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return only(text, "0.1", err);
}

static int only_filesystem(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return only(text, "filesystem", err);
}

static int only_tcp(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return strcmp(text, "tcp") == 0
	               ? 0
	               : refuse(text, "tcp (a socket is http.addr: unix:/PATH)", err);
}

static int only_root(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return !*text ? 0 : only(text, "/", err);
}

static int only_metrics(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return only(text, "/metrics", err);
}

static int only_nosniff(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	(void)ret;
	return strstr(text, "nosniff") ? 0 : refuse(text, "nosniff", err);
}

/* One pattern, or a list of one as the environment has it. Anything narrower asks for URLs to be
 * judged, which nobody does here. */
static int only_any_url(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	static const char *const any[] = {".*",         "^.*",          "^.*$",
	                                  "^https?://", "^https?://.*", "^https?://.*$"};
	size_t n = strlen(text);
	struct loci_slice pattern = {text, n};
	(void)ret;
	if (n > 1 && text[0] == '[' && text[n - 1] == ']')
		pattern = loci__slice(text + 1, n - 2);
	for (size_t i = 0; i < loci__array_len(any); i++)
		if (loci__slice_is(pattern, any[i]))
			return 0;
	return refuse(text, ".* or ^https?://, as URLs in manifests are not judged", err);
}

static int only_off(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	bool on;
	(void)ret;
	return take_switch(text, &on) && !on ? 0 : refuse(text, "false", err);
}

static int only_on(const char *text, struct loci_buf *ret, struct loci_error *err)
{
	bool on;
	(void)ret;
	return take_switch(text, &on) && on ? 0 : refuse(text, "true", err);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define KEY(path_, key_, ...)                                               \
	{                                                                   \
		LOCI_ALIAS_KEY, .path = (path_), .key = (key_), __VA_ARGS__ \
	}
#define ADDS(path_, key_, ...)                                               \
	{                                                                    \
		LOCI_ALIAS_ADDS, .path = (path_), .key = (key_), __VA_ARGS__ \
	}
#define HARMLESS(path_, why_, ...)                                               \
	{                                                                        \
		LOCI_ALIAS_HARMLESS, .path = (path_), .why = (why_), __VA_ARGS__ \
	}
#define REFUSED(path_, why_)                                       \
	{                                                          \
		LOCI_ALIAS_REFUSED, .path = (path_), .why = (why_) \
	}

#define OTHER_STORAGE "blobs are kept on a local file system only"

static const struct loci_alias rows[] = {
        KEY("http.addr", "http.listen"),
        ADDS("http.debug.addr", "http.listen",
             .why = "/metrics is served there, and all the rest, too; by HTTPS with a certificate"),
        KEY("http.draintimeout", "http.drain-timeout", .convert = to_duration),
        KEY("http.tls.certificate", "http.tls.certificate"),
        KEY("http.tls.key", "http.tls.key"),
        KEY("http.tls.minimumtls", "http.tls.minimum-version", .convert = to_tls_version),
        KEY("http.tls.ciphersuites", "http.tls.cipher-suites", .convert = to_list),
        KEY("log.level", "log.level", .convert = to_level),
        KEY("loglevel", "log.level", .convert = to_level),
        KEY("log.formatter", "log.format", .convert = to_format),
        KEY("log.accesslog.disabled", "http.access-log", .convert = to_negation),
        KEY("storage.filesystem.rootdirectory", "store",
            .why = "The store's own layout is in it; what registry:2 left is taken over by "
                   "ociregistry import"),
        KEY("storage.delete.enabled", "registry.delete", .convert = to_switch,
            .why = "Off in a file of registry:2 that does not say so"),
        KEY("storage.maintenance.readonly.enabled", "registry.read-only", .convert = to_switch),
        KEY("storage.maintenance.readonly", "registry.read-only", .convert = to_enabled),
        KEY("storage.maintenance.uploadpurging.age", "storage.upload-expiry",
            .convert = to_duration),
        KEY("storage.maintenance.uploadpurging.interval", "storage.upload-check",
            .convert = to_duration),
        KEY("catalog.maxentries", "registry.list-max"),
        KEY("validation.manifests.indexes.platforms", "registry.allow-sparse-index",
            .convert = to_sparse),

        HARMLESS("version", "only 0.1 is known", .convert = only_version),
        HARMLESS("http.net", "only tcp", .convert = only_tcp),
        HARMLESS("http.host", "Locations are relative, so they are right under every name"),
        HARMLESS("http.prefix", "only /, as clients ask for /v2/", .convert = only_root),
        HARMLESS("http.secret", "not needed: an upload's state is kept by the server and never "
                                "comes back signed"),
        HARMLESS("http.relativeurls", "Locations are relative in any case"),
        HARMLESS("http.http2.*", "HTTP/1.1 is served"),
        HARMLESS("http.h2c.enabled", "only false: HTTP/1.1 is served", .convert = only_off),
        HARMLESS("http.headers.X-Content-Type-Options",
                 "only nosniff, which is sent with manifests", .convert = only_nosniff),
        HARMLESS("http.debug.prometheus.enabled", "http.metrics is on by itself"),
        HARMLESS("http.debug.prometheus.path", "only /metrics", .convert = only_metrics),
        HARMLESS("log.fields.*", "no fields are added"),
        HARMLESS("log.reportcaller", "records name their component"),
        HARMLESS("storage", "only filesystem", .convert = only_filesystem),
        HARMLESS("storage.filesystem.maxthreads",
                 "http.workers and http.carriers bound the threads"),
        HARMLESS("storage.filesystem", "the storage that there is"),
        HARMLESS("storage.cache.*", "the index needs no cache"),
        HARMLESS("storage.redirect.*", "blobs are served from here"),
        HARMLESS("storage.tag.*", "tags are rows of the index"),
        HARMLESS("storage.maintenance.uploadpurging.enabled",
                 "only true: an upload that nobody goes on with expires", .convert = only_on),
        HARMLESS("storage.maintenance.uploadpurging.dryrun", "only false", .convert = only_off),
        HARMLESS("health.storagedriver.*", "/readyz looks at the store when it is asked"),
        HARMLESS("validation.enabled", "manifests are always checked"),
        HARMLESS("validation.disabled", "manifests are always checked"),
        HARMLESS("validation.manifests.urls.allow",
                 "only .* and ^https?://: URLs in manifests are kept, never followed",
                 .convert = only_any_url),
        HARMLESS("compatibility.schema1.enabled", "only false: schema 1 is not served",
                 .convert = only_off),
        HARMLESS("compatibility.schema1.signingkeyfile", "schema 1 is not served"),
        HARMLESS("auth.file", "REGISTRY_AUTH_FILE names the credentials of clients"),

        REFUSED("configuration.path", "name the file by --config or as the argument"),
        REFUSED("http.tls.clientcas.*", "clients are not asked for certificates"),
        REFUSED("http.tls.clientauth", "clients are not asked for certificates"),
        REFUSED("http.tls.letsencrypt.*",
                "certificates are not asked for here; certbot and the like write the files, and "
                "SIGHUP reads them"),
        REFUSED("http.headers.*", "headers of one's own are not sent; a proxy can add them"),
        REFUSED("auth.*", "there is no access control yet; without it everybody could push"),
        REFUSED("proxy.*", "pulling through from another registry is not built in yet"),
        REFUSED("redis.*", "there is no cache to keep in redis"),
        REFUSED("notifications.*",
                "say it by notify.endpoints, whose events can have their form, too "
                "(format=distribution)"),
        REFUSED("health.file.*", "only the store is looked at"),
        REFUSED("health.http.*", "only the store is looked at"),
        REFUSED("health.tcp.*", "only the store is looked at"),
        REFUSED("storage.s3.*", OTHER_STORAGE),
        REFUSED("storage.azure.*", OTHER_STORAGE),
        REFUSED("storage.gcs.*", OTHER_STORAGE),
        REFUSED("storage.swift.*", OTHER_STORAGE),
        REFUSED("storage.oss.*", OTHER_STORAGE),
        REFUSED("storage.inmemory.*", OTHER_STORAGE),
        REFUSED("storage.middleware.*", "there is no middleware"),
        REFUSED("middleware.*", "there is no middleware"),
        REFUSED("reporting.*", "nothing is reported to others"),
        REFUSED("log.hooks.*", "the log goes to standard error only"),
        REFUSED("validation.manifests.urls.deny", "URLs in manifests are not judged"),
        REFUSED("validation.manifests.indexes.platformlist.*",
                "an index is taken with all of its entries or, sparse, with any"),
        REFUSED("policy.*", "classes of repositories are not known"),
        {0},
};

/* Where theirs are stricter, or name another place. */
static const struct loci_alias_default file_defaults[] = {
        {"store", "/var/lib/registry"},
        {"registry.delete", "false"},
        {0},
};

const struct loci_alias_set loci__ociregistry_aliases = {
        .prefix = "REGISTRY_",
        .program = "registry:2",
        .mark = "version",
        .rows = rows,
        .file_defaults = file_defaults,
        .list_start = ":5000",
};
