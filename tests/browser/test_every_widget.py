"""What every widget must be, whatever it shows: alive without a mouse, legible in light and dark, at home on a phone.

A widget that is added needs a specimen below, or the first test says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from axe import faults
from evaluation.readers import FILMS
from widget_page import opened

import cxrtutor.viewing.widgets as widgets
from cxrtutor.localization.attention import ReportAttention
from cxrtutor.viewing.widgets.attention_explorer import AttentionExplorer
from cxrtutor.viewing.widgets.heat_map_explorer import Case, HeatMapExplorer
from cxrtutor.viewing.widgets.prototype_map import MappedStudy, PrototypeMap
from cxrtutor.viewing.widgets.reader_study import ReaderStudy
from cxrtutor.viewing.widgets.sentence_reader import SentenceReader
from cxrtutor.viewing.widgets.transport_explorer import TransportExplorer
from cxrtutor.viewing.widgets.window_level import Preset, WindowLevel

SIDE = 48
RNG = np.random.default_rng(0)
IMAGE = RNG.random((SIDE, SIDE), dtype=np.float32)
HEAT = RNG.normal(0, 1, (SIDE, SIDE)).astype(np.float32)
TRUTH = np.pad(np.ones((12, 12), bool), 18)
SENTENCES = ("Small left effusion.", "No pneumothorax.")
MAPS = RNG.random((2, 6, 6)).astype(np.float32)

SPECIMENS = {
    "attention_explorer": lambda: AttentionExplorer(
        IMAGE, ReportAttention(SENTENCES, {"sentences": MAPS, "report": MAPS[:1]}), [TRUTH, None]
    ),
    "heat_map_explorer": lambda: HeatMapExplorer([Case(f"Study {k}", "effusion", IMAGE, HEAT, TRUTH) for k in (1, 2)]),
    "prototype_map": lambda: PrototypeMap(
        [MappedStudy(f"Study {k}", f"finding {k % 2}", (float(k), k % 3.0), "A report.", IMAGE, 0) for k in range(4)],
        np.array([[1.0, 1.0]]),
    ),
    "reader_study": lambda: ReaderStudy(FILMS),
    "sentence_reader": lambda: SentenceReader("No effusion, but a nodule.", ["Possible pneumonia."]),
    "transport_explorer": lambda: TransportExplorer(IMAGE, SENTENCES, MAPS, [TRUTH, None]),
    "window_level": lambda: WindowLevel(
        (IMAGE * 4000).astype(np.uint16), [Preset("all", 2000, 4000), Preset("dark", 800, 600)]
    ),
}


def test_no_widget_is_left_out():
    modules = {file.stem for file in Path(widgets.__file__).parent.glob("*.py")}
    parts = {"__init__", "page_widget", "radiograph_widget", "report_map_widget"}
    assert modules - parts == set(SPECIMENS)


@pytest.fixture(params=SPECIMENS)
def page(request):
    """A page with one widget, as a reader opens it who wants nothing to move."""
    name, start = request.param if isinstance(request.param, tuple) else (request.param, "http")
    request.param = start
    with opened(request, SPECIMENS[name](), reduced_motion="reduce") as page:
        page.locator(".card").wait_for()
        yield page


from_everywhere = pytest.mark.parametrize(
    "page", [(name, start) for name in SPECIMENS for start in ("http", "file")], indirect=True, ids="-".join
)

# All that a widget shows: its tree, what its controls hold, what its canvases show, and which part has the focus.
_STATE = """() => {
    const root = document.querySelector(".cxrtutor-widget > div").shadowRoot;
    const controls = [...root.querySelectorAll("input, select, textarea")].map((one) => [one.value, one.checked]);
    const pictures = [...root.querySelectorAll("canvas")].map((one) => one.width ? one.toDataURL() : "");
    const focus = [...root.querySelectorAll("*")].indexOf(root.activeElement);
    return JSON.stringify([root.innerHTML, controls, pictures, focus]);
}"""

_FOCUSED = """() => {
    const part = document.activeElement?.shadowRoot?.activeElement;
    if (!part) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(part);
    const drawn = outlineStyle !== "none" && outlineWidth !== "0px";
    const ring = part.getRootNode().querySelector(".ring.pointed:not([style*=none])"); // of a point in a plane
    return {
        kind: part.getAttribute("role") ?? (part.type || part.localName),
        name: part.outerHTML.slice(0, 120),
        seen: drawn || Boolean(ring),
        chosen: part.getAttribute("aria-pressed") === "true",
    };
}"""

KEYS = {
    "checkbox": ("Space",),
    "range": ("ArrowLeft", "ArrowRight"),
    "radio": ("ArrowRight", "ArrowLeft"),
    "select-one": ("ArrowDown", "ArrowUp"),
    "textarea": ("x",),
    "option": ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"),
}
"""What moves a control of this kind; any other answers to Enter, Space or an arrow."""


def stops(page) -> list[dict]:
    """Every part at which the Tab key stops, until it leaves the widget."""
    found = []
    while len(found) < 60:
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None:
            return found
        found.append(focused)
    raise AssertionError("The Tab key does not leave the widget.")


@from_everywhere
def test_the_keyboard_reaches_every_control_and_each_answers(page):
    found = stops(page)
    assert found and not [stop["name"] for stop in found if not stop["seen"]]
    for number, stop in enumerate(found):
        if stop["chosen"]:
            continue  # one of several, and no other key than theirs undoes it
        page.evaluate("localStorage.clear()")  # what the last control did
        page.reload()
        page.locator(".card").wait_for()
        for _ in range(number + 1):
            page.keyboard.press("Tab")
        if stop["kind"] == "file":
            with page.expect_file_chooser():
                page.evaluate("0")  # the page sets the watch, the browser sends keys: the watch has to be first
                page.keyboard.press("Enter")
            continue
        before = page.evaluate(_STATE)
        for key in KEYS.get(stop["kind"], ("Enter", "Space", "ArrowRight", "ArrowDown")):
            page.keyboard.press(key)
            if page.evaluate(_STATE) != before:
                break
        else:
            raise AssertionError(f"No key moves {stop['name']}")


@from_everywhere
def test_axe_finds_nothing_in_light_or_dark_on_a_desk_or_a_phone(page):
    for width in (1200, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_where_the_reader_asks_for_rest(page):
    moving = """() => [...document.querySelector(".cxrtutor-widget > div").shadowRoot.querySelectorAll("*")]
        .filter((part) => getComputedStyle(part).transitionDuration !== "0s" || part.getAnimations().length)
        .map((part) => part.outerHTML.slice(0, 100))"""
    assert page.evaluate(moving) == []
