"""The reader study in a real browser, on a page without a kernel: by keys, by pointer, stopped, resumed, finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from axe import faults
from evaluation.readers import (
    FILMS,
    HEIGHT,
    WIDTH,
    Marks,
    answered,
    around,
    blind,
    file_of,
    follower,
    guesser,
    truthful,
)
from hypothesis import given
from hypothesis import strategies as st
from pixels import any_pixel
from playwright.sync_api import expect
from widget_page import assert_fits, assert_stands_out, opened

import cxrtutor.viewing.widgets as widgets
from cxrtutor.evaluation.bootstrap import patient_draws
from cxrtutor.evaluation.reader_study import ESTIMATES, Answers, Mark, effects, intervals, read_answers
from cxrtutor.evaluation.reading_set import Film
from cxrtutor.viewing.widgets.reader_study import ReaderStudy

RULES = Path(widgets.__file__).with_name("reader_study_rules.js").read_text(encoding="utf-8")
BY_ID = {film.id: film for film in FILMS.films}
TRUTH = "red < 3 && green > 226 && blue > 252"
WARM = "red - blue > 60"


# The rules, against the package's.


@pytest.fixture(scope="module")
def rules(browser):
    """`rules(function, *arguments)`: what a function of the rules gives in a page."""
    page = browser.new_page()
    page.set_content('<!doctype html><title>Test</title><link rel="icon" href="data:,">')
    script = """async ([source, name, values]) => {
        const exported = `export { planOf, covered, mirrored, estimatesOf, follows };`;
        const url = URL.createObjectURL(new Blob([source, exported], { type: "text/javascript" }));
        const found = (await import(url))[name](...values);
        return ArrayBuffer.isView(found) ? Array.from(found) : found;
    }"""
    yield lambda name, *values: page.evaluate(script, [RULES, name, values])
    page.close()


@given(st.integers(0, 2**32 - 1))
def test_the_page_plans_as_the_package_does(rules, seed):
    planned = rules("planOf", seed, list(BY_ID))
    assert planned == [shown._asdict() for shown in FILMS.plan(seed)]


halves = st.integers(0, 90).map(lambda number: number / 2)
MARKS = st.builds(lambda x, y, rx, ry: {"x": x, "y": y, "rx": rx + 1, "ry": ry + 1}, halves, halves, halves, halves)


@given(MARKS)
def test_a_mark_covers_the_same_pixels(rules, mark):
    expected = Mark(**mark).mask((HEIGHT, WIDTH))
    assert rules("covered", mark, WIDTH, HEIGHT) == expected.ravel().astype(int).tolist()
    mirrored = rules("mirrored", expected.ravel().astype(int).tolist(), WIDTH)
    assert mirrored == expected[:, ::-1].ravel().astype(int).tolist()


def as_the_rules_have_it(film: Film) -> dict:
    about = {"id": film.id, "patient": film.patient, "width": WIDTH, "height": HEIGHT}
    masks = {"truth": film.truth, "hot": film.hot("right")}
    return about | {name: mask.ravel().astype(int).tolist() for name, mask in masks.items()}


@pytest.mark.parametrize("marks", [truthful, follower, blind, *map(guesser, range(12))])
def test_the_page_estimates_what_the_package_does(rules, marks):
    answers = answered(marks, seed=5)
    draws = {str(number): patient_draws(number).ravel().tolist() for number in (8, 4, 2)}
    films = [as_the_rules_have_it(film) for film in FILMS.films]
    found = rules("estimatesOf", films, answers["readings"], draws, list(ESTIMATES))
    expected = intervals(effects(Answers.model_validate_json(json.dumps(answers)), FILMS))
    for name, interval in expected.items():
        assert found[name] == pytest.approx(vars(interval), abs=1e-12), name


@pytest.mark.parametrize(
    "broken",
    [
        {"mark": {"x": 3.25, "y": 3, "rx": 3, "ry": 3}},
        {"mark": {"x": 3, "y": 3, "rx": 0, "ry": 3}},
        {"mark": {"x": 3, "y": 3}},
        {"seconds": "x"},
        {"map": "wrong"},
        {"film": "study 99"},
    ],
)
def test_readings_that_are_none_are_told(rules, broken):
    plan, readings = rules("planOf", 5, list(BY_ID)), answered(guesser(1), seed=5)["readings"]
    assert rules("follows", readings, plan) and rules("follows", readings[:3], plan)
    readings[2] |= broken
    assert not rules("follows", readings, plan)
    assert rules("follows", readings[:2], plan)


# The page.


@pytest.fixture
def study(request):
    """A page with one widget, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    with opened(request, ReaderStudy(FILMS)) as page:
        page.get_by_role("button", name="Begin with a film").wait_for()
        yield page


