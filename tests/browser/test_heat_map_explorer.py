"""The heat-map explorer in a real browser, on a page without a kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pixels import any_pixel
from widget_page import assert_fits, opened

from cxrtutor.evaluation.metrics import dice, iou
from cxrtutor.localization.heatmap import min_max
from cxrtutor.viewing.widgets.heat_map_explorer import Case, HeatMapExplorer

SIDE = 40


def make_case(title: str, centre: tuple[int, int], seed: int, *, with_truth: bool = True) -> Case:
    """A blob with noise, valid but for a margin; the truth is a disc beside the blob that reaches the margin."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    squared = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    heat = (np.exp(-squared / 90) * 7 - 3 + rng.normal(0, 0.4, (SIDE, SIDE))).astype(np.float32)
    heat[:4], heat[-4:], heat[:, :4], heat[:, -4:] = np.nan, np.nan, np.nan, np.nan
    truth = (rows - centre[0] - 2) ** 2 + (columns - centre[1] + 4) ** 2 < 81
    image = rng.random((SIDE, SIDE), dtype=np.float32)
    return Case(title, f"opacity </script> of {title} & <b>more</b>", image, heat, truth if with_truth else None)


CASES = [make_case("Study 1", (26, 12), 1), make_case("Study 2", (14, 24), 2)]
WITHOUT_TRUTH = make_case("Your own", (20, 20), 3, with_truth=False)


def expected(case: Case, threshold: float) -> tuple[str, str]:
    """IoU and Dice as the package measures them, to three decimals."""
    heat = min_max(torch.from_numpy(case.heat)[None], -1.0, 1.0)
    truth = torch.from_numpy(case.truth)[None]
    return tuple(f"{metric(heat > threshold, truth, ~heat.isnan()).item():.3f}" for metric in (iou, dice))


@pytest.fixture
def explorer(request):
    """A page with two widgets, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    with opened(request, HeatMapExplorer(CASES), HeatMapExplorer([WITHOUT_TRUTH])) as page:
        page.get_by_role("slider", name="Threshold").first.wait_for()
        yield page


def shown(page) -> tuple[str, str]:
    return page.locator(".iou").first.inner_text(), page.locator(".dice").first.inner_text()


over_http_and_from_a_file = pytest.mark.parametrize("explorer", ["http", "file"], indirect=True)


@over_http_and_from_a_file
def test_numbers_follow_the_keyboard_and_equal_pythons(explorer):
    slider = explorer.get_by_role("slider", name="Threshold").first
    assert shown(explorer) == expected(CASES[0], 0.3)
    slider.focus()
    for _ in range(25):
        explorer.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.55"
    assert shown(explorer) == expected(CASES[0], 0.55) != expected(CASES[0], 0.3)
    explorer.keyboard.press("Home")
    assert shown(explorer) == expected(CASES[0], -1.0)
    explorer.keyboard.press("End")
    assert shown(explorer) == expected(CASES[0], 1.0) == ("0.000", "0.000")


@over_http_and_from_a_file
def test_numbers_of_every_case_equal_pythons_at_any_threshold(explorer):
    for index, case in enumerate(CASES):
        explorer.get_by_role("combobox", name="Case").first.select_option(index=index)
        for threshold in np.arange(-100, 101, 7) / 100:
            explorer.get_by_role("slider", name="Threshold").first.fill(str(threshold))
            assert shown(explorer) == expected(case, threshold.item())


def test_counts_of_pixels_add_up_to_the_scores(explorer):
    mask_only, both, truth_only = (
        int(text.replace(",", "")) for text in explorer.locator("li b").all_inner_texts()[:3]
    )
    assert f"{both / (mask_only + both + truth_only):.3f}" == shown(explorer)[0]


def test_prompts_are_text_whatever_they_hold(explorer):
    explorer.get_by_role("combobox", name="Case").first.select_option(index=1)
    assert explorer.locator("q").first.text_content() == CASES[1].prompt


def test_the_picture_shows_truth_and_heat_as_asked(explorer):
    canvas = explorer.get_by_role("img").first

    truth, warm = "red < 3 && green > 226 && blue > 252", "red - blue > 90"
    assert any_pixel(canvas, truth)
    explorer.get_by_role("checkbox").first.focus()
    explorer.keyboard.press("Space")
    assert not any_pixel(canvas, truth)
    assert "not shown" in canvas.get_attribute("aria-label")

    opacity = explorer.get_by_role("slider", name="opacity").first
    opacity.fill("0")
    assert not any_pixel(canvas, warm)
    opacity.fill("1")
    assert any_pixel(canvas, warm)


def test_the_new_numbers_are_announced_once_the_slider_rests(explorer):
    status = explorer.get_by_role("status").first
    assert status.text_content() == ""
    explorer.get_by_role("slider", name="Threshold").first.fill("0.2")
    iou, dice = expected(CASES[0], 0.2)
    explorer.wait_for_timeout(600)
    assert status.text_content() == f"IoU {iou}, Dice {dice}"


def test_everything_is_reached_by_the_tab_key_in_order(explorer):
    reached = []
    for _ in range(6):
        explorer.keyboard.press("Tab")
        reached.append(explorer.evaluate("document.activeElement.shadowRoot.activeElement.labels[0].innerText"))
    names = ["Case", "ground truth", "Threshold", "Heat map opacity"]
    names += ["Threshold", "Heat map opacity"]  # the second widget has one case and no truth
    assert [text.startswith(name) for text, name in zip(reached, names, strict=True)] == [True] * 6


def test_widgets_of_a_page_do_not_disturb_each_other(explorer):
    explorer.get_by_role("slider", name="Threshold").first.fill("0.9")
    assert explorer.get_by_role("slider", name="Threshold").nth(1).input_value() == "0.3"
    assert explorer.locator(".iou").nth(1).inner_text() == "–"
    assert explorer.locator("input[type=checkbox]").nth(1).is_hidden()


def test_fits_narrow_and_wide_pages(explorer):
    for width, side_by_side in ((320, False), (400, False), (620, True), (1200, True)):
        assert assert_fits(explorer, width, "canvas", ".threshold") == side_by_side
