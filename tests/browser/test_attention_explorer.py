"""The attention explorer in a real browser, on a page without a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from pixels import any_pixel
from widget_page import assert_fits, assert_stands_out, opened, written

from cxrtutor.localization.attention import ReportAttention
from cxrtutor.viewing.widgets.attention_explorer import AttentionExplorer

GRID = 6
SENTENCES = ("Small <b>left</b> effusion, basal.", "Heart & mediastinum: normal.", "---", "No pneumothorax.")
WORDS = (("Small", "left", "effusion", "basal"), ("Heart", "mediastinum", "normal"), (), ("No", "pneumothorax"))
FLAT = 3
"""This word ("basal") has a map that is the same everywhere."""


def spans(sentence: str, words: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    starts = [sentence.index(word) for word in words]
    return tuple((start, start + len(word)) for start, word in zip(starts, words, strict=True))


def some_maps(number: int, seed: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(0, 2, (number, GRID * GRID))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return shares.reshape(number, GRID, GRID).astype(np.float32)


WORD_MAPS = some_maps(9, 0)
WORD_MAPS[FLAT] = 1 / GRID**2
SENTENCE_MAPS = some_maps(4, 1)
SENTENCE_MAPS[2] = np.nan
ATTENTION = ReportAttention(
    SENTENCES, {"words": WORD_MAPS, "sentences": SENTENCE_MAPS}, tuple(map(spans, SENTENCES, WORDS))
)


def lesion(shape: tuple[int, int]) -> np.ndarray:
    truth = np.zeros(shape, bool)
    truth[-20:-8, -18:-6] = True
    return truth


def place(values: np.ndarray, shape: tuple[int, int] = (48, 48)) -> str:
    """Where the peak of a map lies, worked out anew: its cell's centre in the square, less the letterbox's margin."""
    row, column = np.unravel_index(values.argmax(), values.shape)
    side = max(shape)
    down, across = (
        ((cell + 0.5) * side / GRID - (side - length) / 2) / length
        for cell, length in ((row, shape[0]), (column, shape[1]))
    )
    third = ("upper", "middle", "lower")[int(np.clip(down * 3, 0, 2))]
    return f"Patient’s {'right' if across < 0.5 else 'left'}, {third} third"


def numbers(values: np.ndarray) -> str:
    return f"Peak {values.max():.4g}, mean {values.mean(dtype=float):.4g}"


@pytest.fixture
def explorer(request):
    """A page with one explorer, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    image = np.random.default_rng(2).random((48, 48), dtype=np.float32)
    with opened(
        request, AttentionExplorer(image, ATTENTION, [lesion((48, 48)), None, None, None]), reduced_motion="reduce"
    ) as page:
        page.get_by_role("toolbar").wait_for()
        yield page


def shown(page) -> tuple[str, str]:
    return page.locator(".place").inner_text(), page.locator(".values").inner_text()


def focused(page) -> str:
    return page.evaluate("document.activeElement.shadowRoot.activeElement.textContent")


def choose(page, kind: str) -> None:
    page.get_by_role("radio", name=kind).check()


