/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of ocirun share: its settings and its two faces, images and bundles. */
#ifndef LOCI_CLI_OCIRUN_H
#define LOCI_CLI_OCIRUN_H

#include "cli/program.h"
#include "loci/runtime.h"

struct loci_ocirun_settings {
	/* all commands */
	char *store;
	char *root;
	char *log_path;
	bool debug;
	/* images */
	bool interactive, tty, rm, read_only, insecure;
	char *name, *workdir, *user, *hostname, *entrypoint, *platform;
	struct loci_string_list env, env_files;
	uint64_t memory, pids;
	double cpus;
	int pull; /* enum loci_pull_policy */
	/* bundles */
	char *bundle, *console_socket, *pid_file;
	bool no_pivot, no_new_keyring, no_subreaper, keep, dry_run, detach, all, force;
	unsigned preserve_fds;
	int list_format; /* enum loci_ocirun_list_format */
};
enum loci_ocirun_list_format { LOCI_OCIRUN_LIST_TABLE = 0, LOCI_OCIRUN_LIST_JSON };

/* For commands that create: loci_runtime_protect_self with this process's arguments. */
int loci__ocirun_protect(struct loci_error *err);
/* The runtime of --root, with --log and --debug in force. */
int loci__ocirun_open_runtime(const struct loci_invocation *inv, struct loci_runtime **ret,
                              struct loci_error *err);

int loci__ocirun_image(const struct loci_invocation *inv, struct loci_error *err);

int loci__ocirun_create(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_run(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_start(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_state(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_kill(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_delete(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_list(const struct loci_invocation *inv, struct loci_error *err);
int loci__ocirun_spec(const struct loci_invocation *inv, struct loci_error *err);

#endif
