/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libarchive that are called, through pointers: the library is loaded by the first
 * import or export of an archive (core/base/dynlib.h).
 */
#ifndef LOCI_REGISTRY_TRANSFER_ARCHIVE_API_H
#define LOCI_REGISTRY_TRANSFER_ARCHIVE_API_H

#include "core/base/dynlib.h"

#include <archive.h>
#include <archive_entry.h>

/* The build compares it with the library that the headers belong to. */
#define LOCI_ARCHIVE_SONAME "libarchive.so.13"

/* In full: errno alone would be a macro. */
#define LOCI_ARCHIVE_FUNCTIONS(XX)                \
	XX(archive_entry_filetype)                \
	XX(archive_entry_free)                    \
	XX(archive_entry_hardlink)                \
	XX(archive_entry_new)                     \
	XX(archive_entry_pathname)                \
	XX(archive_entry_set_filetype)            \
	XX(archive_entry_set_mtime)               \
	XX(archive_entry_set_pathname)            \
	XX(archive_entry_set_perm)                \
	XX(archive_entry_set_size)                \
	XX(archive_entry_size)                    \
	XX(archive_entry_symlink)                 \
	XX(archive_errno)                         \
	XX(archive_error_string)                  \
	XX(archive_read_data)                     \
	XX(archive_read_free)                     \
	XX(archive_read_new)                      \
	XX(archive_read_next_header)              \
	XX(archive_read_open_fd)                  \
	XX(archive_read_support_filter_gzip)      \
	XX(archive_read_support_filter_zstd)      \
	XX(archive_read_support_format_tar)       \
	XX(archive_write_close)                   \
	XX(archive_write_data)                    \
	XX(archive_write_fail)                    \
	XX(archive_write_free)                    \
	XX(archive_write_header)                  \
	XX(archive_write_new)                     \
	XX(archive_write_open_fd)                 \
	XX(archive_write_set_bytes_in_last_block) \
	XX(archive_write_set_format_pax_restricted)

struct loci__archive_api {
#define XX(name) __typeof__(name) *name;
	LOCI_ARCHIVE_FUNCTIONS(XX)
#undef XX
};

/* From any thread. Expected: UNSUPPORTED. */
int loci__archive_load(const struct loci__archive_api **ret, struct loci_error *err);

extern struct loci__dynlib loci__archive_library; /* for the tests */

#endif
