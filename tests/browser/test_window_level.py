"""The window widget in a real browser, on a page without a kernel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixels import any_pixel
from pydicom.pixels import apply_windowing
from widget_page import assert_fits, assert_stands_out, opened

import cxrtutor.viewing.widgets as widgets
from cxrtutor.data.dicom import window
from cxrtutor.viewing.widgets.window_level import FUNCTIONS, Preset, WindowLevel

SOURCE = Path(widgets.__file__).with_name("windowing.js").read_text(encoding="utf-8")


def by_pydicom(values: np.ndarray, centre: float | int, width: float | int, kind: str, bits: int = 16) -> np.ndarray:
    """The window as another implementation has it, in [0, 1]."""
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", bits, 0
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = centre, width, kind
    return apply_windowing(values.astype(np.uint16), dataset) / (2**bits - 1)


@pytest.fixture(scope="module")
def in_page(browser):
    """`in_page(values, centre, width, kind, inverted)`: what the module makes of them in the page."""
    page = browser.new_page()
    page.set_content('<!doctype html><title>Test</title><link rel="icon" href="data:,">')
    script = """async ([source, values, window]) => {
        const url = URL.createObjectURL(new Blob([source, "export { windowed };"], { type: "text/javascript" }));
        const { windowed } = await import(url);
        return values.map((value) => windowed(value, window));
    }"""

    def shown(values, centre, width, kind, inverted=False):
        asked = {"centre": centre, "width": width, "function": kind, "inverted": inverted}
        return np.array(page.evaluate(script, [SOURCE, values.tolist(), asked]))

    yield shown
    page.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=30),
    st.floats(-100, 66000).map(lambda centre: round(centre, 1)),
    st.integers(2, 70000),
    st.sampled_from(FUNCTIONS),
)
def test_the_page_windows_as_the_package_and_pydicom_do(in_page, values, centre, width, kind):
    values = np.array(values)
    expected = by_pydicom(values, centre, width, kind)
    np.testing.assert_allclose(window(values, centre, float(width), kind), expected, atol=1e-9)
    np.testing.assert_allclose(in_page(values, centre, width, kind), expected, atol=1e-9)
    np.testing.assert_allclose(in_page(values, centre, width, kind, inverted=True), 1 - expected, atol=1e-9)


ROWS, COLUMNS = 40, 32
VALUES = np.random.default_rng(0).integers(100, 4000, (ROWS, COLUMNS)).astype(np.uint16)
PRESETS = [
    Preset("everything", 2050, 4000),
    Preset("bones", 800, 600),
    Preset("soft", 2000, 1500, "SIGMOID"),
    Preset("far", -5000, 20),
]


@pytest.fixture
def widget(request):
    """A page with one widget, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    with opened(request, WindowLevel(VALUES, PRESETS)) as page:
        page.get_by_role("img").first.wait_for()
        yield page


def greys(centre: float | int, width: float | int, kind: str = "LINEAR", inverted: bool = False) -> np.ndarray:
    shown = by_pydicom(VALUES, centre, width, kind)
    return np.floor(255 * (1 - shown if inverted else shown) + 0.5)


def assert_shows(page, *asked: object) -> None:
    """The numbers below are those of this window."""
    expected = greys(*asked)
    for part, share in ((".black", (expected == 0).mean()), (".white", (expected == 255).mean())):
        written = page.locator(f"dd{part}").inner_text().removesuffix("\u00a0%")
        assert float(written) == pytest.approx(100 * share, abs=0.16)
    assert int(page.locator("dd.used").inner_text()) == pytest.approx(len(np.unique(expected)), abs=1)


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def value_of(page, name: str) -> int:
    return int(slider(page, name).get_attribute("aria-valuetext").replace(",", "").replace("\u2212", "-"))


@pytest.mark.parametrize("widget", ["http", "file"], indirect=True)
def test_numbers_follow_the_controls_and_equal_pythons(widget):
    assert_shows(widget, 2050, 4000)
    for number, preset in enumerate(PRESETS):
        button = widget.get_by_role("button", name=preset.name)
        button.click()
        assert_shows(widget, preset.centre, preset.width, preset.function)
        pressed = [one.get_attribute("aria-pressed") for one in widget.get_by_role("button").all()]
        assert pressed == ["true" if k == number else "false" for k in range(len(PRESETS))]
        assert widget.get_by_role("radio", name=preset.function, exact=True).is_checked()
    widget.get_by_role("button", name="bones").press("Enter")
    widget.get_by_role("checkbox", name="MONOCHROME1").check()
    assert_shows(widget, 800, 600, "LINEAR", True)
    widget.get_by_role("radio", name="SIGMOID").check()
    assert_shows(widget, 800, 600, "SIGMOID", True)