both_ways = pytest.mark.parametrize("study", ["http", "file"], indirect=True)


def film_canvas(page):
    return page.get_by_role("application")


def title(page) -> str:
    return page.locator(".reading .title").inner_text()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def begun(page, reader: str = "") -> None:
    """Past the film to practise on."""
    page.get_by_role("textbox").fill(reader)
    page.get_by_role("button", name="Begin with a film").click()
    press(page, "ArrowUp", "Enter")
    page.get_by_role("button", name="Begin round 1").click()


def marked(page, mark: dict[str, float] | None) -> None:
    """Marks and accepts with the mouse: an ellipse as it is dragged out."""
    if mark is None:
        page.get_by_role("button", name="I do not see it").click()
        return
    box, scale = film_canvas(page).bounding_box(), film_canvas(page).bounding_box()["width"] / WIDTH
    corners = [
        (box["x"] + scale * (mark["x"] + side * mark["rx"]), box["y"] + scale * (mark["y"] + side * mark["ry"]))
        for side in (-1, 1)
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1])
    page.mouse.up()
    page.get_by_role("button", name="Accept the mark").click()


def read_round(page, marks: Marks, films: int = len(BY_ID)) -> None:
    """Reads the next films; the page's own storage tells the test which they are, as it tells no reader."""
    for _ in range(films):
        run = stored(page)
        shown = FILMS.plan(run["seed"])[len(run["readings"])]
        marked(page, marks(BY_ID[shown.film], shown.round, shown.map))


def stored(page) -> dict:
    return json.loads(page.evaluate(f"localStorage.getItem('cxrtutor-reader-study-{FILMS.key}')"))


