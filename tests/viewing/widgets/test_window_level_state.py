"""What the window widget hands to its module, and what it refuses. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import traitlets

from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.window_level import MOST_VALUES, Preset, WindowLevel

WIDE = Preset("wide", 100, 200)


def sent(widget: WindowLevel) -> np.ndarray:
    """The film as the page can rebuild it."""
    film = json.loads(json.dumps(widget.page_values()))["film"]
    codes = np.frombuffer(base64.b64decode(film["codes"]), "<u2").astype(int)
    return film["lowest"] + codes.reshape(film["rows"], film["columns"])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_whole_numbers_arrive_as_they_were(dtype):
    limits = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(max(limits.min, -30000), min(limits.max, 35000), (5, 7)).astype(dtype)
    widget = WindowLevel(values, [WIDE])
    assert np.array_equal(sent(widget), values)
    assert (widget.film["lowest"], widget.film["highest"]) == (values.min(), values.max())


def test_large_films_shrink_to_the_means_of_their_pixels():
    values = np.arange(32).reshape(4, 8).astype(np.int16) * 100 - 900
    assert np.array_equal(sent(WindowLevel(values, [WIDE], side=4)), values.reshape(2, 2, 4, 2).mean((1, 3)))


def test_the_first_preset_is_there_at_first():
    soft = Preset("soft", 3.5, 20, "SIGMOID")
    widget = WindowLevel(np.zeros((2, 2), np.uint8), [soft, WIDE], inverted=True)
    assert (widget.centre, widget.width, widget.function, widget.inverted) == (3.5, 20, "SIGMOID", True)
    assert widget.presets[1] == {"name": "wide", "centre": 100, "width": 200, "function": "LINEAR"}


def test_a_film_of_the_size_that_hospitals_send_stays_light():
    values = np.random.default_rng(0).integers(0, 2**15, (2000, 1800)).astype(np.uint16)
    assert len(WindowLevel(values, [WIDE]).page_html()) < 500_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": "LOGARITHMIC"}, "'dark' has the function 'LOGARITHMIC'; DICOM knows LINEAR"),
        ({"width": 0.5}, "'dark' has centre 1 and width 0.5"),
        ({"centre": np.nan}, "finite centre"),
        ({"width": np.inf}, "width inf"),
    ],
)
def test_a_window_that_is_none_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        Preset(**{"name": "dark", "centre": 1, "width": 2} | changes)


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(InputError, match="Give whole numbers"):
        WindowLevel(np.zeros((2, 2)), [WIDE])
    with pytest.raises(InputError, match="at least one preset"):
        WindowLevel(np.zeros((2, 2), int), [])
    values = np.array([[0, MOST_VALUES - 1]])
    assert np.array_equal(sent(WindowLevel(values, [WIDE])), values)
    with pytest.raises(InputError, match="span 65,537"):
        WindowLevel(np.array([[0, MOST_VALUES]]), [WIDE])


def test_the_state_cannot_leave_what_the_page_can_show():
    widget = WindowLevel(np.zeros((2, 2), int), [WIDE])
    for name, value in (("width", 0.0), ("function", "CUBIC")):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)
