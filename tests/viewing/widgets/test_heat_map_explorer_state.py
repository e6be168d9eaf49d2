"""What the heat-map explorer hands to its module, and what it refuses. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.heat_map_explorer import Case, HeatMapExplorer


def a_case(**changes: object) -> Case:
    heat = np.linspace(-3, 5, 24, dtype=np.float32).reshape(4, 6)
    heat[0, 0] = np.nan
    return Case(**{"title": "Study 1", "prompt": "a nodule", "image": np.full((4, 6), 0.5), "heat": heat} | changes)


def decoded(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def picture(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_heat_is_normalised_over_valid_pixels_and_keeps_what_is_not_valid():
    (case,) = HeatMapExplorer([a_case()]).cases
    heat = decoded(case["heat"], "<f4")
    assert np.isnan(heat[0]) and not np.isnan(heat[1:]).any()
    assert heat[1:].min() == -1 and heat[1:].max() == 1


def test_constant_heat_leaves_the_mask_empty_at_every_threshold():
    (case,) = HeatMapExplorer([a_case(heat=np.full((4, 6), 0.7, np.float32))]).cases
    assert (decoded(case["heat"], "<f4") == -1).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_grey_levels_and_truth_arrive_as_they_were(height, width, seed):
    rng = np.random.default_rng(seed)
    image, truth = rng.integers(0, 256, (height, width), np.uint8), rng.random((height, width)) < 0.5
    case = a_case(image=image, heat=rng.random((height, width), np.float32), truth=truth)
    (sent,) = HeatMapExplorer([case]).cases
    assert (sent["height"], sent["width"]) == (height, width)
    assert np.array_equal(picture(sent["image"]), image)
    bits = np.unpackbits(decoded(sent["truth"], "u1"), count=height * width)
    assert np.array_equal(bits.reshape(truth.shape), truth)


def test_float_images_span_the_grey_levels():
    image = np.linspace(0, 1, 24).reshape(4, 6)
    (case,) = HeatMapExplorer([a_case(image=image)]).cases
    grey = picture(case["image"])
    assert grey[0, 0] == 0 and grey[-1, -1] == 255 and np.abs(grey - image * 255).max() <= 0.5


def test_state_is_json_and_truth_may_be_unknown():
    explorer = HeatMapExplorer([a_case()], threshold=0.1, opacity=0.7, show_truth=False)
    values = json.loads(json.dumps(explorer.page_values()))
    assert values["cases"][0]["truth"] is None
    assert (values["threshold"], values["opacity"], values["show_truth"]) == (0.1, 0.7, False)
    assert len(decoded(values["palette"], "u1")) == 3 * 256


def test_new_cases_replace_the_old_and_the_first_is_selected():
    explorer = HeatMapExplorer([a_case(), a_case()])
    explorer.selected = 1
    explorer.show([a_case(prompt="another")])
    assert [case["prompt"] for case in explorer.cases] == ["another"]
    assert explorer.selected == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heat": np.zeros((4, 5), np.float32)}, r"heat has shape \(4, 5\) but the image has \(4, 6\)"),
        ({"truth": np.zeros((3, 6), bool)}, r"truth has shape \(3, 6\)"),
        ({"image": np.full((4, 6), 1.5)}, r"float in \[0, 1\]"),
        ({"image": np.full((4, 6), np.nan)}, "without NaN"),
        ({"heat": np.full((4, 6), np.nan, np.float32)}, "NaN everywhere"),
        ({"heat": np.full((4, 6), np.inf, np.float32)}, "infinite somewhere"),
    ],
)
def test_a_case_that_cannot_be_shown_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=f"Study 1.*{message}"):
        a_case(**changes)


def test_an_explorer_without_cases_is_refused():
    with pytest.raises(InputError, match="at least one"):
        HeatMapExplorer([])
