"""The lectures' picture of complexity: multiply-accumulates against parameters, a labelled point for each network."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Sequence
from itertools import product
from math import cos, hypot, pi, sin
from pathlib import Path
from typing import Any, Final, TypeAlias

from .compare import HEADS, Row, cells
from .extras import need
from .files import write_bytes
from .record import Record

FORMS: Final = (".svg", ".png", ".html")
STYLE: Final = {
    "svg.hashsalt": "cnndsl",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind can tell apart."""

SIZE: Final = (9.6, 6.4)
RESOLUTION: Final = 160
LARGEST: Final = 900
"""The area of the largest marker in square points; areas are as the activations."""

_STEPS: Final = 24
_REACH: Final = 14
_PADDING: Final = 2.0


_PASSED: Final = 400.0
"""What leading by another point counts, as an area covered."""

_BY: Final = 12.0
_FAR: Final = float("inf")

Spot: TypeAlias = tuple[float, float]
"""A point of the drawing, in pixels."""


class _Box(Record):
    """A rectangle on the drawing, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def common(self, other: _Box) -> float:
        """The area that two have in common."""
        across = min(self.right, other.right) - max(self.left, other.left)
        upward = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(across, 0.0) * max(upward, 0.0)

    def closest(self, spot: Spot) -> Spot:
        """The point of the rectangle that is nearest to a spot."""
        return min(max(spot[0], self.left), self.right), min(max(spot[1], self.bottom), self.top)

    def distance(self, spot: Spot) -> float:
        """From a spot to the rectangle."""
        x, y = self.closest(spot)
        return hypot(x - spot[0], y - spot[1])


def draw(rows: Sequence[Row], target: str) -> list[Row]:
    """Draw networks to a `.svg`, `.png` or `.html` file; the same rows give the same bytes. Returns those left out.

    Both axes are logarithmic, and a marker's area is as the activations. Raises ValueError for another ending or where no
    network has fixed sizes, MissingExtra where matplotlib is not installed, OSError.
    """
    form = Path(target).suffix.lower()
    if form not in FORMS:
        raise ValueError(f"{target} must end in {', '.join(FORMS)}")
    shown = [row for row in rows if row.macs and row.params]
    if not shown:
        raise ValueError(
            "there is nothing to draw: no network has parameters, and sizes that are all fixed; see --input"
        )
    drawing = _drawing(shown, "png" if form == ".png" else "svg")
    write_bytes(target, _page(rows, drawing.decode()).encode() if form == ".html" else drawing)
    return [row for row in rows if row not in shown]


def _drawing(rows: Sequence[Row], form: str) -> bytes:
    matplotlib = need("matplotlib", "plot")
    agg = need("matplotlib.backends.backend_agg", "plot")
    figures = need("matplotlib.figure", "plot")
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        figure = figures.Figure(figsize=SIZE, dpi=RESOLUTION, layout="constrained")
        agg.FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _points(axes, rows)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # labels must not move what they were placed by
        _labels(figure, axes, rows)
        written = io.BytesIO()
        metadata = {"Date": None, "Creator": "cnndsl"} if form == "svg" else {"Software": "cnndsl"}
        figure.savefig(written, format=form, metadata=metadata)
    return written.getvalue()


def _area(row: Row, rows: Sequence[Row]) -> float:
    most = max(other.activations or 1 for other in rows)
    return max(LARGEST * (row.activations or 1) / most, 20.0)


def _points(axes: Any, rows: Sequence[Row]) -> None:
    for at, row in enumerate(rows):
        colour = COLOURS[at % len(COLOURS)]
        area = _area(row, rows)
        axes.scatter(row.params, row.macs, s=area, color=colour, alpha=0.55, linewidths=0, zorder=2, gid=row.name)
        axes.scatter(row.params, row.macs, s=6, color=colour, linewidths=0, zorder=3)
    axes.set(xscale="log", yscale="log")
    axes.margins(0.14)
    for axis, values in ((axes.xaxis, [row.params for row in rows]), (axes.yaxis, [row.macs or 1 for row in rows])):
        _ticks(axis, min(values), max(values))
    axes.set_xlabel("parameters")
    axes.set_ylabel("multiply-accumulates, one sample")
    axes.set_title("Complexity; the areas are as the activations", loc="left", fontsize=11)
    axes.grid(True, which="major", color="#d8d8d8", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def _ticks(axis: Any, least: float, most: float) -> None:
    """Ticks at 1, 2 and 5 times the powers of ten, or at the powers alone where those are many."""
    ticker = need("matplotlib.ticker", "plot")
    narrow = most / least < 300
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: spoken(value)))


def spoken(value: float) -> str:
    """A count as an axis shows it: 25M, 4G."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


