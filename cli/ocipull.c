/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocipull: references into the store, their layers unpacked, their digests on standard output.
 * Everything else that it says goes to standard error.
 */
#include "cli/credentials.h"
#include "cli/program.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "loci/pull.h"
#include "loci/unpack.h"

#include <signal.h>
#include <string.h>

#define COMPONENT "ocipull"

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)
LOCI_DEFINE_CLEANUP(free_credentials, struct loci_credentials, loci__credentials_free)
LOCI_DEFINE_CLEANUP(free_progress, struct loci_progress, loci__progress_free)
LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(free_config, struct loci_image_config, loci_image_config_free)

struct settings {
	char *store;
	char *platform;
	int progress;
	bool unpack;
	bool insecure;
	unsigned parallel, retries;
	uint64_t connect_ms, stall_ms, retry_wait_ms;
};

struct session {
	const struct loci_invocation *inv;
	const struct settings *settings;
	struct loci_store *store;
	struct loci_credentials *credentials;
	struct loci_progress *progress;
	const struct loci_platform *platform; /* NULL: this machine's */
};

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

static int check_platform(const char *value, struct loci_error *err)
{
	struct loci_platform_buf buf;
	int rc = loci_platform_parse(value, &buf, err);
	if (rc < 0 && err)
		err->code = LOCI_E_USAGE;
	return rc < 0 ? LOCI_E_USAGE : 0;
}

static const struct loci_option_word progress_modes[] = {
        {"auto", LOCI_PROGRESS_AUTO}, {"tty", LOCI_PROGRESS_TTY},   {"plain", LOCI_PROGRESS_PLAIN},
        {"json", LOCI_PROGRESS_JSON}, {"none", LOCI_PROGRESS_NONE}, {0}};

#define S struct settings
static const struct loci_option options[] = {
        LOCI_OPT_ROW_STORE(S, store),
        {LOCI_OPT_STRING(S, platform), .flag = "platform", .metavar = "OS/ARCH[/VARIANT]",
         .help = "Take the image for this platform, not for this machine's",
         .check = check_platform},
        {LOCI_OPT_ENUM(S, progress), .flag = "progress", .value = "auto", .words = progress_modes,
         .metavar = "MODE", .help = "Show progress on standard error in this form"},
        {LOCI_OPT_BOOL(S, unpack), .flag = "unpack", .value = "true",
         .help = "Unpack the layers, so that ocirun starts at once"},
        {LOCI_OPT_BOOL(S, insecure), .flag = "insecure", .section = "Network",
         .help = "Take any certificate, and plain HTTP from a registry without HTTPS"},
        {LOCI_OPT_NUMBER(S, parallel), .flag = "parallel", .value = "4", .min = 1, .max = 64,
         .help = "Fetch so many blobs at a time"},
        {LOCI_OPT_NUMBER(S, retries), .flag = "retries", .value = "5", .min = 1, .max = 100,
         .help = "Try a failed transfer again so often"},
        {LOCI_OPT_DURATION(S, retry_wait_ms), .flag = "retry-wait", .value = "500ms", .min = 1,
         .max = 30000, .help = "Wait before the first retry; doubles with each"},
        {LOCI_OPT_DURATION(S, connect_ms), .flag = "connect-timeout", .value = "15s", .min = 1,
         .max = 3600000, .help = "Time to connect"},
        {LOCI_OPT_DURATION(S, stall_ms), .flag = "stall-timeout", .value = "30s", .min = 1,
         .max = 3600000, .help = "Time in which less than 1 KiB comes before a retry"},
        {0},
};

/* ---- pull ------------------------------------------------------------------------------------ */

static int on_event(void *arg, const struct loci_pull_event *ev)
{
	struct session *s = arg;
	loci__progress_pull(s->progress, ev);
	return loci__signals_noted();
}

