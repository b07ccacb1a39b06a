/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: the file and the environment are read again, as if the program was started now with the
 * same command line. What may change while serving is applied, all of it or nothing; the log names
 * each key that changed, and those that wait for a restart.
 */
#include "cli/ociregistry.h"
#include "core/base/logger.h"
#include "loci/registry_http.h"

#include <stdio.h>
#include <string.h>

#define COMPONENT "ociregistry"
#define SHOWN_MAX 256 /* bytes of a value in the log */

struct report {
	const struct loci_log *log;
	unsigned applied, waiting;
};

/* A list may be long; a line of the log need not be. */
static const char *shorten(const char *text, char buf[SHOWN_MAX])
{
	int n = snprintf(buf, SHOWN_MAX, "%s", text);
	if (n >= SHOWN_MAX)
		memcpy(buf + SHOWN_MAX - sizeof("..."), "...", sizeof("..."));
	return buf;
}

static void on_changed(void *arg, const struct loci_option *row, bool adopted, const char *old,
                       const char *now)
{
	struct report *r = arg;
	char shown[2][SHOWN_MAX];
	const struct loci_log_field fields[] = {{"key", row->key ? row->key : row->flag},
	                                        {"old", shorten(old, shown[0])},
	                                        {"new", shorten(now, shown[1])}};
	if (adopted)
		r->applied++;
	else
		r->waiting++;
	loci__log_fields(r->log, adopted ? LOCI_LOG_INFO : LOCI_LOG_WARN, COMPONENT,
	                 adopted ? "setting changed" : "setting needs a restart", fields,
	                 sizeof(fields) / sizeof(fields[0]));
}

/* The parts that take new settings. */
struct served {
	struct loci_ociregistry_rules *rules;
	struct loci_registry *registry;
	struct loci_http_server *server;
};

/* The files may be others under the same names. */
static int apply_tls(const struct loci_invocation *now, struct loci_http_server *server,
                     struct loci_error *err)
{
	struct loci_http_server_opts o = {.struct_size = sizeof(o)};
	int r = loci__ociregistry_set_tls(now->settings, &o, err);
	return r < 0 ? r : loci_http_server_reload_tls(server, &o, err);
}

/* What can be undone by doing it with the values before. */
static int apply_values(const struct loci_invocation *now, const struct served *to,
                        struct loci_error *err)
{
	const struct loci_registry_opts o =
	        loci__ociregistry_registry_opts(now->settings, &now->sink->log);
	int r = loci_registry_reconfigure(to->registry, &o, err);
	if (r == 0)
		r = loci__ociregistry_rules_set(to->rules, now->settings, err);
	if (r == 0)
		r = loci__ociregistry_set_quotas(now->settings, to->rules->store, err);
	return r;
}

/* The certificate last: it changes nothing when it fails, and what its files held before is gone.
 */
static int apply(const struct loci_invocation *now, const struct served *to, struct loci_error *err)
{
	int r = apply_values(now, to, err);
	return r < 0 ? r : apply_tls(now, to->server, err);
}

static int reload(const struct loci_invocation *inv, const struct served *to, struct report *report,
                  struct loci_error *err)
{
	const struct loci_invocation *now;
	const struct loci_options_adoption how = {.changed = on_changed, .arg = report};
	int r = loci__invocation_reread(inv, &now, err);
	if (r < 0)
		return r;
	r = apply(now, to, err);
	if (r < 0) /* a part may have taken its share: back to what held */
		(void)!apply_values(inv, to, /* err= */ NULL);
	else
		r = loci__options_adopt(inv->options, now->options, &how, err);
	if (r == 0) {
		loci__log_set_level(&inv->sink->log, loci__log_level(now->log));
		/* For its words on the dates: all is in force, whatever the files say by now. */
		(void)!loci__ociregistry_check_tls(inv->settings, inv->log, /* err= */ NULL);
	}
	loci__invocation_free(now);
	return r;
}

void loci__ociregistry_reload(const struct loci_invocation *inv,
                              struct loci_ociregistry_rules *rules, struct loci_registry *registry,
                              struct loci_http_server *server)
{
	const struct served to = {rules, registry, server};
	struct report report = {.log = inv->log};
	struct loci_error err;
	if (reload(inv, &to, &report, &err) < 0)
		loci__log_error(inv->log, LOCI_LOG_ERROR, COMPONENT, "SIGHUP: nothing was changed",
		                &err);
	else
		loci__log(inv->log, LOCI_LOG_INFO, COMPONENT,
		          "SIGHUP: configuration read, %u settings changed, %u need a restart",
		          report.applied, report.waiting);
}
