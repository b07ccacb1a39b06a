/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_TEST_REGISTRY_DOUBLE_H
#define LOCI_TEST_REGISTRY_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loci_http_server;

/* The file behind /file, of this many bytes. */
int loci__double_init(uint64_t file_size);
/* "sinks=0 finished=3 …": what is alive, and how sinks ended. */
void loci__double_stats(char *buf, size_t size);
void loci__double_gate(bool open);
/* Whose numbers /server shows. */
extern struct loci_http_server *loci__double_server;
/* The byte of the file at an offset. */
unsigned char loci__double_pattern(uint64_t at);

#endif
