from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cxrtutor.viewing import figures

IMAGE = np.full((40, 60), 0.5)
DISC = np.hypot(*np.mgrid[-20:20, -30:30]) < 8


def drawn(figure) -> np.ndarray:
    """What the first axes show, as RGB in [0, 1], cropped to them."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    box = figure.axes[0].get_window_extent()
    top = len(pixels) - round(box.y1)
    return pixels[top : top + round(box.height), round(box.x0) : round(box.x1)]


def cyan(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] < 0.1) & (pixels[..., 1] > 0.85) & (pixels[..., 2] > 0.95)


def centre(pixels: np.ndarray) -> tuple[float, float]:
    """Mean row and column of True pixels, as shares of the height and width."""
    return tuple(np.argwhere(pixels).mean(axis=0) / pixels.shape)


def estimate(value: float) -> SimpleNamespace:
    return SimpleNamespace(value=value, low=value - 0.1, high=value + 0.3)


def test_importing_figures_does_not_load_torch():
    script = "import sys, cxrtutor.viewing.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_figures_are_not_left_in_pyplot():
    figures.show_radiograph(IMAGE)
    figures.histograms({"a": IMAGE})
    assert plt.get_fignums() == []


def test_uint8_and_float_radiographs_look_the_same():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    assert np.array_equal(drawn(figures.show_radiograph(ramp)), drawn(figures.show_radiograph(ramp / 255)))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 5), (3, 0), (3, 5), (1, 4)])
def test_a_patch_grid_covers_the_image_unmirrored(row, column):
    heat = np.zeros((4, 6))
    heat[row, column] = 1
    pixels = drawn(figures.show_heat_map(IMAGE, heat, sides=False))
    warm = pixels[..., 0] - pixels[..., 2] > 0.2
    assert centre(warm) == pytest.approx(((row + 0.5) / 4, (column + 0.5) / 6), abs=0.01)


def test_heat_that_is_not_valid_leaves_the_radiograph_clear():
    heat = np.ones(IMAGE.shape)
    heat[:, :30] = np.nan
    pixels = drawn(figures.show_heat_map(IMAGE, heat, limits=(0.0, 1.0), sides=False))
    half = pixels.shape[1] // 2
    assert np.allclose(pixels[2:-2, 2 : half - 2], 0.5, atol=0.01)
    assert (pixels[2:-2, half + 2 : -2, 0] - pixels[2:-2, half + 2 : -2, 2] > 0.2).all()


def test_truth_is_outlined_where_it_lies():
    truth = np.roll(DISC, (8, -15), axis=(0, 1))
    pixels = drawn(figures.show_heat_map(IMAGE, np.zeros((2, 3)), truth=truth, limits=(0.0, 1.0), sides=False))
    assert centre(cyan(pixels)) == pytest.approx((28 / 40, 15 / 60), abs=0.02)


def test_mask_is_outlined_below_truth_and_the_scale_spans_the_limits():
    heat = np.zeros(IMAGE.shape)
    figure = figures.show_heat_map(IMAGE, heat, truth=DISC, mask=~DISC, limits=(-1.0, 1.0), colour_bar=True)
    picture, scale = figure.axes
    colours = [tuple(contour.get_edgecolor()[0]) for contour in picture.collections]
    assert colours == [(1, 1, 1, 1), (0, pytest.approx(229 / 255), 1, 1)]
    assert scale.get_ylim() == (-1, 1)


def test_a_region_that_fills_the_image_is_outlined_along_its_edge():
    figure = figures.show_radiograph(IMAGE, sides=False)
    figures.outline(np.ones(IMAGE.shape, bool), figure.axes[0])
    (path,) = figure.axes[0].collections[0].get_paths()
    assert path.get_extents().bounds == pytest.approx((-0.5, -0.5, 60, 40))


def test_grid_gives_every_image_its_own_title_and_outlines_and_wraps_long_titles():
    long = "There is a small left basal pleural effusion with adjacent airspace opacity."
    figure = figures.radiograph_grid([IMAGE] * 3, titles=["one", long, ""], truths=[None, DISC, None], columns=2)
    assert len(figure.axes) == 3
    assert [len(axes.collections) for axes in figure.axes] == [0, 1, 0]
    assert figure.axes[1].get_title().count("\n") > 0
    assert figure.axes[1].get_title().split() == long.split()


def test_grid_refuses_lists_of_different_lengths():
    with pytest.raises(ValueError, match="shorter"):
        figures.radiograph_grid([IMAGE] * 2, truths=[DISC])


def test_similarity_table_has_films_in_rows_texts_in_columns_and_true_pairs_outlined():
    table = np.array([[0.25, -0.5], [0.75, 0.0]])
    figure = figures.similarity_table([IMAGE, IMAGE], ["Small left effusion.", "Clear."], table)
    (axes,) = figure.axes
    written = {text.get_text(): text.get_position() for text in axes.texts}
    assert {name: written[name] for name in ("0.25", "-0.50", "0.75", "0.00")} == {
        "0.25": (0, 0),
        "-0.50": (1, 0),
        "0.75": (0, 1),
        "0.00": (1, 1),
    }
    assert written["Small left effusion."][0] == 0 and written["Clear."][0] == 1
    heat, *films = axes.images
    assert np.array_equal(heat.get_array(), table)
    assert [tuple(film.get_extent()[:2]) for film in films] == [(-1.46, -0.54)] * 2
    corners = {patch.get_xy() for patch in axes.patches}
    assert corners == {(-0.46, -0.46), (0.54, 0.54)}


def test_mass_tables_write_every_number_into_its_cell():
    cost, plan = np.array([[0.25, 1.0], [0.0, 0.5], [2.0, 3.0]]), np.arange(6.0).reshape(3, 2)
    figure = figures.mass_tables({"cost": cost, "plan": plan}, ["r1", "r2", "r3"], ["s1", "s2"])
    left, right = figure.axes
    assert {text.get_position(): float(text.get_text()) for text in left.texts} == {
        (column, row): cost[row, column] for row in range(3) for column in range(2)
    }
    assert np.array_equal(right.images[0].get_array(), plan) and right.get_title() == "plan"
    assert [label.get_text() for label in left.get_yticklabels()] == ["r1", "r2", "r3"]
    assert not any(label.get_text() for label in right.get_yticklabels())
    assert all([label.get_text() for label in axes.get_xticklabels()] == ["s1", "s2"] for axes in figure.axes)


def test_threshold_strip_writes_the_iou_of_valid_pixels():
    heat = np.zeros(IMAGE.shape, np.float32)
    heat[:, 10:30] = 0.25
    heat[:, 20:30] = 0.75
    heat[:, :10] = np.nan
    truth = np.zeros(IMAGE.shape, bool)
    truth[:, :30] = True
    figure = figures.threshold_strip(IMAGE, heat, truth, thresholds=(0.0, 0.5, 0.9))
    assert [axes.get_title() for axes in figure.axes] == ["t = 0\nIoU 1.00", "t = 0.5\nIoU 0.50", "t = 0.9\nIoU 0.00"]


def test_overlap_picture_counts_the_parts_of_two_sets():
    mask, truth = np.zeros((2, 10, 10), bool)
    mask[:6], truth[4:] = True, True
    figure = figures.overlap_picture(mask, truth)
    (axes,) = figure.axes
    assert axes.get_title() == "IoU 0.200, Dice 0.333"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["mask only: 40 px", "both: 20 px", "truth only: 40 px"]


def test_histograms_are_shares_over_common_bins_without_nan():
    rng = np.random.default_rng(0)
    groups = {"inside": rng.normal(1, 1, 50), "outside": np.append(rng.normal(0, 2, 5000), np.nan)}
    (axes,) = figures.histograms(groups, lines={"threshold": 0.5}, bins=20).axes
    filled = [container for container in axes.containers if len(container) > 1]
    assert [sum(bar.get_height() for bar in bars) for bars in filled] == pytest.approx([1, 1])
    assert [bar.get_x() for bar in filled[0]] == [bar.get_x() for bar in filled[1]]
    assert "threshold: 0.50" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_windows_are_drawn_over_the_histogram_of_the_values_that_they_turn_into_greys():
    values = np.array([[100, 100, 300], [500, 900, 900]], np.uint16)
    windows = {"steep": lambda x: np.clip((x - 400) / 200, 0, 1), "falling": lambda x: 1 - x / 1000}
    (axes,) = figures.window_plot(values, windows, bins=4).axes
    assert [bar.get_height() for bar in axes.patches] == [1, 1 / 2, 1 / 2, 1]
    assert [bar.get_x() for bar in axes.patches] == [100, 300, 500, 700]
    for line, (name, window) in zip(axes.lines, windows.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), window(line.get_xdata()))
        assert (line.get_xdata()[[0, -1]] == [100, 900]).all()


def test_intervals_stand_in_the_line_of_their_row_even_where_a_method_lacks_one():
    intervals = {"LSM": {"nodule": estimate(1.0), "effusion": estimate(2.0)}, "chance": {"effusion": estimate(0.0)}}
    (axes,) = figures.interval_plot(intervals, xlabel="CNR", reference=0.0).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["nodule", "effusion"]
    (lsm, _, (bars,)), (chance, _, _) = axes.containers
    assert [round(y) for y in lsm.get_ydata()] == [0, 1] and [round(y) for y in chance.get_ydata()] == [1]
    assert list(lsm.get_xdata()) == [1.0, 2.0]
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [
        pytest.approx([0.9, 1.3]),
        pytest.approx([1.9, 2.3]),
    ]


def test_doses_stand_at_their_place_with_their_intervals_over_a_band():
    responses = {"silent": {0.0: estimate(0.0), 0.5: estimate(-1.0)}, "swapped": {0.25: estimate(-2.0)}}
    figure = figures.dose_plot(responses, xlabel="share", ylabel="change", reference=0.0, band=(-0.07, 0.07))
    (axes,) = figure.axes
    (silent, _, (bars,)), (swapped, _, _) = axes.containers
    assert silent.get_xydata().tolist() == [[0, 0], [0.5, -1]] and swapped.get_xydata().tolist() == [[0.25, -2]]
    assert bars.get_segments()[1].tolist() == [pytest.approx([0.5, -1.1]), pytest.approx([0.5, -0.7])]
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((-0.07, 0.07))


def test_a_series_keeps_its_look_from_figure_to_figure():
    def look(axes) -> dict[str, tuple]:
        return {bar.get_label(): (bar.lines[0].get_color(), bar.lines[0].get_marker()) for bar in axes.containers}

    names = [f"method {k}" for k in range(9)]
    looks = {name: k for k, name in enumerate(names)}
    doses, rows = ({name: {place: estimate(1.0)} for name in names} for place in (1.0, "nodule"))
    (all_nine,) = figures.dose_plot(doses, xlabel="", ylabel="", looks=looks).axes
    (by_place,) = figures.dose_plot(doses, xlabel="", ylabel="").axes
    (two,) = figures.interval_plot({name: rows[name] for name in names[:6:-1]}, xlabel="", looks=looks).axes
    assert look(all_nine) == look(by_place) and look(two).items() <= look(all_nine).items() and len(look(two)) == 2
    colours_used, markers_used = zip(*look(all_nine).values(), strict=True)
    assert len({*colours_used}) == len({*markers_used}) == 9
    (again,) = figures.dose_plot({"with words": doses["method 2"]}, xlabel="", ylabel="", looks={"with words": 11}).axes
    colour, marker = look(again)["with words"]
    assert colour == colours_used[2] and marker != markers_used[2]


def test_a_reliability_curve_shows_its_bins_as_large_as_they_are_full():
    curve = pd.DataFrame({"said": [0.1, 0.9], "true": [0.2, 0.8], "count": [300, 100]})
    (axes,) = figures.reliability_plot({"isotonic": curve}).axes
    diagonal, line = axes.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert line.get_xydata().tolist() == [[0.1, 0.2], [0.9, 0.8]]
    (bins,) = axes.collections
    full, emptier = bins.get_sizes()
    assert full > 2 * emptier


def test_training_curves_show_each_step_and_the_validation_at_ends_of_epochs():
    log = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "validation_loss": 2.5}]
    (axes,) = figures.training_curves({"LSM": log}).axes
    steps, ends = axes.lines
    assert steps.get_xydata().tolist() == [[1, 3], [2, 2]]
    assert ends.get_xydata().tolist() == [[2, 2.5]]


def test_a_passage_is_drawn_piece_by_piece_word_by_word_and_sentence_by_sentence():
    pieces = ["[CLS]", "left", "p", "##ne", ".", "no", "mass", "[SEP]"]
    (axes,) = figures.passage_blocks(pieces, [-1, 0, 1, 1, -1, 2, 3, -1], [-1, 0, 0, 0, 0, 1, 1, -1]).axes
    labels = [text.get_text() for text in axes.texts]
    assert labels == [*pieces, "left", "pne", "no", "mass", "sentence 1", "sentence 2"]
    spans = {
        label: (bar.get_x(), bar.get_x() + bar.get_width()) for label, bar in zip(labels, axes.patches, strict=True)
    }
    assert spans["pne"] == pytest.approx((spans["p"][0], spans["##ne"][1]))
    assert spans["sentence 1"] == pytest.approx((spans["left"][0], spans["."][1]))
    faces = [bar.get_facecolor() for bar in axes.patches]
    assert faces[2] == faces[3] == faces[9] != faces[1]


def test_a_long_passage_goes_on_in_the_next_line_and_no_word_is_parted():
    (axes,) = figures.passage_blocks(["left", "p", "##ne", "##um"], [0, 1, 1, 1], [0, 0, 0, 0], across=14).axes
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights["left"] < heights["p"] == heights["##ne"] == heights["##um"]
    assert [text.get_text() for text in axes.texts].count("sentence 1") == 2


def test_words_are_shaded_by_their_weights_on_a_scale_that_may_be_shared():
    words, weights = ["no", "pneumothorax", "seen"], [1.0, 4.0, 0.0]
    (axes,) = figures.weighted_words(words, weights).axes
    shades = [bar.get_alpha() for bar in axes.patches]
    assert [text.get_text() for text in axes.texts] == words
    assert shades[2] == 0 and shades[1] == pytest.approx(4 * shades[0]) and shades[1] < 1
    (shared,) = figures.weighted_words(words, weights, heaviest=8.0).axes
    assert [2 * bar.get_alpha() for bar in shared.patches] == pytest.approx(shades)
    (narrow,) = figures.weighted_words(words, weights, across=16).axes
    assert [bar.get_y() < 0.5 for bar in narrow.patches] == [True, False, False]


def test_names_of_places_stand_in_the_nearer_margin_from_top_to_bottom_and_point_to_them():
    places = {"heart": (30.0, 35.0), "left apex": (5.0, 40.0), "right apex": (6.0, 20.0)}
    (axes,) = figures.labelled_radiograph(IMAGE, places).axes
    assert {text.get_text(): tuple(reversed(text.xy)) for text in axes.texts} == places
    margin = {text.get_text(): text.xyann for text in axes.texts}
    assert margin["right apex"][0] < 0 and min(margin["heart"][0], margin["left apex"][0]) > IMAGE.shape[1]
    assert margin["left apex"][1] < margin["heart"][1]
    assert axes.get_xlim() == (-0.5, 59.5) and axes.get_ylim() == (39.5, -0.5)


def test_a_report_stands_below_its_film_with_numbers_that_tie_them():
    lesions = [np.zeros((40, 60), bool), np.zeros((40, 60), bool)]
    lesions[0][5:10, 10:20] = lesions[1][20:30, 40:50] = True
    sentences, said = ["Both.", "The second one, of which there is more to say than fits into one line.", "No."], "aab"
    figure = figures.film_and_report(IMAGE, lesions, sentences, said, [(0, 1), (1,), ()])
    film, page = figure.axes[0].child_axes
    numbers = {text.get_text(): text.get_position() for text in film.texts if text.get_text().isdigit()}
    assert numbers == {"1": (14.5, 7.0), "2": (44.5, 24.5)}
    told = [text.get_text() for text in page.texts]
    assert [" ".join(text.split()) for text in told[::2]] == sentences and told[1::2] == ["1, 2", "2", ""]
    kinds = [bar.get_facecolor() for bar in page.patches]
    assert kinds[0] == kinds[1] != kinds[2]
    assert [text.get_text() for text in page.get_legend().get_texts()] == ["a", "b"]


def test_functions_draw_into_given_axes():
    figure, (left, right) = figures.panels(2)
    assert figures.show_radiograph(IMAGE, axes=left) is figure
    assert figures.histograms({"heat": IMAGE}, axes=right) is figure
    assert len(left.images) == 1 and right.get_xlabel() == "heat"


def test_memory_is_stacked_term_by_term_up_to_the_line_of_the_device():
    gibibyte = 2**30
    plans = {
        "A": SimpleNamespace(device="X", devices=2, memory={"weights": gibibyte, "buckets": 0}, capacity=4 * gibibyte),
        "B": SimpleNamespace(
            device="Y", devices=1, memory={"weights": 2 * gibibyte, "objective": gibibyte}, capacity=1
        ),
    }
    (axes,) = figures.memory_plot(plans).axes
    bars = {(round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_width()) for bar in axes.patches}
    assert bars == {(0, 0, 1), (1, 0, 2), (0, 1, 0), (1, 2, 1)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["weights", "objective"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A: 2 x X", "B: 1 x Y"]
    assert list(axes.lines[0].get_xdata()) == [4, 4]
