"""Radiographs, heat maps and results as matplotlib figures.

Every function returns the `Figure` and leaves pyplot without it, so that a notebook shows it once, as the value of a
cell's last line. Given `axes`, a function draws into them instead, and returns their figure. Figures are white cards
with dark ink: they read alike on light and dark pages, wherever they are shown.

Images lie in pixels, (row, column), as a radiologist sees them: the patient's right is at the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from cxrtutor.viewing import colours

Image = Shaped[np.ndarray, "height width"]
Region = Bool[np.ndarray, "height width"]

_WIDTH = 7.0  # inches: a page's column, with pixels to spare
_PICTURE_WIDTH = 4.2  # of a single picture
_LINE = 0.17  # inches that a line of a title takes
_MARKERS = "osD^vPX<>"
_STYLE = {
    "figure.dpi": 144,
    "figure.facecolor": colours.PAPER,
    "axes.facecolor": colours.PAPER,
    "axes.edgecolor": colours.MUTED_INK,
    "axes.labelcolor": colours.INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.titlecolor": colours.INK,
    "text.color": colours.INK,
    "font.size": 9,
}


@runtime_checkable
class Estimate(Protocol):
    """A value between two limits, such as `cxrtutor.evaluation.bootstrap.Interval`."""

    value: float
    low: float
    high: float


@runtime_checkable
class Planned(Protocol):
    """A device's memory, by term and as a whole, such as `cxrtutor.pretraining.planner.Plan` (all in bytes)."""

    device: str
    devices: int
    memory: Mapping[str, int]
    capacity: int


def panels(
    count: int = 1, *, columns: int | None = None, aspect: float = 1.0, width: float = _WIDTH
) -> tuple[Figure, list[Axes]]:
    """An empty figure in the course's style with `count` axes, row by row.

    Args:
        count: how many axes.
        columns: how many stand in a row; all by default.
        aspect: height of each over its width.
        width: of the whole, in inches.
    """
    columns = min(columns or count, count)
    rows = -(-count // columns)
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(width, rows * width / columns * aspect), squeeze=False, layout="constrained"
        )
    plt.close(figure)
    for axes in grid.flat:
        axes.tick_params(colors=colours.MUTED_INK, labelcolor=colours.INK, labelsize=8)
    for spare in grid.flat[count:]:
        spare.remove()
    return figure, list(grid.flat[:count])


def show_radiograph(image: Image, *, title: str = "", sides: bool = True, axes: Axes | None = None) -> Figure:
    """A radiograph: uint8, or float in [0, 1], bone bright. `sides` writes R and L where the patient's sides are."""
    figure, axes = _picture(image.shape, axes, title)
    axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.set_title(title)
    axes.set_axis_off()
    if sides:
        for letter, x, side in (("R", 0.03, "left"), ("L", 0.97, "right")):
            text = axes.text(x, 0.97, letter, transform=axes.transAxes, ha=side, va="top", weight="bold", size=8)
            text.set(color="white", path_effects=[withStroke(linewidth=2, foreground=colours.CASING)])
    return figure


def labelled_radiograph(image: Image, places: Mapping[str, tuple[float, float]], *, axes: Axes | None = None) -> Figure:
    """A radiograph with names in its margins, each tied by a thin line to the place that it names.

    Args:
        image: as for `show_radiograph`.
        places: name to (row, column). Names of the picture's left half stand on its left, the others on its right.
        axes: to draw into; leave as much room beside the picture as the picture is wide, half of it on each side.
    """
    height, width = image.shape
    if axes is None:
        _, (axes,) = panels(1, aspect=height / width / 2)
    show_radiograph(image, sides=False, axes=axes)
    for on_right in (False, True):
        named = {name: place for name, place in places.items() if (place[1] >= width / 2) == on_right}
        for k, (name, (row, column)) in enumerate(sorted(named.items(), key=lambda item: item[1])):
            line = axes.annotate(
                name,
                xy=(column, row),
                xytext=(1.06 * width if on_right else -0.06 * width, (k + 0.5) / len(named) * height),
                ha="left" if on_right else "right",
                va="center",
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colours.TRUTH, "linewidth": 1},
            ).arrow_patch
            line.set_path_effects([withStroke(linewidth=2.2, foreground=colours.CASING)])
            axes.plot(column, row, "o", color=colours.TRUTH, markeredgecolor=colours.CASING, markersize=4)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return axes.figure