def test_sliders_move_the_window_by_the_keyboard(widget):
    centre, width = slider(widget, "Centre"), slider(widget, "Width")
    centre.focus()
    widget.keyboard.press("ArrowRight")
    assert 2050 < value_of(widget, "Centre") < 2070
    centre.press("Home")
    assert value_of(widget, "Centre") == -5000
    width.focus()
    widget.keyboard.press("ArrowLeft")
    assert 3800 < value_of(widget, "Width") < 4000
    width.press("Home")
    assert value_of(widget, "Width") == 2
    width.press("End")
    assert 7500 < value_of(widget, "Width") <= 7810  # twice what the film spans
    assert all(one.get_attribute("aria-pressed") == "false" for one in widget.get_by_role("button").all())


def test_dragging_the_film_moves_centre_and_width(widget):
    box = widget.locator("canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    widget.mouse.move(*middle)
    widget.mouse.down()
    widget.mouse.move(middle[0], middle[1] + box["width"] / 10)
    assert value_of(widget, "Centre") == pytest.approx(2050 + np.ptp(VALUES) / 10, abs=12)
    assert value_of(widget, "Width") == 4000
    widget.mouse.move(middle[0] - box["width"] / 3, middle[1])
    assert value_of(widget, "Centre") == pytest.approx(2050, abs=3)
    assert value_of(widget, "Width") == pytest.approx(2000, rel=0.01)
    assert_shows(widget, 2050, value_of(widget, "Width"))
    widget.mouse.up()
    widget.mouse.move(*middle)
    assert value_of(widget, "Width") == pytest.approx(2000, rel=0.01)


def test_the_film_is_drawn_through_the_window(widget):
    canvas = widget.locator("canvas")
    assert any_pixel(canvas, "red > 100 && red < 150")
    widget.get_by_role("button", name="far").click()  # all values lie above: white, but for the letters' casing
    assert not any_pixel(canvas, "red > 100 && red < 110 && blue === red")
    assert any_pixel(canvas, "red + green + blue === 765")
    widget.get_by_role("checkbox").check()
    assert any_pixel(canvas, "red + green + blue === 0")


def test_the_ramp_rises_over_the_histogram_and_falls_for_monochrome1(widget):
    def ramp() -> np.ndarray:
        path = widget.locator(".line").get_attribute("d")
        return np.array([point.split() for point in path[1:].split("L")], float)

    across, heights = ramp().T
    values = VALUES.min() + across / 256 * np.ptp(VALUES)
    expected = by_pydicom(np.floor(values), 2050, 4000, "LINEAR")
    np.testing.assert_allclose((98 - heights) / 96, expected, atol=2e-3)
    widget.get_by_role("checkbox").check()
    np.testing.assert_allclose((98 - ramp().T[1]) / 96, 1 - expected, atol=2e-3)
    bars = widget.locator(".bars").get_attribute("d").count("M")
    assert bars == 128


def test_a_change_is_announced_once_the_reader_rests(widget):
    status = widget.get_by_role("status")
    widget.wait_for_timeout(600)
    assert status.text_content() == ""
    widget.get_by_role("button", name="far").click()
    widget.wait_for_timeout(600)
    said = status.text_content().replace("\u00a0", " ")
    assert said == "Centre \u22125,000, width 20, LINEAR: 0.0 % quite black, 100.0 % quite white."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(widget, scheme):
    widget.emulate_media(color_scheme=scheme)
    assert_stands_out(widget, ".help", "button", ".ends", ".slider", "legend", "fieldset label", ".toggle", "dt", "dd")


def test_fits_narrow_and_wide_pages(widget):
    for width, side_by_side in ((320, False), (360, False), (620, True), (1200, True)):
        assert assert_fits(widget, width, "canvas", ".presets") == side_by_side
