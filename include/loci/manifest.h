/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors, platforms, manifests and indexes (image-spec descriptor.md, manifest.md,
 * image-index.md; docker manifest-v2-2.md). Results are one allocation, read-only for the caller,
 * independent of the bytes they were parsed from; fields are only appended.
 */
#ifndef LOCI_MANIFEST_H
#define LOCI_MANIFEST_H

#include "loci/digest.h"

LOCI_BEGIN_DECLS

#define LOCI_MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define LOCI_MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define LOCI_MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define LOCI_MEDIA_OCI_EMPTY       "application/vnd.oci.empty.v1+json"
#define LOCI_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define LOCI_MEDIA_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"
#define LOCI_MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"

/** What a media type is to us; UNKNOWN types are stored and served like any artifact. */
enum loci_media_kind {
	LOCI_MEDIA_UNKNOWN = 0,
	LOCI_MEDIA_IMAGE_MANIFEST,
	LOCI_MEDIA_IMAGE_INDEX,
	LOCI_MEDIA_IMAGE_CONFIG,
	LOCI_MEDIA_LAYER, /* see loci_media_compression */
	LOCI_MEDIA_EMPTY
};
enum loci_compression { LOCI_COMPRESSION_NONE = 0, LOCI_COMPRESSION_GZIP, LOCI_COMPRESSION_ZSTD };

/** Parameters ("; charset=…") are ignored. */
LOCI_API int loci_media_kind(const char *media_type);
/** enum loci_compression of a layer's media type; -1 when it is no layer. */
LOCI_API int loci_media_compression(const char *media_type);
/** Whether layers of this type may stay outside the registry (foreign, nondistributable). */
LOCI_API bool loci_media_is_foreign(const char *media_type);

/** Bytes of a manifest: what a registry takes unless told otherwise, and what none may exceed. */
#define LOCI_MANIFEST_SIZE_DEFAULT ((size_t)4 << 20)
#define LOCI_MANIFEST_SIZE_MAX     ((size_t)64 << 20)

struct loci_annotation {
	const char *key;
	const char *value;
};

struct loci_platform {
	const char *os;   /* "linux"; NULL when absent, as the rest */
	const char *arch; /* "amd64", as Go spells it */
	const char *variant;
	const char *os_version;
};

struct loci_descriptor {
	const char *media_type;
	struct loci_digest digest;
	uint64_t size;                 /* bytes */
	const char *artifact_type;     /* or NULL */
	struct loci_platform platform; /* of an index's entry; all NULL elsewhere */
	const struct loci_annotation *annotations;
	size_t n_annotations;
};

enum loci_manifest_kind { LOCI_MANIFEST_IMAGE = 1, LOCI_MANIFEST_INDEX, LOCI_MANIFEST_OTHER };

struct loci_manifest {
	int kind; /* docker schema 2 types are mapped onto these; OTHER: not looked into */
	const char *media_type;
	struct loci_digest digest; /* over the bytes given, sha256 unless asked otherwise */
	uint64_t size;
	const char *artifact_type;            /* as it stands in the manifest, or NULL */
	const struct loci_descriptor *config; /* image only, else NULL */
	const struct loci_descriptor *layers; /* image only */
	size_t n_layers;
	const struct loci_descriptor *entries; /* index only */
	size_t n_entries;
	const struct loci_descriptor *subject; /* or NULL */
	const struct loci_annotation *annotations;
	size_t n_annotations;
};

/**
 * Parses a manifest or index of up to LOCI_MANIFEST_SIZE_MAX bytes (a caller with a lower limit
 * checks it before); never re-serialises. media_type is the Content-Type it came under, or
 * NULL to believe the document. An unknown type gives kind OTHER when the bytes are JSON.
 * Expected errors: INVALID (names the JSON path), TOO_LARGE, UNSUPPORTED (docker schema 1).
 */
LOCI_API LOCI_CHECK int loci_manifest_parse(const void *json, size_t n, const char *media_type,
                                            struct loci_manifest **ret, struct loci_error *err);
LOCI_API void loci_manifest_free(struct loci_manifest *m);

/** The entry of an index that suits want best (exact variant first, then the older ones that the
 *  machine can run). When none suits, the first image that names no platform (its config then
 *  says what it is for), or NULL. */
LOCI_API const struct loci_descriptor *loci_manifest_pick(const struct loci_manifest *index,
                                                          const struct loci_platform *want);

#define LOCI_PLATFORM_STR_MAX 96
/** A platform that owns its text. */
struct loci_platform_buf {
	struct loci_platform platform; /* points into text */
	char text[LOCI_PLATFORM_STR_MAX];
};
/** "linux/arm64/v8", "linux/amd64", "arm64"; normalised as containerd does. Expected: INVALID. */
LOCI_API LOCI_CHECK int loci_platform_parse(const char *s, struct loci_platform_buf *ret,
                                            struct loci_error *err);
/** This machine. */
LOCI_API void loci_platform_host(struct loci_platform_buf *ret);
/** "linux/arm64/v8"; returns the length. */
LOCI_API size_t loci_platform_format(const struct loci_platform *p,
                                     char buf[LOCI_PLATFORM_STR_MAX]);

LOCI_END_DECLS
#endif
