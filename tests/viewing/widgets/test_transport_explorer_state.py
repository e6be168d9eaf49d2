"""What the transport explorer hands to its module, and what it refuses. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.transport_explorer import TransportExplorer

IMAGE = np.full((8, 8), 0.5, np.float32)
SENTENCES = ("Left mass.", "No edema.", "Stable.")
COST = np.random.default_rng(0).random((3, 2, 5), dtype=np.float32)


def an_explorer(**changes: object) -> TransportExplorer:
    arguments = {"image": IMAGE, "sentences": SENTENCES, "cost": COST} | changes
    return TransportExplorer(arguments.pop("image"), arguments.pop("sentences"), arguments.pop("cost"), **arguments)


def test_the_cost_arrives_region_by_region():
    grid = json.loads(json.dumps(an_explorer().page_values()))["grid"]
    sent = np.frombuffer(base64.b64decode(grid["cost"]), "<f4").reshape(grid["rows"], grid["columns"], 3)
    assert np.array_equal(sent, np.moveaxis(COST, 0, -1))


def test_masses_are_brought_to_the_sum_1_and_are_uniform_by_default():
    region_mass = np.array([[0, 1, 1, 2, 0], [4, 0, 0, 0, 0]])
    explorer = an_explorer(region_mass=region_mass, sentence_mass=np.array([True, False, True]))
    assert explorer.grid["mass"] == [0, 0.125, 0.125, 0.25, 0, 0.5, 0, 0, 0, 0]
    assert [sentence["mass"] for sentence in explorer.sentences] == [0.5, 0, 0.5]
    assert an_explorer().grid["mass"] == pytest.approx([0.1] * 10)


@pytest.mark.parametrize(
    ("terms", "kind", "relaxation", "mass"),
    [
        ({}, "balanced", [None, 0.1], 0.8),
        ({"relaxation": 0.5}, "unbalanced", [0.5, 0.5], 0.8),
        ({"relaxation": (None, 2.0)}, "unbalanced", [None, 2.0], 0.8),
        ({"mass": 0.4}, "partial", [None, 0.1], 0.4),
    ],
)
def test_the_terms_choose_the_kind_of_transport(terms, kind, relaxation, mass):
    values = an_explorer(epsilon=0.07, **terms).page_values()
    assert (values["kind"], values["relaxation"], values["mass"]) == (kind, relaxation, mass)
    assert values["epsilon"] == 0.07


def test_sentences_and_truths_travel_together():
    truth = np.zeros((8, 8), bool)
    truth[2] = True
    explorer = an_explorer(truths=[truth, None, truth])
    assert [(sentence["text"], sentence["truth"]) for sentence in explorer.sentences] == [
        ("Left mass.", 0),
        ("No edema.", None),
        ("Stable.", 0),
    ]
    assert len(explorer.truths) == 1


def test_the_payload_is_small():
    image = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    explorer = an_explorer(image=image, sentences=("Mass. " * 10,) * 8, cost=np.ones((8, 16, 16), np.float32))
    assert len(json.dumps(explorer.page_values())) < 50_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": IMAGE + 1}, r"float in \[0, 1\]"),
        ({"sentences": ()}, "3 maps of cost for 0 sentences"),
        ({"sentences": SENTENCES[:2]}, "3 maps of cost for 2 sentences"),
        ({"cost": np.where(COST > 0.5, COST, np.inf)}, "not finite everywhere"),
        ({"truths": [None]}, "1 truths for 3 sentences"),
        ({"region_mass": np.ones((5, 2))}, r"`region_mass` has shape \(5, 2\), but the cost asks for \(2, 5\)"),
        ({"region_mass": np.zeros((2, 5))}, "region's mass is negative or not finite, or all are 0"),
        ({"sentence_mass": np.array([1.0, -1, 1])}, "sentence's mass is negative"),
        ({"sentence_mass": np.array([1.0, np.nan, 1])}, "not finite"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"relaxation": (None, -1.0)}, "must be positive, or None"),
        ({"mass": 1.5}, "mass is 1.5"),
        ({"mass": 0.5, "relaxation": 1.0}, "leave one out"),
    ],
)
def test_what_cannot_be_shown_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        an_explorer(**changes)
