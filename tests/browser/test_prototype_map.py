"""The prototype map in a real browser, on a page without a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from pixels import any_pixel
from widget_page import assert_fits, assert_stands_out, opened, written

from cxrtutor.viewing.widgets.prototype_map import MappedStudy, PrototypeMap

# Four studies on a cross around the fifth, one far to the right; two prototypes.
POSITIONS = {"centre": (0, 0), "east": (10, 1), "north": (1, 9), "west": (-8, -1), "south": (-1, -7), "far": (30, 3)}
FINDINGS = {
    "centre": "mass",
    "east": "nodule",
    "north": "mass",
    "west": "<b>edema</b>",
    "south": "nodule",
    "far": "mass",
}
ASSIGNED = {"centre": 0, "east": 0, "north": 0, "far": 1}
PROTOTYPES = np.array([[4.0, 12.0], [28.0, -6.0]])
IMAGE = np.random.default_rng(0).random((40, 32), dtype=np.float32)


def studies() -> list[MappedStudy]:
    return [
        MappedStudy(
            title=name,
            finding=FINDINGS[name],
            position=tuple(map(float, position)),
            report=f"Report of <i>{name}</i> & no more.",
            image=None if name == "west" else IMAGE,
            prototype=ASSIGNED.get(name),
        )
        for name, position in POSITIONS.items()
    ]


@pytest.fixture
def prototype_map(request):
    """A page with one map, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    with opened(request, PrototypeMap(studies(), PROTOTYPES, prototype_names=("first", "second"))) as page:
        page.get_by_role("listbox").wait_for()
        yield page


def option(page, name: str):
    return page.get_by_role("option", name=name)


def centre_of(page, name: str) -> np.ndarray:
    box = option(page, name).bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def point_at(page, name: str, off: float | np.ndarray = 0) -> None:
    page.mouse.move(*(centre_of(page, name) + off))


def focused(page) -> str:
    return page.evaluate("document.activeElement.shadowRoot.activeElement.getAttribute('aria-label')")


def shown(page) -> tuple[str, str, str]:
    return tuple(page.locator(part).inner_text() for part in (".title", ".panel .finding", ".panel .report"))


over_http_and_from_a_file = pytest.mark.parametrize("prototype_map", ["http", "file"], indirect=True)


@over_http_and_from_a_file
def test_arrow_keys_go_to_the_nearest_point_in_their_direction_and_enter_shows_it(prototype_map):
    prototype_map.keyboard.press("Tab")
    assert focused(prototype_map) == "centre: mass"
    reached = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowLeft"):
        prototype_map.keyboard.press(key)
        reached.append(focused(prototype_map).split(":")[0])
    assert reached == ["east", "far", "far", "east", "centre", "south", "west"]
    assert prototype_map.locator(".tip").text_content() == "west: <b>edema</b>"
    prototype_map.keyboard.press("Enter")
    assert shown(prototype_map) == ("west", "<b>edema</b>", "Report of <i>west</i> & no more.")
    assert option(prototype_map, "west").get_attribute("aria-selected") == "true"


def test_every_point_is_reached_in_order(prototype_map):
    prototype_map.keyboard.press("Tab")
    prototype_map.keyboard.press("Home")
    reached = [focused(prototype_map)]
    for _ in range(7):
        prototype_map.keyboard.press("PageDown")
        reached.append(focused(prototype_map))
    assert reached == [*(f"{name}: {finding}" for name, finding in FINDINGS.items()), "first", "second"]
    prototype_map.keyboard.press("PageUp")
    assert focused(prototype_map) == "first"
    prototype_map.keyboard.press("End")
    assert focused(prototype_map) == "second"


def test_the_map_is_one_stop_of_the_tab_key_and_is_entered_where_it_was_left(prototype_map):
    prototype_map.keyboard.press("Tab")
    prototype_map.keyboard.press("ArrowRight")
    prototype_map.keyboard.press("Enter")
    prototype_map.keyboard.press("Tab")
    assert prototype_map.evaluate("document.activeElement.shadowRoot.activeElement.labels[0].innerText") == "mass (3)"
    prototype_map.keyboard.press("Shift+Tab")
    assert focused(prototype_map) == "east: nodule"


def test_the_pointer_names_what_it_comes_near_to_and_a_click_shows_it(prototype_map):
    tip = prototype_map.locator(".tip")
    point_at(prototype_map, "north", off=6)
    assert tip.text_content() == "north: mass"
    assert shown(prototype_map)[0] == "centre"
    prototype_map.mouse.down()
    prototype_map.mouse.up()
    assert shown(prototype_map) == ("north", "mass", "Report of <i>north</i> & no more.")
    assert prototype_map.locator(".panel .prototype").inner_text() == "Assigned to first"
    point_at(prototype_map, "south", off=np.array([-60, 40]))
    assert tip.text_content() == ""


