/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image config (image-spec config.md): what to run, and which diff IDs make the rootfs.
 */
#ifndef LOCI_IMAGE_CONFIG_H
#define LOCI_IMAGE_CONFIG_H

#include "loci/manifest.h"

LOCI_BEGIN_DECLS

/** One allocation, read-only; absent strings are NULL, lists end at their count. */
struct loci_image_config {
	struct loci_platform platform;
	const char *user;
	const char *working_dir;
	const char *stop_signal;
	const char *const *env;
	size_t n_env;
	const char *const *entrypoint;
	size_t n_entrypoint;
	const char *const *cmd;
	size_t n_cmd;
	const char *const *exposed_ports;
	size_t n_exposed_ports;
	const char *const *volumes;
	size_t n_volumes;
	const struct loci_annotation *labels;
	size_t n_labels;
	const char *author;
	const char *created;
	const struct loci_digest *diff_ids;
	size_t n_diff_ids;
};

/** Expected errors: INVALID (names the JSON path), TOO_LARGE. */
LOCI_API LOCI_CHECK int loci_image_config_parse(const void *json, size_t n,
                                                struct loci_image_config **ret,
                                                struct loci_error *err);
LOCI_API void loci_image_config_free(struct loci_image_config *c);

LOCI_END_DECLS
#endif
