"""The transport explorer in a real browser, on a page without a kernel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pixels import any_pixel
from widget_page import assert_fits, assert_stands_out, opened, written

import cxrtutor.viewing.widgets
from cxrtutor.alignment.sinkhorn import Transport, sinkhorn
from cxrtutor.viewing.widgets.transport_explorer import TransportExplorer

SOURCE = (Path(cxrtutor.viewing.widgets.__file__).with_name("sinkhorn.js")).read_text(encoding="utf-8")

# The kinds of transport of the ten problems.
TERMS = (
    {},
    {},
    {},
    {"relaxation": 0.5},
    {"relaxation": (None, 0.2)},
    {"relaxation": (0.1, None)},
    {"relaxation": (1.0, 0.05)},
    {"mass": 0.3},
    {"mass": 0.8},
    {"mass": 0.95},
)


def problem(seed: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cost between 0 and 2, and masses of which one on each side is 0."""
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.ones(rows)), rng.dirichlet(np.ones(columns))
    a[seed % rows], b[seed % columns] = 0, 0
    return rng.uniform(0, 2, (rows, columns)), a / a.sum(), b / b.sum()


def at_rest(cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float, **terms) -> Transport:
    """What the package finds after so many iterations that more of them change nothing."""
    arrays = (torch.from_numpy(np.asarray(array, np.float64)) for array in (cost, a, b))
    return sinkhorn(*arrays, epsilon=epsilon, iterations=2000, **terms)


@pytest.fixture
def in_page(tmp_path: Path, server: str, open_page):
    """`in_page(cost, a, b, epsilon, **terms)`: what the module finds in the page, and how long it took there."""
    (tmp_path / "page.html").write_text('<!doctype html><title>Test</title><link rel="icon" href="data:,">')
    page, watch = open_page(f"{server}/page.html")
    script = """async ([source, problem, times]) => {
        const url = URL.createObjectURL(new Blob([source, "export { sinkhorn };"], { type: "text/javascript" }));
        const { sinkhorn } = await import(url);
        const milliseconds = [];
        let solver;
        while (milliseconds.length < times) {
            const start = performance.now();
            solver = sinkhorn(problem);
            for (let k = 0; k < 10000 && solver.iterate() >= 1e-7; k++);
            milliseconds.push(performance.now() - start);
        }
        const { plan, cost, value } = solver.result();
        return { plan: [...plan], cost, value, milliseconds };
    }"""

    def solve(cost, a, b, epsilon, relaxation=None, mass=None, *, times=1):
        both = list(relaxation) if isinstance(relaxation, tuple) else [relaxation, relaxation]
        terms = {"epsilon": epsilon, "relaxation": both, "mass": mass}
        lists = {"cost": cost.ravel().tolist(), "a": a.tolist(), "b": b.tolist()}
        return page.evaluate(script, [SOURCE, lists | terms, times])

    yield solve
    watch.assert_silent()


@pytest.mark.parametrize("seed", range(10))
def test_the_page_finds_what_the_package_finds(in_page, seed):
    cost, a, b = problem(seed, rows=5 + 3 * seed, columns=2 + seed % 5)
    epsilon = (0.05, 0.1, 0.5)[seed % 3]
    expected = at_rest(cost, a, b, epsilon, **TERMS[seed])
    found = in_page(cost, a, b, epsilon, **TERMS[seed])
    assert np.abs(np.reshape(found["plan"], cost.shape) - expected.plan.numpy()).max() < 1e-4 * expected.plan.max()
    assert found["cost"] == pytest.approx(expected.cost.item(), rel=1e-4)
    assert found["value"] == pytest.approx(expected.value.item(), rel=1e-4)


def test_a_usual_problem_is_solved_before_the_reader_notices(in_page):
    cost, a, b = problem(3, 256, 8)
    milliseconds = in_page(cost, a, b, 0.1, times=40)["milliseconds"]
    assert min(milliseconds) < 50  # the others shared the processor with something else


GRID = 6
SENTENCES = ("Small <b>left</b> effusion, basal.", "Heart & mediastinum: normal.", "No pneumothorax.", "Old film seen.")
COST = np.random.default_rng(1).uniform(0, 1, (4, GRID, GRID)).astype(np.float32)
REGION_MASS = np.ones((GRID, GRID))
REGION_MASS[0] = 0
SENTENCE_MASS = np.array([2.0, 1, 1, 0])


def lesion() -> np.ndarray:
    truth = np.zeros((48, 48), bool)
    truth[-20:-8, -18:-6] = True
    return truth