def to_the_report(page) -> None:
    """From the top of the page by the Tab key alone."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(3):
        page.keyboard.press("Tab")


over_http_and_from_a_file = pytest.mark.parametrize("explorer", ["http", "file"], indirect=True)


@over_http_and_from_a_file
def test_every_word_is_reached_by_the_keyboard_and_its_numbers_equal_pythons(explorer):
    to_the_report(explorer)
    for number, word in enumerate(word for words in WORDS for word in words):
        assert focused(explorer) == word
        flat = ("The same everywhere: no peak", f"Value {1 / GRID**2:.4g}")
        values = WORD_MAPS[number]
        assert shown(explorer) == (flat if number == FLAT else (place(values), numbers(values)))
        explorer.keyboard.press("ArrowRight")
    assert focused(explorer) == "pneumothorax"  # the last one stays
    explorer.keyboard.press("Home")
    assert focused(explorer) == "Small"
    explorer.keyboard.press("End")
    assert focused(explorer) == "pneumothorax"


def test_up_and_down_go_to_the_first_word_of_the_next_sentence(explorer):
    to_the_report(explorer)
    reached = []
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft"):
        explorer.keyboard.press(key)
        reached.append(focused(explorer))
    assert reached == ["left", "Heart", "No", "No", "Heart", "Small", "Small", "Small"]


def test_the_report_reads_as_it_was_written(explorer):
    report = explorer.get_by_role("toolbar")
    for kind in ("words", "sentences"):
        choose(explorer, kind)
        assert report.text_content() == " ".join(SENTENCES)
    assert report.get_by_role("button").all_text_contents() == [*SENTENCES[:2], SENTENCES[3]]


def test_sentences_have_maps_of_their_own_and_the_place_in_the_text_is_kept(explorer):
    explorer.get_by_role("button", name="mediastinum").hover()
    choose(explorer, "sentences")
    assert explorer.locator(".chosen").text_content() == SENTENCES[1]
    assert shown(explorer) == (place(SENTENCE_MAPS[1]), numbers(SENTENCE_MAPS[1]))
    choose(explorer, "words")
    assert explorer.locator(".chosen").text_content() == "Heart"


def test_a_unit_is_pinned_and_let_go(explorer):
    button = explorer.get_by_role("button")
    to_the_report(explorer)
    explorer.keyboard.press("Enter")
    assert button.nth(0).get_attribute("aria-pressed") == "true"
    explorer.keyboard.press("ArrowRight")
    button.nth(4).hover()
    assert shown(explorer) == (place(WORD_MAPS[0]), numbers(WORD_MAPS[0]))
    explorer.keyboard.press("Escape")
    assert shown(explorer) == (place(WORD_MAPS[1]), numbers(WORD_MAPS[1]))  # what the keyboard stands on
    button.nth(4).click()
    button.nth(5).hover()
    assert shown(explorer)[1] == numbers(WORD_MAPS[4])
    button.nth(5).click()
    assert shown(explorer)[1] == numbers(WORD_MAPS[5])
    button.nth(5).click()
    button.nth(6).hover()
    assert shown(explorer)[1] == numbers(WORD_MAPS[6])


def test_a_change_is_announced_once_the_reader_rests(explorer):
    status = explorer.get_by_role("status")
    to_the_report(explorer)
    explorer.keyboard.press("ArrowRight")
    explorer.keyboard.press("ArrowRight")
    explorer.wait_for_timeout(600)
    values = WORD_MAPS[2]
    in_words = place(values).replace("Patient", "patient")
    assert status.text_content() == f"“effusion”: {in_words}. {numbers(values).replace('Peak', 'peak')}."
    explorer.keyboard.press("Enter")
    explorer.wait_for_timeout(600)
    assert status.text_content().startswith("“effusion”, pinned: ")


def test_the_picture_shows_truth_and_map_as_asked(explorer):
    canvas = explorer.get_by_role("img")

    truth, warm = "red < 3 && green > 226 && blue > 252", "red - blue > 90"
    assert any_pixel(canvas, truth)
    explorer.get_by_role("button", name="Heart").hover()
    assert not any_pixel(canvas, truth)  # that sentence speaks of no lesion
    assert "No ground truth" in canvas.get_attribute("aria-label")
    explorer.get_by_role("button", name="left").hover()
    assert any_pixel(canvas, truth)
    explorer.get_by_role("checkbox").uncheck()
    assert not any_pixel(canvas, truth)
    slider = explorer.get_by_role("slider", name="opacity")
    slider.fill("0")
    assert not any_pixel(canvas, warm)
    slider.fill("1")
    assert any_pixel(canvas, warm)


def test_motion_is_reduced_where_the_reader_asks(explorer):
    assert explorer.locator(".chosen").evaluate("unit => getComputedStyle(unit).transitionDuration") == "0s"
    explorer.emulate_media(reduced_motion="no-preference")
    assert explorer.locator(".chosen").evaluate("unit => getComputedStyle(unit).transitionDuration") != "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(explorer, scheme):
    explorer.emulate_media(color_scheme=scheme)
    assert_stands_out(explorer, ".report", ".place", ".help", "legend", ".scale")


def test_fits_narrow_and_wide_pages(explorer):
    for width, side_by_side in ((320, False), (360, False), (620, True), (1200, True)):
        assert assert_fits(explorer, width, "canvas", ".report") == side_by_side


@pytest.mark.parametrize("shape", [(48, 30), (30, 48)])
def test_places_are_those_of_the_image_and_not_of_the_square_around_it(tmp_path, server, open_page, shape):
    written(tmp_path, AttentionExplorer(np.zeros(shape, np.uint8), ATTENTION, unit="words"))
    page, watch = open_page(f"{server}/page.html")
    for number in (0, 1, 2, 4, 5, 6, 7, 8):
        page.get_by_role("button").nth(number).hover()
        assert shown(page) == (place(WORD_MAPS[number], shape), numbers(WORD_MAPS[number]))
    assert page.get_by_role("checkbox").count() == 0  # no truth, no switch
    watch.assert_silent()


@pytest.mark.parametrize(("selected", "shown_first"), [(3, 3), (2, 0), (99, 0)])
def test_a_unit_may_be_selected_from_the_start(tmp_path, server, open_page, selected, shown_first):
    image = np.zeros((48, 48), np.uint8)
    written(tmp_path, AttentionExplorer(image, ATTENTION, unit="sentences", selected=selected))
    page, watch = open_page(f"{server}/page.html")
    assert page.locator(".chosen").text_content() == SENTENCES[shown_first]
    assert shown(page) == (place(SENTENCE_MAPS[shown_first]), numbers(SENTENCE_MAPS[shown_first]))
    watch.assert_silent()


def test_the_whole_report_is_one_unit_with_all_that_is_true(tmp_path, server, open_page):
    attention = ReportAttention(SENTENCES, {"report": some_maps(1, 5)})
    written(tmp_path, AttentionExplorer(np.zeros((48, 48), np.uint8), attention, [None, lesion((48, 48)), None, None]))
    page, watch = open_page(f"{server}/page.html")
    assert page.get_by_role("button").all_text_contents() == [" ".join(SENTENCES)]
    assert page.get_by_role("radio").count() == 0  # nothing to choose among
    label = page.get_by_role("img").get_attribute("aria-label")
    assert label == "Chest radiograph with the map of the whole report. The ground truth is outlined."
    watch.assert_silent()
