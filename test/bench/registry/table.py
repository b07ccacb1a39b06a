# SPDX-License-Identifier: Apache-2.0
"""What is measured, what is wanted of it, and how it is told: rows, figures, medians, text."""
import statistics

import peers

WIDTH = 110


class Figure:
    """A number of a row. more: the more the better. A ratio says how many times better ours is."""

    def __init__(self, name, label, show, more=False):
        self.name, self.label, self.show, self.more = name, label, show, more

    def ratio(self, ours, theirs):
        return (ours / theirs if self.more else theirs / ours) if ours and theirs else None


def _grouped(number):
    return format(number, ",.0f").replace(",", " ") if number >= 100 else "%.3g" % number


def _time(seconds):
    for unit, scale in ("s", 1), ("ms", 1e-3), ("µs", 1e-6):
        if seconds >= scale:
            break
    return "%s %s" % (_grouped(seconds / scale), unit)


RATE = Figure("rate", "wall", lambda v: _grouped(v) + "/s", more=True)
BYTES = Figure("rate", "wall", lambda v: _grouped(v / 1e6) + " MB/s", more=True)
CPU = Figure("cpu", "CPU", lambda v: _time(v) + " CPU")
CPU_GIB = Figure("cpu", "CPU", lambda v: _time(v) + " CPU/GiB")
P50 = Figure("p50", "median", lambda v: "p50 " + _time(v))
P99 = Figure("p99", "p99", lambda v: "p99 " + _time(v))
MAX = Figure("max", "max", lambda v: "max " + _time(v))
RSS = Figure("rss", "RSS", lambda v: "%.1f MB" % (v / 1e6))
START = Figure("start", "start", _time)


class Row:
    """goals: figure name → (kind, number); kinds: 'x' times better than docker-registry, 'floor' share of the floor,
    'most' absolute."""

    def __init__(self, key, title, figures, **goals):
        self.key, self.title, self.figures, self.goals = key, title, figures, goals

    def goal_text(self):
        said = []
        for figure in self.figures:
            for kind, number in self.goals.get(figure.name, ()):
                said.append({"x": lambda: "%s %gx" % (figure.label, number),
                             "floor": lambda: "%s %g of the floor" % (figure.label, number),
                             "most": lambda: figure.show(number) if figure.show(number).startswith(figure.label)
                             else "%s %s" % (figure.label, figure.show(number))}[kind]())
        return "goal: " + ", ".join(said) if said else ""


def _x(rate=None, cpu=None):
    return {name: [("x", number)] for name, number in (("rate", rate), ("cpu", cpu)) if number}


SMALL, BIG, LATENCY = [RATE, CPU], [BYTES, CPU_GIB], [P50, P99, MAX, RATE]
ROWS = [
    Row("manifest-get", "manifest GET by tag, 32 connections", SMALL, **_x(80, 150)),
    Row("manifest-head", "manifest HEAD by tag, 32 connections", SMALL, **_x(80, 150)),
    Row("blob-head", "blob HEAD", SMALL, **_x(50)),
    Row("blob-get", "blob GET, 2 KiB", SMALL, **_x(50)),
    Row("manifest-404", "manifest that is not there", SMALL, **_x(50)),
    Row("tags", "page of 1000 of {many} tags, 4 connections", SMALL, **_x(50)),
    Row("tags-few", "page of 1000 of {few} tags", SMALL),
    Row("catalog", "page of 100 of {many} repositories, 4 connections", SMALL, **_x(50)),
    Row("catalog-few", "page of 100 of {few} repositories", SMALL),
    Row("referrers", "the last 100 of {referrers} referrers, 4 connections", SMALL),
    Row("referrers-few", "all of 100 referrers", SMALL),
    Row("beside", "manifest GET by 32 connections beside 4 pushes of {size}", LATENCY, p99=[("most", 5e-3)]),
    Row("beside-paced", "the same, 1000 requests a second", LATENCY, p99=[("most", 5e-3)]),
    Row("beside-cold", "manifest GET by 32 connections beside 4 pulls of {size} from the disk", LATENCY),
    Row("pull-1", "blob GET of {size}, 1 client", BIG, rate=[("floor", 0.9)], cpu=[("x", 5)]),
    Row("pull-8", "blob GET of {size}, 8 clients", BIG, rate=[("floor", 0.9)], cpu=[("x", 5)]),
    Row("push-1", "push of {size}, 1 client", BIG, **_x(2.5, 2.86)),
    Row("push-8", "push of {size}, 8 clients", BIG, **_x(2.5, 2.86)),
    Row("images", "push of images of 10 small layers, 16 clients", SMALL, **_x(10)),
    Row("again", "the same into another repository, mounted", SMALL, **_x(50)),
    Row("tls-manifest-get", "TLS 1.3: manifest GET by tag, 32 connections", SMALL, **_x(None, 2)),
    Row("tls-pull", "TLS 1.3: blob GET of {size}, 1 client", BIG, **_x(None, 2)),
    Row("tls-push", "TLS 1.3: push of {size}, 1 client", BIG, **_x(None, 2)),
    Row("idle", "memory at rest", [RSS], rss=[("most", 8e6)]),
    Row("idle-connections", "memory with {connections} idle connections", [RSS], rss=[("most", 25e6)]),
    Row("peak", "peak memory, 8 pushes and 8 pulls of {size} at once", [RSS], rss=[("most", 20e6)]),
    Row("start", "start to the first 200, empty store", [START], start=[("most", 10e-3)]),
    Row("start-full", "start to the first 200, 1 000 000 manifests", [START], start=[("most", 10e-3)]),
]