def downloaded(page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my results").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def table(page) -> dict[str, tuple[str, str]]:
    rows = page.locator("tbody tr").all()
    return {row.get_attribute("data-name"): tuple(row.locator("td").all_inner_texts()) for row in rows}


@both_ways
def test_who_follows_maps_is_told_by_how_much_and_python_says_the_same(study, tmp_path):
    begun(study, reader="Ada L.")
    read_round(study, follower)
    study.get_by_role("button", name="Begin round 2").click()
    read_round(study, follower)
    verdict = study.locator(".verdict").inner_text()
    assert f"your IoU fell by {table(study)['automation bias'][0]}. The interval leaves out 0, but" in verdict
    assert f"stayed bare it rose by {table(study)['second look'][0]}, which no map did" in verdict
    assert "cannot be told from one reader" in verdict
    path = downloaded(study, tmp_path)
    assert path.name == "reader-study-ada-l.json"
    answers = read_answers(path, FILMS)
    assert answers.name == "Ada L." and len(answers.readings) == 16
    estimated = intervals(effects(answers, FILMS))
    assert estimated["followed"].value == 1 and estimated["automation bias"].low > 0.5
    minus = str.maketrans("-", "−")
    expected = {
        name: (f"{one.value:.3f}".translate(minus), f"{one.low:.3f} to {one.high:.3f}".translate(minus))
        for name, one in estimated.items()
    }
    assert table(study) == expected


@both_ways
def test_everything_is_done_by_keys_alone(study, tmp_path):
    press(study, "Tab")
    study.keyboard.type("keys")
    press(study, "Tab", "Enter", "ArrowLeft", "Enter", "Enter")
    assert title(study) == "Round 1 of 2, film 1 of 8"
    for number in range(16):
        if number == 8:
            press(study, "Tab", "Enter")  # begins round 2
        press(study, "Enter")  # nothing is marked yet, so nothing is accepted
        if number == 3:
            press(study, "ArrowUp", "Delete", "Tab", "Enter")  # to "I do not see it": the others have nothing to do
        else:
            press(study, "ArrowUp", "ArrowUp", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowUp", "Enter")
    assert study.locator(".done").is_visible()
    readings = read_answers(downloaded(study, tmp_path), FILMS).readings
    assert readings[3].mark is None
    middle = Mark(x=WIDTH / 2 + 2, y=HEIGHT / 2 - 2, rx=4.5, ry=3.5)  # radii of a twelfth, in half pixels, and one more
    assert {reading.mark for reading in readings if reading.mark} == {middle}


def test_a_mark_is_moved_and_cleared(study):
    begun(study)
    box = film_canvas(study).bounding_box()

    def where() -> str:
        return study.locator(".where").inner_text().replace("\u00a0", " ")

    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    study.mouse.click(*middle)
    assert where().startswith("50 % from the left, 50 % from the top")
    study.mouse.move(*middle)
    study.mouse.down()
    study.mouse.move(middle[0] + box["width"] / 4, middle[1])
    study.mouse.move(middle[0] + box["width"], middle[1] - box["height"] / 4)
    study.mouse.up()
    assert where().startswith("100 % from the left, 25 % from the top")
    study.get_by_role("button", name="Clear").click()
    assert where() == "nothing is marked"
    assert study.get_by_role("button", name="Accept").is_disabled()
    press(study, "ArrowDown")
    for _ in range(30):
        press(study, "Shift+ArrowLeft", "ArrowLeft")
    assert where().startswith("0 % from the left, 50 % from the top; 5 % wide")


def test_a_finger_marks_and_does_not_scroll(request):
    with opened(request, ReaderStudy(FILMS), has_touch=True, viewport={"width": 360, "height": 700}) as page:
        page.get_by_role("button", name="Begin with a film").tap()
        canvas = film_canvas(page)
        assert canvas.evaluate("one => getComputedStyle(one).touchAction") == "none"
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        session = page.context.new_cdp_session(page)
        for kind, share in (("touchStart", 0.25), ("touchMove", 0.5), ("touchMove", 0.75), ("touchEnd", None)):
            points = (
                [] if share is None else [{"x": box["x"] + share * box["width"], "y": box["y"] + share * box["height"]}]
            )
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        expect(page.locator(".where")).to_contain_text("50 % wide, 50 % high")
        assert page.evaluate("scrollX") == 0 and canvas.bounding_box() == box


def test_no_answer_is_shown_before_the_end(study):
    study.get_by_role("button", name="Begin with a film").click()
    canvas = film_canvas(study)
    assert not any_pixel(canvas, TRUTH)
    press(study, "ArrowUp", "Enter")
    assert any_pixel(canvas, TRUTH)  # of the film to practise on
    study.get_by_role("button", name="Begin round 1").click()
    assert not any_pixel(canvas, TRUTH)
    read_round(study, truthful, 3)
    assert not any_pixel(canvas, TRUTH)
    assert study.locator("table").is_hidden() and study.locator(".review").is_hidden()
    said = study.locator(".card").inner_text().lower()
    assert "wrong" not in said and "mirror" not in said and "IoU" not in said


def test_maps_lie_where_the_plan_says_and_can_be_lifted(study):
    begun(study)
    canvas, toggle = film_canvas(study), study.get_by_role("checkbox", name="heat map")
    assert toggle.is_hidden() and not any_pixel(canvas, WARM)
    read_round(study, blind)
    study.get_by_role("button", name="Begin round 2").click()
    for shown in FILMS.plan(stored(study)["seed"])[8:]:
        film = BY_ID[shown.film]
        if shown.map == "none":
            assert toggle.is_hidden() and not any_pixel(canvas, WARM)
        else:
            on_the_left = (film.truth[:, : WIDTH // 2].any()) != (shown.map == "wrong")
            expect_warm(canvas, left=on_the_left)
            toggle.uncheck()
            assert not any_pixel(canvas, WARM)
        marked(study, None)


def expect_warm(canvas, *, left: bool) -> None:
    """The one half of the picture is warm and the other is not, once the heat is decoded."""
    script = """(canvas) => {
        const { width, height } = canvas, copy = new OffscreenCanvas(width, height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, width, height);
        const warm = [0, 0];
        for (let k = 0; k < data.length / 4; k++) {
            if (data[4 * k] - data[4 * k + 2] > 60) warm[k % width < width / 2 ? 0 : 1]++;
        }
        return warm;
    }"""
    for _ in range(20):
        warm = canvas.evaluate(script)
        if any(warm):
            break
        canvas.page.wait_for_timeout(50)
    assert (warm[0] > 20 * warm[1]) if left else (warm[1] > 20 * warm[0]), warm


@both_ways
def test_what_was_done_is_there_after_the_page_was_left(study):
    begun(study, reader="Bo")
    read_round(study, truthful, 3)
    study.reload()
    study.get_by_role("button", name="Go on: 3 of 16 are done").click()
    assert title(study) == "Round 1 of 2, film 4 of 8"
    run = stored(study)
    assert run["reader"] == "Bo" and len(run["readings"]) == 3
    read_round(study, truthful, 5)
    study.reload()  # at half-time
    study.get_by_role("button", name="Go on: 8 of 16 are done").click()
    assert "comes a model's heat map" in study.locator(".pause").inner_text()
    study.get_by_role("button", name="Begin round 2").click()
    read_round(study, truthful)
    study.reload()
    assert study.locator(".done").is_visible() and table(study)["unaided"][0] > "0.8"
    assert study.evaluate("document.activeElement === document.body")  # nobody asked for the keyboard
    assert "The interval holds 0" in study.locator(".verdict").inner_text()


def held(page, key: str) -> None:
    """So long that it comes again and again."""
    for _ in range(3):
        page.keyboard.down(key)
    page.keyboard.up(key)


def test_a_held_key_answers_once(study):
    study.get_by_role("button", name="Begin with a film").click()
    press(study, "ArrowUp")
    held(study, "Enter")
    assert study.locator(".feedback").is_visible()
    press(study, "Enter", "ArrowUp")
    held(study, "Enter")
    assert title(study) == "Round 1 of 2, film 2 of 8"
    study.get_by_role("button", name="Start again").focus()
    held(study, "Enter")
    assert len(stored(study)["readings"]) == 1


def test_a_run_in_progress_gives_way_to_no_file(study, tmp_path):
    file = study.locator(".file")
    assert file.is_visible()
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "other.json", "[]"))
    study.get_by_role("alert").get_by_text("other.json").wait_for()
    assert study.locator("input[type=file]").input_value() == ""  # or the same file could not be chosen again
    begun(study)
    study.get_by_role("button", name="Start again").click()
    study.get_by_role("button", name="Delete all my marks").click()
    assert file.is_visible() and study.locator(".notice").inner_text() == ""
    begun(study)
    study.reload()
    assert file.is_hidden()


def test_starting_again_asks_first_and_draws_anew(study):
    begun(study)
    read_round(study, truthful, 2)
    seed = stored(study)["seed"]
    study.get_by_role("button", name="Start again").click()
    assert len(stored(study)["readings"]) == 2
    study.get_by_role("button", name="Delete all my marks").click()
    begun(study)
    assert stored(study)["seed"] != seed and stored(study)["readings"] == []


@pytest.mark.parametrize("left_over", ["{broken", "[]", '{"seed": 1, "reader": "x", "readings": [{}]}', '"x"', "7"])
def test_a_storage_that_holds_something_else_is_no_harm(study, left_over):
    study.evaluate(
        "([key, value]) => localStorage.setItem(key, value)", [f"cxrtutor-reader-study-{FILMS.key}", left_over]
    )
    study.reload()
    begun(study)
    assert title(study) == "Round 1 of 2, film 1 of 8"


def test_a_browser_that_keeps_nothing_is_told_of_and_works(request, tmp_path):
    with opened(request, ReaderStudy(FILMS)) as page:
        page.context.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
        )
        page.reload()
        assert "keeps nothing" in page.get_by_role("alert").inner_text()
        begun(page)
        for number in range(16):
            if number == 8:
                page.get_by_role("button", name="Begin round 2").click()
            marked(page, None)
        assert read_answers(downloaded(page, tmp_path), FILMS).readings[15].mark is None


@both_ways
def test_a_file_of_results_is_opened_again(study, tmp_path):
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "mine.json", answered(follower, reader="Cy")))
    study.locator(".done").wait_for()
    assert table(study)["followed"][0] == "1.000"
    assert read_answers(downloaded(study, tmp_path), FILMS).name == "Cy"


