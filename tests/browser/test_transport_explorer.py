"""The transport explorer in a real browser, on a page without a kernel."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pixels import any_pixel

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
    return sinkhorn(*arrays, epsilon=epsilon, iterations=5000, **terms)


@pytest.fixture
def in_page(tmp_path: Path, server: str, open_page):
    """`in_page(cost, a, b, epsilon, **terms)`: what the module finds in the page, and how long it took there."""
    (tmp_path / "page.html").write_text('<!doctype html><title>Test</title><link rel="icon" href="data:,">')
    page, watch = open_page(f"{server}/page.html")
    script = """async ([source, problem]) => {
        const url = URL.createObjectURL(new Blob([source, "export { sinkhorn };"], { type: "text/javascript" }));
        const { sinkhorn } = await import(url);
        const start = performance.now();
        const solver = sinkhorn(problem);
        let iterations = 1;
        while (solver.iterate() >= 1e-7 && iterations < 10000) iterations++;
        const { plan, cost, value } = solver.result();
        return { plan: [...plan], cost, value, iterations, milliseconds: performance.now() - start };
    }"""

    def solve(cost, a, b, epsilon, relaxation=None, mass=None):
        both = list(relaxation) if isinstance(relaxation, tuple) else [relaxation, relaxation]
        terms = {"epsilon": epsilon, "relaxation": both, "mass": mass}
        lists = {"cost": cost.ravel().tolist(), "a": a.tolist(), "b": b.tolist()}
        return page.evaluate(script, [SOURCE, lists | terms])

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


def test_a_usual_problem_takes_less_than_a_frame_or_three(in_page):
    cost, a, b = problem(3, 256, 8)
    assert min(in_page(cost, a, b, 0.1)["milliseconds"] for _ in range(5)) < 50