class Results:
    """Samples by row, peer and figure; and what was in the way of some."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.samples, self.notes = {}, {}

    def add(self, key, peer, figures):
        row = self.samples.setdefault(key, {}).setdefault(peer, {})
        for name, value in figures.items():
            if value is not None:
                row.setdefault(name, []).append(value)

    def note(self, key, peer, text):
        self.notes.setdefault(key, {})[peer] = text
        self.samples.setdefault(key, {}).setdefault(peer, {})

    def median(self, key, peer, figure):
        values = self.samples.get(key, {}).get(peer, {}).get(figure)
        return statistics.median(values) if values else None

    def ratio(self, key, peer, figure):
        return figure.ratio(self.median(key, peers.OURS, figure.name), self.median(key, peer, figure.name))

    def rows(self):
        return [row for row in ROWS if row.key in self.samples]

    def title(self, row):
        return row.title.format(**self.sizes)

    def verdicts(self, row):
        """(figure, kind, number, what was reached) of each goal that can be judged."""
        for figure in row.figures:
            for kind, number in row.goals.get(figure.name, ()):
                if kind == "most":
                    reached = self.median(row.key, peers.OURS, figure.name)
                elif kind == "floor":
                    reached = self.ratio(row.key, peers.FLOOR, figure)
                else:
                    reached = self.ratio(row.key, peers.DOCKER, figure)
                if reached is not None:
                    yield figure, kind, number, reached

    def is_met(self, row):
        """None: nothing to judge."""
        judged = [reached <= number if kind == "most" else reached >= number
                  for _, kind, number, reached in self.verdicts(row)]
        return all(judged) if judged else None


def ratio_text(ratio):
    return "" if ratio is None else ("%.0fx" if ratio >= 9.95 else "%.1fx" if ratio >= 0.995 else "%.2fx") % ratio


def _line(results, row, peer):
    line = "  %-18s" % peer
    for figure in row.figures:
        value = results.median(row.key, peer, figure.name)
        ratio = results.ratio(row.key, peer, figure) if peer != peers.OURS else None
        line += "%16s %6s" % (figure.show(value) if value is not None else "-", ratio_text(ratio))
    note = results.notes.get(row.key, {}).get(peer)
    has_any = any(results.samples[row.key][peer].values())
    return (line if has_any or not note else "  %-18s" % peer).rstrip() + ("  " + note if note else "")


def text(results):
    lines = []
    for row in results.rows():
        met = {True: "  met", False: "  MISSED", None: ""}[results.is_met(row)] if row.goals else ""
        title = results.title(row)
        goal = row.goal_text()
        lines.append("")
        lines.append(title + (goal + met).rjust(max(WIDTH - len(title), len(goal + met) + 2)) if goal else title)
        lines += [_line(results, row, peer) for peer in results.samples[row.key]]
    return "\n".join(lines[1:]) + "\n"


def as_json(results, about):
    rows = []
    for row in results.rows():
        measured = {}
        for peer, figures in results.samples[row.key].items():
            measured[peer] = {name: {"median": statistics.median(v), "min": min(v), "max": max(v), "samples": v}
                              for name, v in figures.items()}
            ratios = {f.name: results.ratio(row.key, peer, f) for f in row.figures} if peer != peers.OURS else {}
            if any(ratios.values()):
                measured[peer]["times_better_is_ociregistry"] = {k: round(v, 3) for k, v in ratios.items() if v}
        rows.append({"row": row.key, "title": results.title(row), "measured": measured,
                     "goals": [{"figure": f.name, "kind": kind, "wanted": number, "reached": reached}
                               for f, kind, number, reached in results.verdicts(row)],
                     "notes": results.notes.get(row.key, {})})
    return {"about": about, "units": {"rate": "requests, images or bytes a second", "cpu": "seconds a request, image "
            "or GiB", "p50 p99 max start": "seconds", "rss": "bytes"}, "rows": rows}
