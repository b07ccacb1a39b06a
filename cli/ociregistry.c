/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry: the program's descriptor; its commands stand in files of their own. */
#include "cli/ociregistry.h"
#include "core/base/buf.h"

static int check_config(const struct loci_invocation *inv, struct loci_error *err)
{
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(1 << 20);
	int r = loci__ociregistry_check_tls(inv->settings, inv->log, err);
	if (r < 0)
		return r;
	loci__options_print_values(inv->options, &text);
	r = loci__buf_check(&text, "configuration", err);
	return r < 0 ? r : loci__print(text.p, text.len, err);
}

/* ---- the program --------------------------------------------------------------------------- */

static const struct loci_command commands[] = {
        {.name = NULL,
         .summary = "Serve until SIGTERM or SIGINT",
         .args = "[FILE]",
         .max_args = 1,
         .flags = LOCI_COMMAND_CONFIG_ARG,
         .run = loci__ociregistry_serve},
        {.name = "serve",
         .summary = "The same, as it is called with registry:2; FILE is a configuration",
         .args = "[FILE]",
         .max_args = 1,
         .flags = LOCI_COMMAND_CONFIG_ARG,
         .run = loci__ociregistry_serve},
        {.name = "import",
         .summary = "Take in images from a registry:2 directory, OCI layouts, or what docker save "
                    "writes",
         .args = "SOURCE…",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = loci__ociregistry_import_options,
         .run = loci__ociregistry_import},
        {.name = "upload",
         .summary = "List the uploads that are open, or give some up",
         .args = "ls | rm [ID…]",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = loci__ociregistry_upload_options,
         .run = loci__ociregistry_upload},
        {.name = "gc",
         .summary = "Remove what nothing leads to any more, beside a running server",
         .options = loci__ociregistry_gc_options,
         .exits = loci__ociregistry_gc_exits,
         .run = loci__ociregistry_gc},
        {.name = "garbage-collect",
         .summary = "The same, as it is called with registry:2; FILE is a configuration",
         .args = "[FILE]",
         .max_args = 1,
         .flags = LOCI_COMMAND_CONFIG_ARG,
         .options = loci__ociregistry_garbage_collect_options,
         .exits = loci__ociregistry_gc_exits,
         .run = loci__ociregistry_garbage_collect},
        {.name = "export",
         .summary = "Write images as an OCI layout: a directory or a tar archive",
         .args = "NAME[:TAG|@DIGEST]…",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = loci__ociregistry_export_options,
         .run = loci__ociregistry_export},
        {.name = "scrub",
         .summary = "Read every blob and manifest and hold it to its digest",
         .options = loci__ociregistry_scrub_options,
         .exits = loci__ociregistry_scrub_exits,
         .run = loci__ociregistry_scrub},
        {.name = "check-config",
         .summary = "Check the configuration and print it, with where each value comes from",
         .args = "[FILE]",
         .max_args = 1,
         .flags = LOCI_COMMAND_CONFIG_ARG,
         .run = check_config},
        {.name = "read-only",
         .summary = "Stop all writing to the store, for a backup, and allow it again; servers on "
                    "it go on and answer what reads",
         .args = "on|off|status",
         .min_args = 1,
         .max_args = 1,
         .options = loci__ociregistry_read_only_options,
         .run = loci__ociregistry_read_only},
        {.name = "repo",
         .summary = "List what the repositories hold, sum it up, or remove repositories, tags and "
                    "manifests",
         .args = "ls [PATH] | stats [PATH] | rm NAME[:TAG|@DIGEST]…",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = loci__ociregistry_repo_options,
         .run = loci__ociregistry_repo},
        {.name = "retention",
         .summary = "Remove what the rules of retention.rules do not keep",
         .options = loci__ociregistry_retention_options,
         .run = loci__ociregistry_retention},
        {.name = "sample-config",
         .summary = "Print a configuration file with every key, its help and its default",
         .run = loci__command_sample_config},
        {0},
};

static const char *const description[] = {
        "Serves the OCI distribution API on localhost:5000, out of one store directory that "
        "ocipull and ocirun share: what was pushed here runs without another copy, what was "
        "pulled is served.",
        "SIGHUP makes it read the configuration file again and apply the keys that are marked so; "
        "a file with a mistake in it changes nothing and is logged.",
        "SIGTERM and SIGINT stop it after the requests in flight have ended; a second one ends "
        "it at once. Whatever was acknowledged to a client is on disk.",
        NULL,
};

static const struct loci_exit_row exits[] = {
        {.status = 2,
         .code = LOCI_E_USAGE,
         .meaning = "Wrong command line, environment or configuration file"},
        {.status = 1, .code = 0, .meaning = "Any other failure"},
};

static const struct loci_example examples[] = {
        {"Serve the default store on localhost:5000", "ociregistry"},
        {"Serve a directory to the local network", "ociregistry --store /srv/oci --listen :5000"},
        {"Keep a store at rest while it is copied",
         "ociregistry read-only on --reason backup; cp -a /var/lib/loci /backup; ociregistry "
         "read-only off"},
        {"The same by HTTPS",
         "ociregistry --listen :443 --tls-certificate fullchain.pem --tls-key key.pem"},
        {"Take over what registry:2 has, beside it and beside a server of ours",
         "ociregistry import /var/lib/registry"},
        {"Hand an image with its signatures to another machine",
         "ociregistry export --referrers -o - team/app:1.0 | ssh far ociregistry import -"},
        {"Look for bytes that went bad, every week", "ociregistry scrub --rate 20MiB --fix"},
        {"See what a collection would remove, and why", "ociregistry gc --dry-run"},
        {"See what a configuration file amounts to",
         "ociregistry check-config --config /etc/loci/ociregistry.yaml"},
        {0},
};

static const char *const see_also[] = {"ocipull(1)", "ocirun(1)", NULL};

static const struct loci_program program = {
        .name = "ociregistry",
        .man_section = 8,
        .summary = "OCI registry",
        .description = description,
        .options = loci__ociregistry_options,
        .commands = commands,
        .settings_size = sizeof(struct loci_ociregistry_settings),
        .env_prefix = "OCIREGISTRY_",
        .default_config = "/etc/loci/ociregistry.yaml",
        .aliases = &loci__ociregistry_aliases,
        .log_level = LOCI_LOG_INFO,
        .exits = exits,
        .examples = examples,
        .see_also = see_also,
};

int main(int argc, char **argv)
{
	return loci__program_main(&program, argc, argv);
}
