/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/problem.h"

#include "core/base/cleanup.h"
#include "core/base/logger.h"

#include <string.h>

/* The first row that fits counts; ANYTHING stands last. 5xx codes are not in the spec's list, which
 * binds 4xx only. */
static const struct loci__problem_row rows[] = {
        {LOCI_ABOUT_TARGET, LOCI_E_INVALID, 400, "UNSUPPORTED"},
        {LOCI_ABOUT_TARGET, LOCI_E_TOO_LARGE, 414, "UNSUPPORTED"},
        {LOCI_ABOUT_NAME, LOCI_E_INVALID, 400, "NAME_INVALID"},
        {LOCI_ABOUT_NAME, LOCI_E_NOT_FOUND, 404, "NAME_UNKNOWN"},
        {LOCI_ABOUT_BLOB, LOCI_E_NOT_FOUND, 404, "BLOB_UNKNOWN"},
        {LOCI_ABOUT_BLOB, LOCI_E_RANGE, 416, "SIZE_INVALID"},
        {LOCI_ABOUT_UPLOAD, LOCI_E_NOT_FOUND, 404, "BLOB_UPLOAD_UNKNOWN"},
        {LOCI_ABOUT_UPLOAD, LOCI_E_INVALID, 400, "BLOB_UPLOAD_INVALID"},
        {LOCI_ABOUT_UPLOAD, LOCI_E_UNSUPPORTED, 400, "UNSUPPORTED"},
        {LOCI_ABOUT_UPLOAD, LOCI_E_RANGE, 416, "BLOB_UPLOAD_INVALID"},
        {LOCI_ABOUT_UPLOAD, LOCI_E_TOO_LARGE, 413, "SIZE_INVALID"},
        {LOCI_ABOUT_ROOM, LOCI_E_BUSY, 429, "TOOMANYREQUESTS"},
        {LOCI_ABOUT_MANIFEST, LOCI_E_NOT_FOUND, 404, "MANIFEST_UNKNOWN"},
        {LOCI_ABOUT_PUT, LOCI_E_NOT_FOUND, 400, "MANIFEST_BLOB_UNKNOWN"},
        {LOCI_ABOUT_PUT, LOCI_E_INVALID, 400, "MANIFEST_INVALID"},
        {LOCI_ABOUT_PUT, LOCI_E_UNSUPPORTED, 400, "MANIFEST_INVALID"},
        {LOCI_ABOUT_PUT, LOCI_E_TOO_LARGE, 413, "MANIFEST_INVALID"},
        {LOCI_ABOUT_TAG, LOCI_E_NOT_FOUND, 404, "MANIFEST_UNKNOWN"},
        {LOCI_ABOUT_TAG, LOCI_E_INVALID, 400, "MANIFEST_INVALID"},
        {LOCI_ABOUT_TAG, LOCI_E_TOO_LARGE, 414, "MANIFEST_INVALID"},
        {LOCI_ABOUT_DIGEST, LOCI_E_INVALID, 400, "DIGEST_INVALID"},
        {LOCI_ABOUT_DIGEST, LOCI_E_UNSUPPORTED, 400, "UNSUPPORTED"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_DIGEST_MISMATCH, 400, "DIGEST_INVALID"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_SIZE_MISMATCH, 400, "SIZE_INVALID"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_DENIED, 403, "DENIED"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_CONDITION, 412, "DENIED"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_BUSY, 503, "UNAVAILABLE"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_READ_ONLY, 503, "UNAVAILABLE"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_TIMEOUT, 503, "UNAVAILABLE"},
        {LOCI_ABOUT_ANYTHING, LOCI_E_NO_SPACE, 507, "UNAVAILABLE"},
};

const struct loci__problem_row *loci__problem_find(int about, int code)
{
	static const struct loci__problem_row internal = {LOCI_ABOUT_ANYTHING, LOCI_E_INTERNAL, 500,
	                                                  "UNKNOWN"};
	for (size_t i = 0; i < loci__array_len(rows); i++)
		if (rows[i].code == code &&
		    (rows[i].about == about || rows[i].about == LOCI_ABOUT_ANYTHING))
			return &rows[i];
	return &internal;
}

/* Nothing is wrong with the server: it will do so later, or an operator asked for it. */
static bool is_expected(int code)
{
	return code == LOCI_E_BUSY || code == LOCI_E_READ_ONLY;
}

void loci__problem_late(const struct loci_registry *reg, struct loci__rs *rs, int about,
                        const struct loci_error *err, const char *detail)
{
	const struct loci__problem_row *row = loci__problem_find(about, err->code);
	const char *message = row->status < 500 ? err->msg : loci_code_text(err->code);
	if (row->status >= 500) {
		const struct loci_log_field fields[] = {
		        {"object", detail ? detail : ""},
		        {"error", err->msg},
		        {"code", loci_code_name(err->code)},
		};
		int level = is_expected(err->code) ? LOCI_LOG_INFO : LOCI_LOG_ERROR;
		if (loci__log_wants(&reg->log, level))
			loci__log_fields(&reg->log, level, "registry", "request failed", fields,
			                 loci__array_len(fields));
	}
	loci__rs_error(rs, row->status, row->spec_code, message, detail);
	if (row->status == 503 || row->status == 429)
		loci__rs_header_ref(rs, "retry-after", "1");
}

void loci__problem(const struct loci__rq *rq, struct loci__rs *rs, int about,
                   const struct loci_error *err, const char *detail)
{
	loci__problem_late(rq->reg, rs, about, err, detail);
}
