/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of Prometheus' text format 0.0.4, as a scraper's: whatever it would doubt fails
 * the test. Samples are found by "name{labels}" as they are written.
 */
#ifndef LOCI_TEST_REGISTRY_EXPOSITION_H
#define LOCI_TEST_REGISTRY_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#define EXPOSITION_FAMILIES_MAX 128
#define EXPOSITION_SAMPLES_MAX  8192

struct exposition {
	char *text; /* a copy, cut into pieces */
	struct {
		const char *name;
		const char *type;
		size_t n_samples;
	} families[EXPOSITION_FAMILIES_MAX];
	size_t n_families;
	struct {
		const char *series;
		double value;
	} samples[EXPOSITION_SAMPLES_MAX];
	size_t n_samples;
};

/* Fails the test on anything malformed. Release with exposition_done. */
void exposition_parse(struct exposition *e, const char *text);
void exposition_done(struct exposition *e);
bool exposition_has_family(const struct exposition *e, const char *name, const char *type);
/* The sample's value, or -1. */
double exposition_value(const struct exposition *e, const char *series);

#endif
