/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images as tools write them into layouts and archives: a tag alone ("1.0"), or a
 * reference
 * ("docker.io/library/alpine:3.19", "team/app@sha256:…"), whose host is nobody's business here.
 */
#ifndef LOCI_TRANSFER_IMAGE_NAME_H
#define LOCI_TRANSFER_IMAGE_NAME_H

#include "loci/ref.h"

struct loci__image_name {
	char repo[LOCI_REPO_MAX + 1]; /* "": only a tag */
	char tag[LOCI_TAG_MAX + 1];   /* "": none */
};

/* A reference; "alpine" is a repository. Expected: INVALID, TOO_LARGE. */
int loci__image_name_parse(const char *s, struct loci__image_name *ret, struct loci_error *err);
/* The annotation org.opencontainers.image.ref.name: "alpine" is a tag. */
int loci__ref_name_parse(const char *s, struct loci__image_name *ret, struct loci_error *err);

#define LOCI_ANNOTATION_REF_NAME   "org.opencontainers.image.ref.name"
#define LOCI_ANNOTATION_IMAGE_NAME "io.containerd.image.name"

#endif