# -- labels


def _labels(figure: Any, axes: Any, rows: Sequence[Row]) -> None:
    """A name beside each point, where it covers neither points nor other names; far ones get a line to their point."""
    renderer = figure.canvas.get_renderer()
    frame = _box(axes.get_window_extent(renderer))
    scale = figure.dpi / 72
    spots: list[Spot] = [tuple(axes.transData.transform((row.params, row.macs))) for row in rows]
    radii = [(_area(row, rows) / pi) ** 0.5 * scale for row in rows]
    taken = [_around(x, y, radius) for (x, y), radius in zip(spots, radii, strict=True)]
    for at, row in enumerate(rows):
        text = axes.text(0, 0, row.name, fontsize=9, zorder=5, transform=None)
        extent = text.get_window_extent(renderer)
        text.remove()
        others = spots[:at] + spots[at + 1 :]
        place = _free(spots[at], radii[at], (extent.width, extent.height), taken, frame, others)
        taken.append(place)
        alone = place.distance(spots[at]) < min((place.distance(spot) for spot in others), default=_FAR)
        _label(axes, row.name, spots[at], place, near=radii[at] + 8 * scale if alone else 0.0)


def _label(axes: Any, name: str, spot: Spot, place: _Box, near: float) -> None:
    """A name at its place, with a line to its point where that is not near."""
    data = axes.transData.inverted()
    x, y = data.transform(((place.left + place.right) / 2, (place.bottom + place.top) / 2))
    axes.text(x, y, name, fontsize=9, ha="center", va="center", zorder=5)
    if place.distance(spot) > near:
        ends = data.transform([spot, place.closest(spot)])
        axes.plot(ends[:, 0], ends[:, 1], color="#333333", linewidth=0.7, zorder=4, scalex=False, scaley=False)


def _free(
    spot: Spot,
    radius: float,
    size: tuple[float, float],
    taken: Sequence[_Box],
    frame: _Box,
    others: Sequence[Spot],
) -> _Box:
    """The nearest place around a point where a text covers nothing and stays in the frame; else where it covers least.

    Nor may the way from the point to the text lead by another point.
    """
    best, least = _around(*spot, radius), _FAR
    for place in _places(*spot, radius, size):
        outside = place.common(place) - place.common(frame)
        passed = sum(_passes(spot, place.closest(spot), other) for other in others)
        covered = sum(place.common(other) for other in taken) + 4 * outside + _PASSED * passed
        if covered < 1:
            return place
        if covered < least:
            best, least = place, covered
    return best


def _passes(start: Spot, end: Spot, spot: Spot) -> bool:
    """Whether a line leads by a spot."""
    along = [(start[0] + (end[0] - start[0]) * t / 8, start[1] + (end[1] - start[1]) * t / 8) for t in range(1, 9)]
    return any((x - spot[0]) ** 2 + (y - spot[1]) ** 2 < _BY**2 for x, y in along)


def _places(x: float, y: float, radius: float, size: tuple[float, float]) -> Iterator[_Box]:
    """Rectangles around a point, the nearest first, beginning on the right."""
    width, height = size[0] + 2 * _PADDING, size[1] + 2 * _PADDING
    for ring, step in product(range(_REACH), range(_STEPS)):
        angle = 2 * pi * step / _STEPS
        far = radius + 3 + ring * height / 2
        middle = x + cos(angle) * (far + width / 2), y + sin(angle) * (far + height / 2)
        yield _Box(middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2)


def _around(x: float, y: float, half: float) -> _Box:
    return _Box(x - half, y - half, x + half, y + half)


def _box(extent: Any) -> _Box:
    return _Box(extent.x0, extent.y0, extent.x1, extent.y1)


# -- the page


def _page(rows: Sequence[Row], drawing: str) -> str:
    """A page of its own with the drawing and the table."""
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    lines = "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells(row))}</tr>" for row in rows)
    return _PAGE.format(drawing=drawing[drawing.index("<svg") :].rstrip(), heads=heads, lines=lines)


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Complexity</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
</style>
</head>
<body>
{drawing}
<div><table>
<thead><tr>{heads}</tr></thead>
<tbody>
{lines}
</tbody>
</table></div>
</body>
</html>
"""
