/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_CLOCK_H
#define LOCI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds that never jump; only differences mean something. */
static inline uint64_t loci__clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
/* Microseconds likewise. */
static inline uint64_t loci__clock_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}
/* Milliseconds since the epoch. */
static inline uint64_t loci__clock_epoch_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
/* Seconds since the epoch. */
static inline uint64_t loci__clock_epoch(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec;
}

#endif