@pytest.fixture
def explorer(request):
    """A page with one explorer, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    image = np.random.default_rng(2).random((48, 48), dtype=np.float32)
    truths = [lesion(), None, None, None]
    with opened(
        request,
        TransportExplorer(image, SENTENCES, COST, truths, region_mass=REGION_MASS, sentence_mass=SENTENCE_MASS),
        reduced_motion="reduce",
    ) as page:
        page.get_by_role("toolbar").wait_for()
        yield page


@cache
def expected(epsilon: float, **terms) -> Transport:
    """The plan [regions, sentences] of the explorer's problem."""
    a, b = REGION_MASS.ravel() / REGION_MASS.sum(), SENTENCE_MASS / SENTENCE_MASS.sum()
    return at_rest(COST.reshape(4, -1).T, a, b, epsilon, **terms)


def number(page, part: str) -> float:
    return float(page.locator(part).inner_text().replace("\u2212", "-"))


def assert_shows(page, plan: Transport) -> None:
    """Every number of the page is that of this plan."""
    received, given = plan.plan.sum(0).tolist(), plan.plan.sum(1)
    own = (SENTENCE_MASS / SENTENCE_MASS.sum()).tolist()
    regions = torch.from_numpy(REGION_MASS.ravel() / REGION_MASS.sum())
    amounts = [text.split(" of ") for text in page.locator(".sentence small").all_inner_texts()]
    assert [float(mass) for mass, _ in amounts] == pytest.approx(received, abs=6e-4)
    assert [float(mass) for _, mass in amounts] == pytest.approx(own, abs=6e-4)
    assert number(page, "dd.cost") == pytest.approx(plan.cost.item(), rel=1e-3)
    assert number(page, "dd.value") == pytest.approx(plan.value.item(), rel=1e-3)
    assert number(page, "dd.moved") == pytest.approx(sum(received), abs=1e-4)
    assert number(page, "dd.regions-off") == pytest.approx((given - regions).abs().sum().item(), abs=1e-4)
    off = sum(abs(mass - mine) for mass, mine in zip(received, own, strict=True))
    assert number(page, "dd.sentences-off") == pytest.approx(off, abs=1e-4)
    lengths = page.locator(".bar i").evaluate_all("bars => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert np.allclose(np.array(lengths) / max(lengths), np.array(received) / max(received), atol=0.02)


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def place_of_peak(values: np.ndarray) -> str:
    row, column = np.unravel_index(values.argmax(), values.shape)
    third = ("upper", "middle", "lower")[row * 3 // GRID]
    return f"Patient\u2019s {'right' if column < GRID / 2 else 'left'}, {third} third"


@pytest.mark.parametrize("explorer", ["http", "file"], indirect=True)
def test_numbers_follow_the_terms_and_equal_pythons(explorer):
    assert_shows(explorer, expected(0.1))
    slider(explorer, "Entropy weight").fill("-1.7")
    assert_shows(explorer, expected(0.02))
    explorer.get_by_role("radio", name="unbalanced").check()
    assert_shows(explorer, expected(0.02, relaxation=(None, 0.1)))
    slider(explorer, "regions").fill("-0.5")
    slider(explorer, "sentences").fill("-2")
    assert_shows(explorer, expected(0.02, relaxation=(0.316, 0.01)))
    slider(explorer, "sentences").press("End")
    assert_shows(explorer, expected(0.02, relaxation=(0.316, None)))
    explorer.get_by_role("radio", name="partial").check()
    assert_shows(explorer, expected(0.02, mass=0.8))
    slider(explorer, "Mass").fill("0.35")
    assert_shows(explorer, expected(0.02, mass=0.35))
    explorer.get_by_role("radio", name="balanced", exact=True).check()
    assert_shows(explorer, expected(0.02))


def test_only_the_controls_of_the_chosen_kind_are_there(explorer):
    for kind, names in (("balanced", []), ("unbalanced", ["regions", "sentences"]), ("partial", ["Mass"])):
        explorer.get_by_role("radio", name=kind, exact=True).check()
        assert [name for name in ("regions", "sentences", "Mass") if slider(explorer, name).count()] == names
    explorer.get_by_role("radio", name="unbalanced").check()
    assert slider(explorer, "regions").get_attribute("aria-valuetext") == "exact"
    assert slider(explorer, "sentences").get_attribute("aria-valuetext") == "0.1"


def test_every_sentence_is_reached_by_the_keyboard_and_shows_its_column_of_the_plan(explorer):
    plan = expected(0.1).plan.numpy()
    explorer.get_by_role("button").first.focus()
    for sentence in range(3):
        focused = "document.activeElement.shadowRoot.activeElement.textContent"
        assert explorer.evaluate(focused) == SENTENCES[sentence]
        values = plan[:, sentence].reshape(GRID, GRID)
        assert explorer.locator(".place").inner_text() == place_of_peak(values)
        peak = float(explorer.locator(".values").inner_text().split(",")[0].removeprefix("Peak "))
        assert peak == pytest.approx(values.max(), rel=1e-3)
        explorer.keyboard.press("ArrowDown")
    assert explorer.locator(".place").inner_text() == "The same everywhere: no peak"  # a sentence without mass
    explorer.keyboard.press("Home")
    assert explorer.locator(".chosen").text_content() == SENTENCES[0]


def test_a_sentence_is_pinned_and_let_go_and_pointing_at_its_bar_selects_it(explorer):
    explorer.locator(".bar").nth(2).hover()
    assert explorer.locator(".chosen").text_content() == SENTENCES[2]
    explorer.get_by_role("button").nth(1).click()
    explorer.locator(".bar").nth(2).hover()
    assert explorer.locator(".chosen").text_content() == SENTENCES[1]
    assert explorer.get_by_role("button").nth(1).get_attribute("aria-pressed") == "true"
    explorer.keyboard.press("Escape")
    explorer.get_by_role("button").nth(0).hover()
    assert explorer.locator(".chosen").text_content() == SENTENCES[0]


def test_a_change_is_announced_once_the_reader_rests(explorer):
    status = explorer.get_by_role("status")
    explorer.wait_for_timeout(600)
    assert status.text_content() == ""
    slider(explorer, "Entropy weight").fill("-0.7")
    explorer.wait_for_timeout(600)
    plan = expected(0.2)
    place = place_of_peak(plan.plan[:, 0].reshape(GRID, GRID).numpy())
    begin = f"\u201c{SENTENCES[0]}\u201d: receives {plan.plan[:, 0].sum():.3f} of 0.500. {place}. Cost "
    assert status.text_content().startswith(begin)
    assert status.text_content().endswith(" iterations.")


def test_the_picture_shows_truth_and_plan_as_asked_and_nothing_over_hidden_regions(explorer):
    canvas = explorer.get_by_role("img")
    truth, warm = "red < 3 && green > 226 && blue > 252", "red - blue > 90"
    assert any_pixel(canvas, truth)
    explorer.get_by_role("button").nth(1).hover()
    assert not any_pixel(canvas, truth)  # that sentence speaks of no lesion
    slider(explorer, "opacity").fill("1")
    assert any_pixel(canvas, warm)
    top_row = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(canvas.width * 0.2, 1, canvas.width * 0.6, 9);
        return data.every((value, k) => k % 4 === 3 || value === data[k - (k % 4)]);
    }"""
    assert canvas.evaluate(top_row)  # grey: no colour lies over it


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(explorer, scheme):
    explorer.emulate_media(color_scheme=scheme)
    parts = (".report", ".place", ".help", "legend", ".scale", ".caption", ".sentence small", "dt", "dd", ".ends")
    assert_stands_out(explorer, *parts)


def test_fits_narrow_and_wide_pages(explorer):
    explorer.get_by_role("radio", name="unbalanced").check()
    for width, side_by_side in ((320, False), (400, False), (620, True), (1200, True)):
        assert assert_fits(explorer, width, "canvas", ".report") == side_by_side


def test_a_plan_that_takes_long_is_drawn_on_the_way_and_given_up_in_the_end(tmp_path, server, open_page):
    image, rng = np.zeros((48, 48), np.uint8), np.random.default_rng(4)
    cost = rng.uniform(0, 1, (8, 16, 16)).astype(np.float32)
    written(tmp_path, TransportExplorer(image, [f"Sentence {k}." for k in range(8)], cost, epsilon=1e-4))
    page, watch = open_page(f"{server}/page.html")
    iterations = page.locator(".iterations")
    iterations.wait_for()
    on_the_way = int(iterations.inner_text().replace(",", ""))
    assert 0 < on_the_way < 10_000
    page.wait_for_function(
        "document.querySelector('.cxrtutor-widget div').shadowRoot.querySelector('.iterations').textContent"
        " === '10,000, not at rest'"
    )
    slider(page, "Entropy weight").fill("-1")
    assert iterations.inner_text().isdigit()
    watch.assert_silent()