@pytest.mark.parametrize(
    "content",
    ["no JSON", "[]", "null", answered(follower, set="another"), answered(follower) | {"readings": []}],
    ids=["text", "list", "null", "other films", "not finished"],
)
def test_another_file_is_refused_in_words(study, tmp_path, content):
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "other.json", content))
    assert "other.json does not hold" in study.get_by_role("alert").inner_text()
    assert study.locator(".start").is_visible()


def test_the_end_shows_every_film_with_truth_and_marks(study, tmp_path):
    answers = answered(follower)
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "mine.json", answers))
    canvas = study.locator(".review canvas")
    canvas.wait_for()
    for index, shown in enumerate(FILMS.plan(answers["seed"])[8:]):
        study.get_by_role("combobox").select_option(index=index)
        told = study.locator(".told").inner_text()
        assert {"right": "under a right map", "wrong": "You followed the wrong map", "none": "without a map"}[
            shown.map
        ] in told
        assert any_pixel(canvas, TRUTH)
    study.get_by_role("checkbox", name="truth").uncheck()
    assert not any_pixel(canvas, TRUTH)


def test_who_cannot_see_hears_where_the_mark_is(study):
    begun(study)
    study.wait_for_timeout(500)
    assert "Round 1 of 2, film 1 of 8. Mark the" in study.get_by_role("status").text_content()
    press(study, "ArrowUp", "ArrowRight")
    study.wait_for_timeout(500)
    assert study.get_by_role("status").text_content().startswith("55\u00a0% from the left, 50\u00a0% from the top")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_fits_at_every_step(study, tmp_path, scheme):
    study.emulate_media(color_scheme=scheme)
    widths = ((320, False), (360, False), (1200, True))
    assert_stands_out(study, ".start .title", ".about", ".field span", ".begin", ".file")
    begun(study)
    for width, beside in widths:
        assert assert_fits(study, width, ".reading canvas", ".reading .panel") == beside
    press(study, "ArrowUp")
    assert_stands_out(study, ".reading .title", ".question", ".where", "#keys", ".accept", ".unseen")
    read_round(study, lambda *_: around(FILMS.films[0].truth))
    assert_stands_out(study, ".pause .title", ".pause p", ".pause .on", ".restart")
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "mine.json", answered(follower)))
    study.locator(".done").wait_for()
    for width, beside in widths:
        assert assert_fits(study, width, ".review canvas", ".review .panel") == beside
    assert_stands_out(study, ".verdict", "tbody th", "td", "thead th", ".told", ".download", ".review .toggle", ".key")


def test_axe_finds_nothing_at_any_step(study, tmp_path):
    def found() -> list[str]:
        return [fault for fault in faults(study) if "page-has-heading-one" not in fault]  # the page's, not the widget's

    assert found() == []
    study.get_by_role("button", name="Begin with a film").click()
    press(study, "ArrowUp")
    assert found() == []
    press(study, "Enter")
    assert found() == []
    study.get_by_role("button", name="Begin round 1").click()
    read_round(study, blind)
    assert found() == []
    study.get_by_role("button", name="Begin round 2").click()
    assert found() == []
    study.locator("input[type=file]").set_input_files(file_of(tmp_path, "mine.json", answered(follower)))
    study.locator(".done").wait_for()
    assert found() == []
