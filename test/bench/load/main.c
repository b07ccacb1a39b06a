/* SPDX-License-Identifier: Apache-2.0 */
/* bench_load: the loop over all connections, and the result. --help tells the rest. */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS     256
#define SECOND_NS  1000000000ull
#define STALLED_NS (120 * SECOND_NS) /* without any event */

void load_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("bench_load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

uint64_t load_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* Ends it as if its seconds were over: what runs beside something else ends with it. */
static volatile sig_atomic_t is_interrupted;

static void on_signal(int signo)
{
	(void)signo;
	is_interrupted = 1;
}

static void wait_and_serve(struct load *l, uint64_t wait_ns)
{
	struct epoll_event e[EVENTS];
	const struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
	                              .tv_nsec = (long)(wait_ns % SECOND_NS)};
	int n = epoll_pwait2(l->ep, e, EVENTS, &wait, /* sigmask= */ NULL);
	if (n < 0 && errno != EINTR)
		load_die("epoll: %s", strerror(errno));
	if (is_interrupted)
		l->end_ns = l->now_ns;
	if (n == 0 && wait_ns == STALLED_NS)
		load_die("no answer in %llu s", STALLED_NS / SECOND_NS);
	for (int i = 0; i < n; i++)
		connection_on_event(l, e[i].data.ptr, e[i].events);
}

static void run(struct load *l)
{
	const struct verb *verb = l->o.verb;
	l->start_ns = l->now_ns = load_now_ns();
	if (l->o.says_begun)
		fputs("begun\n", stderr);
	if (l->o.seconds)
		l->end_ns = l->start_ns + l->o.seconds * SECOND_NS;
	l->n_active = l->o.connections;
	for (unsigned i = 0; i < l->o.connections; i++)
		if (!verb->go_on(l, &l->connections[i], /* is_first= */ true))
			l->n_active--;
	while (l->n_active)
		wait_and_serve(l, l->o.rate && verb->on_time ? verb->on_time(l) : STALLED_NS);
	l->now_ns = load_now_ns();
}

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double own_cpu(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

static void print(const struct load *l, double cpu)
{
	static const struct {
		const char *name;
		unsigned per_mille;
	} quantiles[] = {{"p50", 500}, {"p99", 990}, {"p999", 999}};
	double s = (double)(l->now_ns - l->start_ns) / 1e9;
	printf("{\"verb\": \"%s\", \"unit\": \"%s\", \"units\": %llu, \"requests\": %llu, "
	       "\"seconds\": %.6f, \"units_per_second\": %.3f, \"bytes_in\": %llu, "
	       "\"bytes_out\": %llu, \"client_cpu_seconds\": %.6f, \"seed\": %llu, "
	       "\"latency_us\": {",
	       l->o.verb->name, l->o.verb->unit, (unsigned long long)l->n_units,
	       (unsigned long long)l->n_requests, s, s > 0 ? (double)l->n_units / s : 0,
	       (unsigned long long)l->bytes_in, (unsigned long long)l->bytes_out, cpu,
	       (unsigned long long)l->o.seed);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		printf("\"%s\": %.1f, ", quantiles[i].name,
		       (double)latency_quantile(&l->latency, quantiles[i].per_mille) / 1000);
	printf("\"max\": %.1f}", (double)l->latency.max_ns / 1000);
	if (l->o.verb->print)
		l->o.verb->print(l);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct load l;
	const struct sigaction interrupt = {.sa_handler = on_signal};
	load_parse_options(argc, argv, &l.o);
	sigaction(SIGINT, &interrupt, /* oldact= */ NULL);
	l.o.verb->prepare(&l);
	connections_open(&l);
	double cpu = own_cpu();
	run(&l);
	print(&l, own_cpu() - cpu);
	connections_close(&l);
	return 0;
}