def film_and_report(
    image: Image,
    lesions: Sequence[Region],
    sentences: Sequence[str],
    said: Sequence[str],
    links: Sequence[Sequence[int]],
) -> Figure:
    """A film with its lesions outlined and numbered, and below it the sentences of its report.

    Args:
        image: as for `show_radiograph`.
        lesions: where they are.
        sentences: in reading order.
        said: for each sentence, what kind it is. Kinds are told by colours, in the order in which they first occur.
        links: for each sentence, which of the lesions (indices) it speaks of; their numbers stand before it.
    """
    wrapped = [fill(sentence, 58) for sentence in sentences]
    colour_of = dict(zip(dict.fromkeys(said), colours.SERIES, strict=False))
    lines = sum(text.count("\n") + 1.5 for text in wrapped) + len(colour_of) + 1
    above, below = 0.8 * _PICTURE_WIDTH * image.shape[0] / image.shape[1], _LINE * lines
    figure, (whole,) = panels(1, aspect=(above + below) / _PICTURE_WIDTH, width=_PICTURE_WIDTH)
    whole.set_axis_off()
    film = whole.inset_axes((0.1, below / (above + below), 0.8, above / (above + below)))
    page = whole.inset_axes((0, 0, 1, below / (above + below)))
    show_radiograph(image, axes=film)
    for number, lesion in enumerate(lesions, start=1):
        outline(lesion, film)
        rows, columns = np.nonzero(lesion)
        name = film.text(columns.mean(), rows.mean(), str(number), ha="center", va="center", size=9, weight="bold")
        name.set(color=colours.TRUTH, path_effects=[withStroke(linewidth=2.4, foreground=colours.CASING)])
    top = 1.0
    for text, kind, linked in zip(wrapped, said, links, strict=True):
        height = text.count("\n") + 1
        page.barh(top + height / 2, 0.016, height, 0, color=colour_of[kind])
        page.text(0.1, top + 0.1, text, va="top", size=7.5, linespacing=1.3)
        page.text(
            0.055, top + 0.1, ", ".join(str(k + 1) for k in linked), ha="center", va="top", size=7.5, weight="bold"
        )
        top += height + 0.5
    handles = [Patch(color=colour, label=kind) for kind, colour in colour_of.items()]
    page.legend(handles=handles, frameon=False, fontsize=7.5, loc="lower left", handlelength=0.9, borderaxespad=0)
    page.set(xlim=(0, 1), ylim=(lines + 0.5, 0))
    page.set_axis_off()
    return figure


def show_heat_map(
    image: Image,
    heat: Float[np.ndarray, "heat_height heat_width"],
    *,
    truth: Region | None = None,
    mask: Region | None = None,
    title: str = "",
    limits: tuple[float, float] | None = None,
    opacity: float = 0.5,
    colour_bar: bool = False,
    sides: bool = True,
    axes: Axes | None = None,
) -> Figure:
    """A heat map over its radiograph, with the outlines of ground truth and mask.

    Args:
        image: as for `show_radiograph`.
        heat: of the image's size, or a patch grid that covers the image, drawn as patches. NaN is left clear.
        truth: outlined in the accent colour.
        mask: outlined in white.
        title: above the picture.
        limits: heat drawn in the first and the last colour; the smallest and largest by default. Give them wherever
            pictures are to be compared.
        opacity: of the heat, in [0, 1].
        colour_bar: whether to draw the scale.
        sides: whether to write R and L.
        axes: to draw into.
    """
    figure, axes = _picture(image.shape, axes, title)
    show_radiograph(image, title=title, sides=sides, axes=axes)
    drawn = _lay_heat(heat, image.shape, axes, limits, opacity)
    if mask is not None:
        outline(mask, axes, colour=colours.MASK, thickness=1.0)
    if truth is not None:
        outline(truth, axes)
    if colour_bar:
        bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
        bar.solids.set_alpha(1)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=colours.MUTED_INK, labelcolor=colours.INK, labelsize=8)
    return figure


def outline(region: Region, axes: Axes, *, colour: str = colours.TRUTH, thickness: float = 1.6) -> Figure:
    """The border of a region, in the accent colour of ground truth, with a dark casing. `thickness` in points."""
    height, width = region.shape
    contour = axes.contour(
        np.arange(-1, width + 1),
        np.arange(-1, height + 1),
        np.pad(region, 1).astype(float),
        levels=[0.5],
        colors=[colour],
        linewidths=thickness,
    )
    contour.set_path_effects([withStroke(linewidth=thickness + 1.4, foreground=colours.CASING)])
    return axes.figure