def test_the_radiograph_is_shown_where_there_is_one(prototype_map):
    canvas = prototype_map.get_by_role("img")
    assert canvas.get_attribute("aria-label") == "Chest radiograph of centre, mass."
    prototype_map.wait_for_timeout(200)
    assert any_pixel(canvas, "red > 150 && red < 230 && red === green && green === blue")
    missing = prototype_map.get_by_text("no picture here")
    assert missing.is_hidden()
    option(prototype_map, "west").press("Enter")
    assert canvas.count() == 0 and missing.is_visible()
    option(prototype_map, "east").press("Enter")
    assert canvas.get_attribute("aria-label") == "Chest radiograph of east, nodule."


def test_a_prototype_shows_which_studies_it_has(prototype_map):
    option(prototype_map, "first").press(" ")
    assert prototype_map.locator(".title").inner_text() == "first"
    assert prototype_map.locator(".panel .finding").inner_text() == "3 of 6 studies"
    assert prototype_map.locator(".members li").all_inner_texts() == ["mass: 2", "nodule: 1"]
    assert prototype_map.locator("figure").is_hidden() and prototype_map.locator(".panel .report").is_hidden()


def test_the_legend_takes_findings_out_and_puts_them_back(prototype_map):
    box = prototype_map.get_by_role("checkbox", name="nodule (2)")
    before = centre_of(prototype_map, "east")
    box.uncheck()
    assert option(prototype_map, "nodule").count() == 0
    prototype_map.mouse.move(*before)
    assert prototype_map.locator(".tip").text_content() == ""
    option(prototype_map, "centre").focus()
    prototype_map.keyboard.press("ArrowRight")
    assert focused(prototype_map) == "far: mass"
    box.check()
    assert option(prototype_map, "nodule").count() == 2


def test_lines_lead_to_prototypes_as_asked_and_those_of_the_choice_stay(prototype_map):
    lines = prototype_map.locator(".links line")
    assert [line.is_visible() for line in lines.all()] == [True] * 4
    prototype_map.get_by_role("checkbox", name="lines to prototypes").uncheck()
    assert [line.is_visible() for line in lines.all()] == [True, False, False, False]
    option(prototype_map, "first").press("Enter")
    assert [line.is_visible() for line in lines.all()] == [True, True, True, False]
    ends = lines.nth(1).evaluate("line => ['x1', 'y1', 'x2', 'y2'].map((name) => Number(line.getAttribute(name)))")
    corner = prototype_map.locator("svg.map").bounding_box()
    for end, name in ((ends[:2], "east"), (ends[2:], "first")):
        assert np.abs(np.add(end, [corner["x"], corner["y"]]) - centre_of(prototype_map, name)).max() < 2.5


def test_both_axes_have_one_scale_and_y_points_upwards(prototype_map):
    origin, east, north = (centre_of(prototype_map, name) for name in ("centre", "east", "north"))
    scale = (east - origin)[0] / 10
    assert east - origin == pytest.approx([10 * scale, -scale], abs=1.5)
    assert north - origin == pytest.approx([scale, -9 * scale], abs=1.5)


def test_a_choice_is_announced_once_the_reader_rests(prototype_map):
    status = prototype_map.get_by_role("status")
    option(prototype_map, "south").press("Enter")
    prototype_map.wait_for_timeout(600)
    assert status.text_content() == "south: nodule. Report: Report of <i>south</i> & no more."
    option(prototype_map, "first").press("Enter")
    prototype_map.wait_for_timeout(600)
    assert status.text_content() == "first. 3 of 6 studies; mass: 2, nodule: 1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(prototype_map, scheme):
    prototype_map.emulate_media(color_scheme=scheme)
    assert_stands_out(prototype_map, ".title", ".panel .finding", ".panel .prototype", ".report", ".help", ".legend")


def test_fits_narrow_and_wide_pages(prototype_map):
    for width, side_by_side in ((320, False), (400, False), (620, True), (1200, True)):
        assert assert_fits(prototype_map, width, "svg.map", ".title") == side_by_side
        plane = prototype_map.locator("svg.map").bounding_box()
        for name in POSITIONS:
            point_at(prototype_map, name)
            assert prototype_map.locator(".tip").text_content().startswith(name)
            tip = prototype_map.locator(".tip").bounding_box()
            assert plane["x"] <= tip["x"] and tip["x"] + tip["width"] <= plane["x"] + plane["width"]


def test_fourteen_findings_have_marks_of_their_own_and_one_study_is_enough(tmp_path, server, open_page):
    many = PrototypeMap([MappedStudy(f"Study {k}", f"finding {k}", (float(k), k % 3.0)) for k in range(14)])
    written(tmp_path, many, PrototypeMap([MappedStudy("Alone", "mass", (3.0, 4.0))]))
    page, watch = open_page(f"{server}/page.html")
    page.get_by_role("listbox").first.wait_for()
    marks = page.locator(".points").first.locator(".mark").evaluate_all("marks => marks.map((mark) => mark.innerHTML)")
    assert len(set(marks)) == 14
    assert page.get_by_role("checkbox", name="lines to prototypes").count() == 0
    assert option(page, "Alone").is_visible()
    watch.assert_silent()