static int pull(struct session *s, const struct loci_ref *ref, struct loci_image *ret,
                struct loci_error *err)
{
	const struct settings *o = s->settings;
	const struct loci_pull_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = loci__progress_log(s->progress),
	        .platform = s->platform,
	        .cred = loci__credentials_get,
	        .cred_arg = s->credentials,
	        .event = on_event,
	        .event_arg = s,
	        .max_parallel = o->parallel,
	        .retries = o->retries,
	        .connect_timeout_ms = (unsigned)o->connect_ms,
	        .stall_timeout_ms = (unsigned)o->stall_ms,
	        .retry_base_ms = (unsigned)o->retry_wait_ms,
	        .flags = o->insecure ? LOCI_PULL_PLAIN_HTTP | LOCI_PULL_INSECURE_TLS : 0,
	};
	return loci_pull(ref, s->store, &opts, ret, err);
}

/* ---- unpack ---------------------------------------------------------------------------------- */

static void on_unpack(void *arg, const struct loci_digest *diff_id, uint64_t done, uint64_t total)
{
	struct session *s = arg;
	loci__progress_unpack(s->progress, diff_id, done, total);
}

/* Nothing of a layer is visible before it is whole: here a signal may end the process at once. */
static int let_signals_end(struct loci_error *err)
{
	for (const int *signo = signals; *signo; signo++)
		signal(*signo, SIG_DFL);
	return loci__signals_noted() ? loci__err_set(err, LOCI_E_CANCELED, "canceled") : 0;
}

static int unpack(struct session *s, const struct loci_image *image, struct loci_error *err)
{
	struct loci_manifest *m loci__cleanup(free_manifest) = NULL;
	struct loci_image_config *config loci__cleanup(free_config) = NULL;
	const struct loci_log *log = loci__progress_log(s->progress);
	int rc = loci_image_load(s->store, image, &m, &config, err);
	if (rc == 0 && !config) {
		loci__log(log, LOCI_LOG_INFO, COMPONENT, "%s is an artifact: nothing to unpack",
		          image->ref);
		return 0;
	}
	if (rc >= 0)
		rc = let_signals_end(err);
	if (rc < 0)
		return rc;
	const struct loci_unpack_opts opts = {
	        .struct_size = sizeof(opts),
	        .log = log,
	        .flags = geteuid() ? LOCI_UNPACK_ROOTLESS : 0,
	        .progress = on_unpack,
	        .progress_arg = s,
	};
	return loci_unpack_image(s->store, m, config, &opts, err);
}

/* ---- one reference, all references ------------------------------------------------------------
 */

static int get_one(struct session *s, const char *text, struct loci_error *err)
{
	struct loci_ref ref;
	struct loci_image image;
	char name[LOCI_REF_STR_MAX], digest[LOCI_DIGEST_STR_MAX];
	int rc = loci_ref_parse(text, LOCI_REF_DOCKER_DEFAULTS, &ref, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "'%.128s'", text);
	loci_ref_format(&ref, name);
	loci__progress_begin(s->progress, name);
	rc = loci__signals_note(signals, err);
	if (rc >= 0)
		rc = pull(s, &ref, &image, err);
	if (rc >= 0 && s->settings->unpack)
		rc = unpack(s, &image, err);
	loci__progress_end(s->progress, rc >= 0);
	if (rc < 0)
		return rc;
	loci_digest_format(&image.top, digest);
	return loci__printf(err, "%s\n", digest);
}

/* One that cannot be had does not keep the others away; the first failure gives the status. */
static int get_all(struct session *s)
{
	const struct loci_invocation *inv = s->inv;
	int first = 0;
	for (size_t i = 0; i < inv->n_args; i++) {
		struct loci_error err = {0};
		int rc = get_one(s, inv->args[i], &err);
		if (rc >= 0)
			continue;
		loci__invocation_print_error(inv, &err);
		first = first ? first : rc;
		if (rc == LOCI_E_CANCELED)
			break;
	}
	return loci__exit_status(inv->program->exits, first);
}

