/* SPDX-License-Identifier: Apache-2.0 */
/* What the route table points at; each fills the response. */
#ifndef LOCI_REGISTRY_HANDLERS_H
#define LOCI_REGISTRY_HANDLERS_H

#include "registry/request.h"

/* status.c */
void loci__handle_version(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_live(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_ready(struct loci__rq *rq, struct loci__rs *rs);
/* metrics.c */
void loci__handle_metrics(struct loci__rq *rq, struct loci__rs *rs);
/* blob.c; get serves HEAD too */
void loci__handle_blob_get(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_blob_delete(struct loci__rq *rq, struct loci__rs *rs);
/* upload.c */
void loci__handle_upload_post(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_upload_patch(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_upload_put(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_upload_get(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_upload_delete(struct loci__rq *rq, struct loci__rs *rs);
/* manifest.c; get serves HEAD too */
void loci__handle_manifest_get(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_manifest_put(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_manifest_delete(struct loci__rq *rq, struct loci__rs *rs);
/* list.c */
void loci__handle_tags(struct loci__rq *rq, struct loci__rs *rs);
void loci__handle_catalog(struct loci__rq *rq, struct loci__rs *rs);
/* referrers.c */
void loci__handle_referrers(struct loci__rq *rq, struct loci__rs *rs);

#endif