def radiograph_grid(
    images: Sequence[Image],
    *,
    titles: Sequence[str] | None = None,
    heats: Sequence[np.ndarray | None] | None = None,
    truths: Sequence[Region | None] | None = None,
    masks: Sequence[Region | None] | None = None,
    columns: int = 4,
    limits: tuple[float, float] | None = None,
    opacity: float = 0.5,
) -> Figure:
    """Small multiples of radiographs: one picture an image, each with its own title, heat map and outlines.

    Repeat an image to show several maps of it. `limits` hold for every heat map; without them each has its own. Long
    titles, such as prompts, are wrapped. The first picture names the sides for all.
    """
    nothing = [None] * len(images)
    figure, grid, titles = _pictures(images[0].shape, titles or [""] * len(images), columns)
    for axes, image, title, heat, truth, mask in zip(
        grid, images, titles, heats or nothing, truths or nothing, masks or nothing, strict=True
    ):
        show_radiograph(image, title=title, sides=axes is grid[0], axes=axes)
        if heat is not None:
            _lay_heat(heat, image.shape, axes, limits, opacity)
        if mask is not None:
            outline(mask, axes, colour=colours.MASK, thickness=0.8)
        if truth is not None:
            outline(truth, axes, thickness=1.2)
    return figure


def similarity_table(images: Sequence[Image], texts: Sequence[str], table: Float[np.ndarray, "images texts"]) -> Figure:
    """Radiographs in rows, texts in columns, and how much they have in common; true pairs, on the diagonal, outlined.

    Args:
        images: as for `show_radiograph`.
        texts: wrapped above their columns.
        table: numbers, written into their cells; bright is more.
    """
    rows, columns = table.shape
    each = _WIDTH / (columns + 1)
    wrapped = [fill(text, int(13 * each)) for text in texts]
    above = _LINE * (max(text.count("\n") for text in wrapped) + 1.5) / each
    figure, (axes,) = panels(1, aspect=(rows + above) / (columns + 1))
    axes.imshow(table, cmap=colours.HEAT, extent=(-0.5, columns - 0.5, rows - 0.5, -0.5))
    for row, image in enumerate(images):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1, extent=_cell(row, -1))
    casing = [withStroke(linewidth=2, foreground=colours.CASING)]
    for (row, column), value in np.ndenumerate(table):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white", path_effects=casing)
    for pair in range(min(rows, columns)):
        for colour, thickness in ((colours.CASING, 4.5), (colours.TRUTH, 2.5)):
            square = (pair - 0.46, pair - 0.46), 0.92, 0.92
            axes.add_patch(Rectangle(*square, fill=False, edgecolor=colour, linewidth=thickness))
    for column, text in enumerate(wrapped):
        axes.text(column, -0.55, text, ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(-1.5, columns - 0.5), ylim=(rows - 0.5, -0.5 - above))
    axes.set_axis_off()
    return figure


