/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libcurl that are called, through pointers: the library is loaded by the first
 * transfer (core/base/dynlib.h). libcurl's macro around curl_easy_setopt, which has gcc check the
 * option's type, names the function and so cannot be used: give longs and curl_off_t as such.
 */
#ifndef LOCI_PULLER_CURL_API_H
#define LOCI_PULLER_CURL_API_H

#include "core/base/dynlib.h"

#include <curl/curl.h>

/* The build compares it with the library that the headers belong to. */
#define LOCI_CURL_SONAME "libcurl.so.4"

/* Without curl_. */
#define LOCI_CURL_FUNCTIONS(XX) \
	XX(easy_cleanup)        \
	XX(easy_getinfo)        \
	XX(easy_init)           \
	XX(easy_setopt)         \
	XX(easy_strerror)       \
	XX(free)                \
	XX(getdate)             \
	XX(global_init)         \
	XX(multi_add_handle)    \
	XX(multi_cleanup)       \
	XX(multi_info_read)     \
	XX(multi_init)          \
	XX(multi_perform)       \
	XX(multi_poll)          \
	XX(multi_remove_handle) \
	XX(multi_strerror)      \
	XX(multi_wakeup)        \
	XX(share_cleanup)       \
	XX(share_init)          \
	XX(share_setopt)        \
	XX(slist_append)        \
	XX(slist_free_all)      \
	XX(url)                 \
	XX(url_cleanup)         \
	XX(url_get)             \
	XX(url_set)             \
	XX(url_strerror)

struct loci__curl {
#define XX(name) __typeof__(curl_##name) *name;
	LOCI_CURL_FUNCTIONS(XX)
#undef XX
};

/* From any thread. Expected: UNSUPPORTED. It does not initialise libcurl. */
int loci__curl_load(const struct loci__curl **ret, struct loci_error *err);
/* For what libcurl made: it is loaded then. */
const struct loci__curl *loci__curl_loaded(void);

extern struct loci__dynlib loci__curl_library; /* for the tests */

#endif