static int run(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct settings *o = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_credentials *credentials loci__cleanup(free_credentials) = NULL;
	struct loci_progress *progress loci__cleanup(free_progress) = NULL;
	struct loci_platform_buf platform;
	const struct loci_store_opts store_opts = {.struct_size = sizeof(store_opts),
	                                           .log = inv->log};
	int rc = o->platform ? loci_platform_parse(o->platform, &platform, err) : 0;
	/* libcurl's TLS writes to sockets whose peer may be gone. */
	loci__signals_ignore_pipe();
	if (rc < 0 ||
	    (rc = loci__progress_new(inv->quiet ? LOCI_PROGRESS_NONE : o->progress, STDERR_FILENO,
	                             inv->log, &progress, err)) < 0 ||
	    (rc = loci__credentials_open(&credentials, err)) < 0 ||
	    (rc = loci_store_open(o->store, &store_opts, &store, err)) < 0)
		return rc;
	struct session s = {
	        .inv = inv,
	        .settings = o,
	        .store = store,
	        .credentials = credentials,
	        .progress = progress,
	        .platform = o->platform ? &platform.platform : NULL,
	};
	return get_all(&s);
}

/* ---- the program ------------------------------------------------------------------------------
 */

static const struct loci_command commands[] = {
        {.summary = "Fetch images into the store",
         .args = "REF…",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .run = run},
        {0},
};

static const char *const description[] = {
        "Fetches images, with every digest and size verified before anything is visible, and "
        "unpacks their layers for ocirun. What the store has is not fetched again; a transfer "
        "that broke off goes on where it stopped, also after a restart.",
        "References are read as docker reads them: alpine is docker.io/library/alpine:latest. "
        "Registries on this machine (localhost, 127.0.0.0/8, ::1) are tried with plain HTTP "
        "first, then with HTTPS; all others are spoken to with HTTPS only, unless --insecure "
        "is given.",
        "Credentials come from $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or "
        "~/.docker/config.json, and $XDG_RUNTIME_DIR/containers/auth.json, credential helpers "
        "included.",
        "Proxies are taken from $https_proxy, $http_proxy and $no_proxy; registries on this "
        "machine are never behind one.",
        "The digest of each image is printed on standard output, one line for each REF, in "
        "their order. With several, one that fails does not keep the others from being "
        "fetched; the exit status is that of the first failure.",
        NULL,
};

static const struct loci_exit_row exits[] = {
        {2, LOCI_E_USAGE, "Wrong usage"},
        {3, LOCI_E_NOT_FOUND, "The image, or something that it refers to, is not there"},
        {4, LOCI_E_UNAUTHORIZED, "Not authenticated, or access denied"},
        {4, LOCI_E_DENIED, NULL},
        {5, LOCI_E_UNREACHABLE, "The registry cannot be reached, timed out or limits the rate"},
        {5, LOCI_E_TIMEOUT, NULL},
        {5, LOCI_E_BUSY, NULL},
        {6, LOCI_E_DIGEST_MISMATCH,
         "What came does not match its digest, its size or the protocol"},
        {6, LOCI_E_SIZE_MISMATCH, NULL},
        {6, LOCI_E_PROTOCOL, NULL},
        {7, LOCI_E_NO_SPACE, "No space left"},
        {8, LOCI_E_INVALID, "A malformed reference, manifest, layer or credentials file"},
        {9, LOCI_E_UNSUPPORTED, "The image has nothing for the platform, or is no image"},
        {130, LOCI_E_CANCELED, "Interrupted"},
        {1, 0, "Any other failure"},
};

static const struct loci_example examples[] = {
        {"Fetch an image from Docker Hub", "ocipull alpine:3.19"},
        {"Fetch from the registry on this machine and run it",
         "ocipull localhost:5000/library/alpine:3.19 && ocirun"},
        {"Fetch for another architecture, without unpacking",
         "ocipull --platform linux/arm64 --no-unpack alpine"},
        {0},
};

static const char *const see_also[] = {"ocirun(1)", "ociregistry(8)", NULL};

static const struct loci_program program = {
        .name = "ocipull",
        .man_section = 1,
        .summary = "fetch OCI images",
        .description = description,
        .options = options,
        .commands = commands,
        .settings_size = sizeof(struct settings),
        .log_level = LOCI_LOG_WARN,
        .exits = exits,
        .examples = examples,
        .see_also = see_also,
};

int main(int argc, char **argv)
{
	return loci__program_main(&program, argc, argv);
}