def mass_tables(
    tables: Mapping[str, Float[np.ndarray, "rows columns"]], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Tables of one shape side by side, such as a cost and the plans that it leads to, with their numbers written in.

    Args:
        tables: title to table; each has its own colours, from the smallest to the largest of its values.
        rows: names, written once, at the left.
        columns: names, written below every table.
    """
    shape = (len(rows), len(columns))
    figure, grid = panels(len(tables), aspect=shape[0] / shape[1] + 0.35)
    casing = [withStroke(linewidth=2, foreground=colours.CASING)]
    for axes, (title, table) in zip(grid, tables.items(), strict=True):
        axes.imshow(table, cmap=colours.HEAT, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            written = f"{value:.2f}".rstrip("0").rstrip(".")
            axes.text(column, row, written, ha="center", va="center", color="white", fontsize=8, path_effects=casing)
        axes.set_title(title)
        axes.set_xticks(range(shape[1]), columns)
        axes.set_yticks(range(shape[0]), rows if axes is grid[0] else [""] * shape[0])
        axes.tick_params(length=0)
    return figure


def threshold_strip(
    image: Image,
    heat: Float[np.ndarray, "height width"],
    truth: Region,
    *,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
) -> Figure:
    """One heat map under several thresholds: the mask of each, with its IoU.

    Args:
        image: as for `show_radiograph`.
        heat: normalised to the scale of the thresholds; NaN where not valid.
        truth: outlined in every picture.
        thresholds: the mask is `heat > threshold`.
    """
    from cxrtutor.evaluation.metrics import iou

    scores = [_measured(iou, heat > threshold, truth, ~np.isnan(heat)) for threshold in thresholds]
    return radiograph_grid(
        [image] * len(thresholds),
        titles=[f"t = {threshold:g}\nIoU {score:.2f}" for threshold, score in zip(thresholds, scores, strict=True)],
        heats=[heat] * len(thresholds),
        truths=[truth] * len(thresholds),
        masks=[heat > threshold for threshold in thresholds],
        columns=len(thresholds),
    )


def overlap_picture(mask: Region, truth: Region, *, axes: Axes | None = None) -> Figure:
    """Mask and truth as two overlapping sets of pixels, counted, with the IoU and Dice they give."""
    from cxrtutor.evaluation.metrics import dice, iou

    title = f"IoU {_measured(iou, mask, truth):.3f}, Dice {_measured(dice, mask, truth):.3f}"
    figure, axes = _picture(mask.shape, axes, title)
    parts = {
        "mask only": (mask & ~truth, colours.SERIES[4]),
        "both": (mask & truth, colours.SERIES[0]),
        "truth only": (truth & ~mask, colours.TRUTH),
    }
    kinds = sum(kind * part for kind, (part, _) in enumerate(parts.values(), start=1))
    palette = ListedColormap(["#eceef0", *(colour for _, colour in parts.values())])
    axes.imshow(kinds, cmap=palette, vmin=0, vmax=len(parts), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)
    axes.legend(
        handles=[Patch(color=colour, label=f"{name}: {part.sum():,} px") for name, (part, colour) in parts.items()],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        frameon=False,
        fontsize=8,
    )
    return figure


def histograms(
    groups: Mapping[str, np.ndarray],
    *,
    lines: Mapping[str, float] | None = None,
    xlabel: str = "heat",
    bins: int = 60,
    axes: Axes | None = None,
) -> Figure:
    """How values spread: each group as shares of its own size, in bins that all groups have in common.

    Args:
        groups: name to values of any shape; NaN is left out.
        lines: name to a value that is marked by a vertical line, such as a threshold or the limits of an interval.
        xlabel: what the values are.
        bins: how many, over the range of all groups.
        axes: to draw into.
    """
    figure, axes = _chart(axes, aspect=0.45)
    values = {name: np.asarray(group)[~np.isnan(group)] for name, group in groups.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    for (name, group), colour in zip(values.items(), colours.SERIES, strict=False):
        weights = np.full(len(group), 1 / len(group))
        axes.hist(group, edges, weights=weights, color=colour, alpha=0.35)
        axes.hist(group, edges, weights=weights, color=colour, histtype="step", linewidth=1.4, label=name)
    for (name, value), style in zip((lines or {}).items(), ("-", "--", ":", "-."), strict=False):
        axes.axvline(value, color=colours.INK, linestyle=style, linewidth=1.4, label=f"{name}: {value:.2f}")
    axes.set(xlabel=xlabel, ylabel="share")
    axes.legend(frameon=False, fontsize=8)
    return figure


def window_plot(
    values: Shaped[np.ndarray, "height width"],
    windows: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    bins: int = 128,
    axes: Axes | None = None,
) -> Figure:
    """The histogram of a film's stored values, and over it the grey that each window gives to a value.

    Args:
        values: as the file stores them.
        windows: name to a function from values to greys in [0, 1].
        bins: of the histogram; its highest bar has the height of the whitest grey.
        axes: to draw into.
    """
    figure, axes = _chart(axes, aspect=0.42)
    counts, edges = np.histogram(values, bins)
    axes.bar(edges[:-1], counts / counts.max(), np.diff(edges), align="edge", color="#c3c9d0")
    across = np.linspace(edges[0], edges[-1], 600)
    for (name, window), colour, style in zip(windows.items(), colours.SERIES, ("-", "--", "-.", ":"), strict=False):
        axes.plot(across, window(across), color=colour, linestyle=style, linewidth=1.8, label=name)
    axes.set(xlabel="stored value", ylabel="grey: 0 black, 1 white", ylim=(-0.03, 1.06))
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def interval_plot(
    intervals: Mapping[str, Mapping[str, Estimate]],
    *,
    xlabel: str,
    reference: float | None = None,
    looks: Mapping[str, int] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Estimates with their intervals, a line of them for every row.

    Args:
        intervals: method to row (such as a finding) to estimate; a method may lack rows.
        xlabel: what is estimated.
        reference: a value that matters, such as 0 for a difference; a vertical line.
        looks: method to the number of its colour and marker, so that it keeps them from figure to figure; by its place
            in this figure unless given. There are nine colours; nine further on is the same one, with another marker.
        axes: to draw into.
    """
    rows = list(dict.fromkeys(row for estimates in intervals.values() for row in estimates))
    figure, axes = _chart(axes, aspect=0.12 + 0.035 * len(rows) * (1 + len(intervals)) / 2)
    if reference is not None:
        axes.axvline(reference, color=colours.MUTED_INK, linewidth=1, linestyle="--")
    for k, (method, estimates) in enumerate(intervals.items()):
        middle, reach = _middle_and_reach(estimates.values())
        places = [rows.index(row) + 0.6 * ((k + 0.5) / len(intervals) - 0.5) for row in estimates]
        axes.errorbar(
            middle, places, xerr=reach, linestyle="none", label=method, **_of_series(looks[method] if looks else k)
        )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    if len(intervals) > 1:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _middle_and_reach(estimates: Iterable[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """The values, and how far below and above them their limits lie."""
    values, low, high = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates]).T
    return values, np.abs(np.stack([low, high]) - values)


def _of_series(k: int) -> dict[str, Any]:
    """How the points of series `k` look, with the limits of their intervals.

    After the last colour the first comes again, with another marker: two looks of one method have one colour.
    """
    again, place = divmod(k, len(colours.SERIES))
    marker, color = _MARKERS[(place + again) % len(_MARKERS)], colours.SERIES[place]
    return {"marker": marker, "color": color, "markersize": 5, "capsize": 2.5, "linewidth": 1.4}


def dose_plot(
    responses: Mapping[str, Mapping[float, Estimate]],
    *,
    xlabel: str,
    ylabel: str,
    reference: float | None = None,
    band: tuple[float, float] | None = None,
    looks: Mapping[str, int] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """What comes of more and more of something: a line for each kind, with the interval of every point.

    Args:
        responses: kind to dose to estimate.
        xlabel: what the dose is.
        ylabel: what is estimated.
        reference: a value that matters, such as 0 for a difference; a horizontal line.
        band: two values between which differences mean little; shaded.
        looks: kind to the number of its colour and marker, as in `interval_plot`.
        axes: to draw into.
    """
    figure, axes = _chart(axes, aspect=0.5)
    if band is not None:
        axes.axhspan(*band, color="#eceef0", linewidth=0)
    if reference is not None:
        axes.axhline(reference, color=colours.MUTED_INK, linewidth=1, linestyle="--")
    for k, (kind, estimates) in enumerate(responses.items()):
        middle, reach = _middle_and_reach(estimates.values())
        axes.errorbar(list(estimates), middle, yerr=reach, label=kind, **_of_series(looks[kind] if looks else k))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False, fontsize=8)
    return figure


def reliability_plot(curves: Mapping[str, pd.DataFrame], *, axes: Axes | None = None) -> Figure:
    """What was said against what came true: on the diagonal, a probability keeps its word.

    Args:
        curves: name to a row for each bin of answers, with `said` and `true` in [0, 1] and `count`, which sets the
            marker's size.
        axes: to draw into.
    """
    if axes is None:
        _, (axes,) = panels(1, aspect=0.9, width=_PICTURE_WIDTH)
    axes.plot([0, 1], [0, 1], color=colours.MUTED_INK, linewidth=1, linestyle="--")
    for k, (name, curve) in enumerate(curves.items()):
        colour = colours.SERIES[k % len(colours.SERIES)]
        axes.plot(curve["said"], curve["true"], color=colour, linewidth=1.2)
        sizes = 12 + 140 * curve["count"] / curve["count"].sum()
        marker = _MARKERS[k % len(_MARKERS)]
        axes.scatter(curve["said"], curve["true"], s=sizes, color=colour, marker=marker, label=name)
    axes.set(xlabel="said to be there, with this probability", ylabel="share that was there", xlim=(0, 1), ylim=(0, 1))
    legend = axes.legend(frameon=False, fontsize=8, loc="upper left")
    for handle in legend.legend_handles:
        handle.set_sizes([25])
    return axes.figure


def passage_blocks(
    pieces: Sequence[str], words: Sequence[int], sentences: Sequence[int], *, across: int = 64, axes: Axes | None = None
) -> Figure:
    """A passage as the blocks it is made of: word pieces, below them the words they make, and the sentences.

    Args:
        pieces: as a vocabulary spells them, with "##" before what goes on with a word.
        words: the word of each piece, -1 for none. The pieces of a word have its colour, others are grey.
        sentences: the sentence of each piece, -1 for none.
        across: letters in a line. A longer passage goes on in the next one; no word is parted.
        axes: to draw into.
    """
    spots = _set_in_lines(pieces, words, across)
    lines = spots[-1][0] + 1
    figure, axes = _chart(axes, aspect=0.035 + 0.12 * lines)

    def block(line: int, row: int, start: float, end: float, label: str, colour: str) -> None:
        top = 3.6 * line + row
        axes.barh(top, end - start - 0.3, 0.86, start, color=colour, alpha=0.3, edgecolor=colour, linewidth=0.8)
        axes.text((start + end - 0.3) / 2, top, label, ha="center", va="center", family="monospace", size=8)

    for (line, start, end), piece, word in zip(spots, pieces, words, strict=True):
        block(line, 0, start, end, piece, _block_colour(word))
    for row, name, owners in ((1, "word", words), (2, "sentence", sentences)):
        for (line, owner), run in groupby(range(len(pieces)), lambda k, owners=owners: (spots[k][0], owners[k])):
            members = list(run)
            if owner >= 0:
                spelled = "".join(pieces[k].removeprefix("##") for k in members)
                label = spelled if name == "word" else f"sentence {owner + 1}"
                colour = _block_colour(owner) if name == "word" else colours.MUTED_INK
                block(line, row, spots[members[0]][1], spots[members[-1]][2], label, colour)
    axes.set(xlim=(-0.3, across), ylim=(3.6 * lines - 1.0, -0.6))
    axes.set_axis_off()
    return figure


def weighted_words(
    words: Sequence[str],
    weights: Sequence[float],
    *,
    heaviest: float | None = None,
    title: str = "",
    across: int = 78,
    axes: Axes | None = None,
) -> Figure:
    """A text whose words are shaded by their weights: white for none, the fullest blue for the heaviest.

    Args:
        words: in reading order.
        weights: one for each word, not negative.
        heaviest: the weight that gets the fullest shade; the largest by default. Give it where texts are compared.
        title: above the text.
        across: letters in a line.
        axes: to draw into.
    """
    spots = _set_in_lines(words, range(len(words)), across)
    lines = spots[-1][0] + 1
    figure, axes = _chart(axes, aspect=(0.06 if title else 0.02) + 0.044 * lines)
    for (line, start, end), word, weight in zip(spots, words, weights, strict=True):
        shade = 0.65 * min(weight / (heaviest or max(weights)), 1.0)
        axes.barh(1.3 * line, end - start - 0.2, 1.0, start, color=colours.SERIES[0], alpha=shade)
        axes.text((start + end - 0.2) / 2, 1.3 * line, word, ha="center", va="center", family="monospace", size=7)
    axes.set(xlim=(-0.3, across), ylim=(1.3 * lines - 0.6, -0.7), title=title)
    axes.set_axis_off()
    return figure


def training_curves(logs: Mapping[str, Sequence[Mapping[str, Any]]], *, axes: Axes | None = None) -> Figure:
    """The loss of runs, step by step, and their validation loss at the ends of epochs as dots.

    Args:
        logs: name to a run's log (`cxrtutor.pretraining.run.Run.log`): entries with "step", "loss", and, at the end of
            an epoch, "validation_loss".
        axes: to draw into.
    """
    figure, axes = _chart(axes, aspect=0.5)
    for k, (name, log) in enumerate(logs.items()):
        colour = colours.SERIES[k % len(colours.SERIES)]
        axes.plot([entry["step"] for entry in log], [entry["loss"] for entry in log], color=colour, alpha=0.45, lw=1)
        ends = [entry for entry in log if "validation_loss" in entry]
        axes.plot(
            [entry["step"] for entry in ends],
            [entry["validation_loss"] for entry in ends],
            color=colour,
            marker=_MARKERS[k % len(_MARKERS)],
            markersize=4,
            linewidth=1.6,
            label=f"{name}, validation",
        )
    axes.set(xlabel="step", ylabel="loss")
    axes.legend(frameon=False, fontsize=8)
    return figure


def memory_plot(plans: Mapping[str, Planned], *, axes: Axes | None = None) -> Figure:
    """What runs take of the memory of a device: a bar each, made of its terms, against what the device has.

    Args:
        plans: name to plan. A device's memory is a black line across the bar.
        axes: to draw into.
    """
    gibibyte = 2**30
    figure, axes = _chart(axes, aspect=0.16 + 0.055 * len(plans))
    terms = list(dict.fromkeys(term for plan in plans.values() for term in plan.memory))
    before = np.zeros(len(plans))
    for term, colour in zip(terms, colours.SERIES, strict=False):
        sizes = np.array([plan.memory.get(term, 0) / gibibyte for plan in plans.values()])
        if sizes.any():
            axes.barh(range(len(plans)), sizes, 0.62, before, color=colour, label=term)
        before += sizes
    for row, plan in enumerate(plans.values()):
        axes.plot([plan.capacity / gibibyte] * 2, [row - 0.42, row + 0.42], color=colours.INK, linewidth=2)
    names = [f"{name}: {plan.devices} x {plan.device}" for name, plan in plans.items()]
    axes.set_yticks(range(len(plans)), names)
    axes.set(ylim=(len(plans) - 0.5, -0.5), xlabel="GiB of each device; the line is what it has")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _set_in_lines(pieces: Sequence[str], words: Sequence[int], across: int) -> list[tuple[int, float, float]]:
    """Line, start and end of every piece, in letters; the pieces of a word stay together."""
    spots: list[tuple[int, float, float]] = []
    line, x = 0, 0.0
    for _, run in groupby(range(len(pieces)), lambda k: words[k] if words[k] >= 0 else -1 - k):
        widths = [len(pieces[k]) + 1.3 for k in run]
        if x > 0 and x + sum(widths) > across:
            line, x = line + 1, 0.0
        for width in widths:
            spots.append((line, x, x + width))
            x += width
    return spots


def _block_colour(word: int) -> str:
    return colours.SERIES[word % 6] if word >= 0 else colours.SERIES[6]


def _picture(shape: tuple[int, ...], axes: Axes | None, title: str) -> tuple[Figure, Axes]:
    """The given axes with their figure, or new ones for one picture."""
    if axes is None:
        _, (axes,), _ = _pictures(shape, [title], columns=1, width=_PICTURE_WIDTH)
    return axes.figure, axes


def _pictures(
    shape: tuple[int, ...], titles: Sequence[str], columns: int, width: float = _WIDTH
) -> tuple[Figure, list[Axes], list[str]]:
    """Axes for pictures of one shape under their titles, and the titles wrapped to fit."""
    each = width / min(columns, len(titles))
    wrapped = ["\n".join(fill(line, int(13 * each)) for line in title.splitlines()) for title in titles]
    lines = max(len(title.splitlines()) for title in wrapped)
    height, across = shape
    figure, grid = panels(
        len(titles), columns=columns, aspect=height / across + (0.1 + _LINE * lines) / each, width=width
    )
    return figure, grid, wrapped


def _lay_heat(
    heat: Float[np.ndarray, "heat_height heat_width"],
    shape: tuple[int, ...],
    axes: Axes,
    limits: tuple[float, float] | None,
    opacity: float,
) -> AxesImage:
    """Lays a heat map of any grid over the whole of an image of `shape`."""
    height, width = shape
    low, high = limits or (np.nanmin(heat), np.nanmax(heat))
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    return axes.imshow(
        heat, cmap=colours.HEAT, vmin=low, vmax=high, alpha=opacity, extent=extent, interpolation="nearest"
    )


def _cell(row: int, column: int) -> tuple[float, float, float, float]:
    """The extent of one cell of a table, a little smaller than the cell."""
    return column - 0.46, column + 0.46, row + 0.46, row - 0.46


def _chart(axes: Axes | None, aspect: float) -> tuple[Figure, Axes]:
    if axes is None:
        _, (axes,) = panels(1, aspect=aspect)
    return axes.figure, axes


def _measured(metric: Callable, *masks: Region) -> float:
    """A metric of `cxrtutor.evaluation.metrics` on numpy masks."""
    import torch

    return metric(*(torch.from_numpy(np.ascontiguousarray(mask)) for mask in masks)).item()
