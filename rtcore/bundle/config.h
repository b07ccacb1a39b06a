/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.json of an image's container (image-spec conversion.md, runtime-spec config.md), with
 * docker's defaults. Pure: everything it depends on is in the arguments.
 */
#ifndef LOCI_BUNDLE_CONFIG_H
#define LOCI_BUNDLE_CONFIG_H

#include "core/base/json.h"
#include "loci/bundle.h"
#include "rtcore/bundle/user.h"

struct loci__bundle_facts {
	const char *id;
	const char *path;                      /* of the bundle directory, absolute */
	const char *hostname;                  /* never NULL */
	const struct loci_image_config *image; /* NULL: none, a shell on "rootfs" (ocirun spec) */
	const struct loci__user *user;
};

/* Expected errors: INVALID (nothing to run, a malformed variable or working directory). The result
 * is the caller's. */
int loci__bundle_config(const struct loci__bundle_facts *facts, const struct loci_bundle_opts *o,
                        json_t **ret, struct loci_error *err);

#endif
