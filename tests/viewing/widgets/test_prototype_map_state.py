"""What the prototype map hands to its module, and what it refuses. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from cxrtutor.errors import InputError
from cxrtutor.viewing import colours
from cxrtutor.viewing.widgets import prototype_map
from cxrtutor.viewing.widgets.prototype_map import MOST_FINDINGS, MappedStudy, PrototypeMap

PROTOTYPES = np.array([[0.0, 1.0], [2.0, 3.0]])


def a_study(**changes: object) -> MappedStudy:
    return MappedStudy(
        **{"title": "Study 1", "finding": "mass", "position": (1.0, -2.5), "report": "A mass."} | changes
    )


def picture(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_studies_and_prototypes_arrive_as_they_were():
    studies = [a_study(prototype=1), a_study(finding="nodule", report=""), a_study()]
    values = json.loads(json.dumps(PrototypeMap(studies, PROTOTYPES, show_links=False).page_values()))
    assert [study["finding"] for study in values["studies"]] == [0, 1, 0]
    assert [finding["name"] for finding in values["findings"]] == ["mass", "nodule"]
    assert [study["prototype"] for study in values["studies"]] == [1, None, None]
    assert (values["studies"][0]["x"], values["studies"][0]["y"]) == (1.0, -2.5)
    assert values["prototypes"] == [
        {"name": "Prototype 0", "x": 0.0, "y": 1.0},
        {"name": "Prototype 1", "x": 2.0, "y": 3.0},
    ]
    assert values["show_links"] is False
    assert PrototypeMap(studies, PROTOTYPES, prototype_names=("a", "b")).prototypes[1]["name"] == "b"


def test_no_two_findings_look_alike():
    findings = PrototypeMap([a_study(finding=f"finding {k}") for k in range(MOST_FINDINGS)]).findings
    assert len({(finding["colour"], finding["hollow"]) for finding in findings}) == MOST_FINDINGS
    assert [finding["colour"] for finding in findings[: len(colours.SERIES)]] == list(colours.SERIES)


def test_large_pictures_shrink_to_the_means_of_their_pixels_and_small_ones_stay():
    image = np.arange(32).reshape(4, 8).astype(np.uint8) * 8
    [large] = PrototypeMap([a_study(image=image)], side=4).studies
    assert (large["picture"]["width"], large["picture"]["height"]) == (4, 2)
    means = image.reshape(2, 2, 4, 2).mean((1, 3))
    assert np.abs(picture(large["picture"]["png"]) - means).max() <= 0.5
    [small] = PrototypeMap([a_study(image=image / 255)], side=72).studies
    assert np.array_equal(picture(small["picture"]["png"]), image)


def test_pictures_may_be_left_out():
    [study] = PrototypeMap([a_study()]).studies
    assert study["picture"] is None


def test_a_map_that_would_make_its_page_heavy_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    studies = [a_study(image=noise) for _ in range(90)]
    with pytest.raises(InputError, match="Give fewer studies a picture, or make `side` smaller"):
        PrototypeMap(studies, side=96)
    assert len(json.dumps(PrototypeMap(studies, side=64).page_values())) <= prototype_map.MOST_BYTES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.full((4, 6), 1.5)}, r"'Study 1'.*float in \[0, 1\]"),
        ({"position": (np.nan, 0.0)}, "'Study 1'.*two finite numbers"),
    ],
)
def test_a_study_that_cannot_be_shown_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        a_study(**changes)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([],), {}, "at least one"),
        (([a_study(finding=str(k)) for k in range(MOST_FINDINGS + 1)],), {}, f"There are {MOST_FINDINGS + 1} findings"),
        (([a_study(prototype=2)], PROTOTYPES), {}, "'Study 1' has prototype 2, but there are 2"),
        (([a_study(prototype=0)],), {}, "has prototype 0, but there are 0"),
        (([a_study()], PROTOTYPES + np.inf), {}, "prototype's position is not finite"),
        (([a_study()], PROTOTYPES), {"prototype_names": ("a",)}, "1 names for 2 prototypes"),
    ],
)
def test_a_map_that_cannot_be_drawn_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        PrototypeMap(*arguments, **options)
