/* SPDX-License-Identifier: Apache-2.0 */
/* A table with every type, for the tests and fuzzers of this folder. */
#ifndef LOCI_TEST_CONF_SAMPLE_OPTIONS_H
#define LOCI_TEST_CONF_SAMPLE_OPTIONS_H

#include "conf/option.h"

struct sample {
	bool help, tty, interactive, delete;
	unsigned verbose;
	char *store, *user, *token;
	struct loci_string_list listen;
	uint64_t idle_ms, max_head, loops;
	double share;
	int durability;
};

static const struct loci_option_word sample_durabilities[] = {
        {"full", 0}, {"relaxed", 1}, {NULL, 0}};

static const struct loci_option sample_options[] = {
        {LOCI_OPT_BOOL(struct sample, help), .flag = "help", .letter = 'h',
         .flags = LOCI_OPTION_STOPS, .help = "Help"},
        {LOCI_OPT_BOOL(struct sample, tty), .flag = "tty", .letter = 't', .help = "Tty"},
        {LOCI_OPT_BOOL(struct sample, interactive), .flag = "interactive", .letter = 'i',
         .help = "Interactive"},
        {LOCI_OPT_COUNT(struct sample, verbose), .flag = "verbose", .letter = 'v',
         .help = "Verbose"},
        {LOCI_OPT_PATH(struct sample, store), .key = "store", .flag = "store", .letter = 's',
         .env = "LOCI_STORE", .value = "/default", .help = "Store"},
        {LOCI_OPT_STRING(struct sample, user), .flag = "user", .letter = 'u', .help = "User"},
        {LOCI_OPT_LIST(struct sample, listen), .key = "http.listen", .flag = "listen",
         .letter = 'l', .value = "a:1,b:2", .help = "Listen"},
        {LOCI_OPT_DURATION(struct sample, idle_ms), .key = "http.idle-timeout",
         .flag = "idle-timeout", .value = "60s", .help = "Idle"},
        {LOCI_OPT_SIZE(struct sample, max_head), .key = "http.limits.head", .value = "64KiB",
         .max = 1 << 20, .help = "Head"},
        {LOCI_OPT_NUMBER(struct sample, loops), .key = "http.loops", .flag = "loops", .value = "0",
         .max = 64, .help = "Loops"},
        {LOCI_OPT_DOUBLE(struct sample, share), .key = "share", .value = "0.5", .help = "Share"},
        {LOCI_OPT_BOOL(struct sample, delete), .key = "delete", .flag = "delete", .value = "true",
         .help = "Delete"},
        {LOCI_OPT_ENUM(struct sample, durability), .key = "durability", .flag = "durability",
         .value = "full", .words = sample_durabilities, .help = "Durability"},
        {LOCI_OPT_STRING(struct sample, token), .key = "token", .flags = LOCI_OPTION_SECRET,
         .help = "Token"},
        {0}};

#endif
