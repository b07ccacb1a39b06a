# SPDX-License-Identifier: Apache-2.0
"""The table as a picture: how many times better, on a log scale, with a tick where it was wanted. SVG by hand, in colours
that can be read on white and on black."""
import html
import math

import peers
import table

TEXT, FAINT, WALL, CPU, OTHER, GOAL = "#7d8590", "#7d859055", "#4c8fd9", "#d18f3a", "#4fa67a", "#d0505e"
LEFT, BARS, RIGHT = 400, 330, 270  # title, bars, figures
LINE, TOP, BOTTOM = 17, 62, 40
LOWEST, HIGHEST = -0.3, 4.5  # powers of ten: half to 30 000 times
LABEL = 58  # a ratio's text is not wider
STYLE = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


def _text(x, y, said, size=12, anchor="start", fill=TEXT, weight="normal"):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s" font-weight="%s">%s</text>' % (
        x, y, size, anchor, fill, weight, html.escape(said))


def _rect(x, y, width, height, fill):
    return '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" rx="1.5"/>' % (x, y, width, height, fill)


def _x(ratio):
    return LEFT + BARS * (min(max(math.log10(ratio), LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)


def _colour(figure):
    return {"rate": WALL, "cpu": CPU}.get(figure.name, OTHER)


def _goal(row, figure):
    """A ratio to docker-registry, when that is what was wanted."""
    return next((number for kind, number in row.goals.get(figure.name, ()) if kind == "x"), None)


def _bars(results):
    """(title or "", row, figure, ratio) of all that have both sides."""
    for row in results.rows():
        title = results.title(row)
        for figure in row.figures:
            if figure.name in ("p50", "max") or (figure.name == "rate" and row.figures is table.LATENCY):
                continue
            ratio = results.ratio(row.key, peers.DOCKER, figure)
            if ratio:
                yield title, row, figure, ratio
                title = ""


def _bar(results, y, title, row, figure, ratio):
    one, end, goal = _x(1), _x(ratio), _goal(row, figure)
    behind = max(one, end) + 5
    if goal and end < _x(goal) < behind + LABEL:
        behind = _x(goal) + 5  # the tick would stand in the text
    ours, theirs = (results.median(row.key, peer, figure.name) for peer in (peers.OURS, peers.DOCKER))
    yield _text(LEFT - 12, y + 11, title, anchor="end")
    yield _rect(min(one, end), y + 2, max(abs(end - one), 1), LINE - 5, _colour(figure))
    yield _text(behind, y + 11.5, table.ratio_text(ratio).replace("x", "×"), weight="bold")
    if goal:
        yield _rect(_x(goal) - 1, y, 2, LINE - 1, GOAL)
    yield _text(LEFT + BARS + LABEL, y + 11.5, "%s : %s" % (figure.show(ours), figure.show(theirs).replace(" CPU/GiB", "")
                                                         .replace(" CPU", "")), size=11)


def _scale(bottom):
    for power in range(math.ceil(LOWEST), math.floor(HIGHEST) + 1):
        x = _x(10.0 ** power)
        yield '<line x1="%.1f" x2="%.1f" y1="%d" y2="%.1f" stroke="%s" stroke-width="%g"/>' % (
            x, x, TOP - 4, bottom, TEXT if power == 0 else FAINT, 1.2 if power == 0 else 1)
        yield _text(x, bottom + 14, "%g×" % 10.0 ** power, size=11, anchor="middle")


def _legend(about):
    yield _text(16, 22, "ociregistry against docker-registry: how many times better", size=15, weight="bold")
    x = 16
    for colour, said in ((WALL, "rate"), (CPU, "CPU of the server for the same work"), (OTHER, "memory, latency, start"),
                         (GOAL, "goal")):
        yield _rect(x, 35, 3 if colour == GOAL else 12, 11, colour)
        yield _text(x + 17, 45, said)
        x += 42 + 6.6 * len(said)
    yield _text(LEFT + BARS + LABEL, 45, "ociregistry : docker-registry", size=11)


def svg(results, about):
    lines, y, width = [], TOP, LEFT + BARS + RIGHT
    for title, row, figure, ratio in _bars(results):
        y += 7 if title and y > TOP else 0
        lines += _bar(results, y, title, row, figure, ratio)
        y += LINE
    height = y + BOTTOM
    foot = "medians of at most %(rounds)d rounds, %(date)s, %(cores)d cores of %(cpu)s, Linux %(kernel)s" % about
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" style="%s" role="img">' % (
            width, height, width, height, STYLE),
        "<title>ociregistry against docker-registry</title>", *_legend(about), *_scale(y + 2), *lines,
        _text(16, height - 8, foot, size=11), "</svg>", ""])
