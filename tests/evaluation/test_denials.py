"""Findings that are denied, and models that hear it or not."""

from dataclasses import replace

import pytest
import torch
from small_sets import Positions, study

from cxrtutor.data.study import Report, Sentence
from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.denials import DENIAL, DENIED, PRESENT, measure_denials
from cxrtutor.evaluation.tables import ResultTable
from cxrtutor.localization.protocols import Protocol

PLAIN = Protocol("plain", (), "nearest", (), (0.5, 1.5))
BOX = (16, 16, 32, 32)


def reported(number, findings, *sentences):
    report = Report({}, tuple(Sentence(text, links) for text, links in sentences))
    return replace(study(number, findings), report=report)


STUDIES = [
    reported(
        0, [("edema", "edema", BOX)], ("Edema.", (0,)), ("No effusion or pneumothorax.", ()), ("No effusion.", ())
    ),
    reported(1, [], ("No focal airspace disease.", ()), ("There is no pneumothorax.", ())),
    reported(2, [("mass", "a", BOX), ("mass", "b", BOX)], ("Two masses.", (0, 1)), ("No pulmonary mass.", ())),
]


class Fills:
    """Fills as many rows of a 4 x 4 map as `rows` says, with a similarity of one."""

    def __init__(self, rows):
        self.rows, self.asked = rows, []

    def similarity_maps(self, features, prompts):
        self.asked += list(zip(features.pooled[:, 0].int().tolist(), prompts, strict=True))
        maps = torch.zeros(len(prompts), 4, 4)
        for number, prompt in enumerate(prompts):
            maps[number, : self.rows(prompt)] = 1.0
        return maps


def test_who_is_asked_for_what():
    model = Fills(lambda prompt: 1)
    found = measure_denials(model, Positions(), STUDIES, PLAIN)
    asked = {
        way: set(zip(each.rows.study, each.rows.finding, each.rows.prompt, strict=True)) for way, each in found.items()
    }
    assert asked[PRESENT] == {
        ("s0", "edema", "Findings suggesting edema."),
        ("s2", "mass", "Findings suggesting mass."),
    }
    denied = {("s0", "pleural effusion"), ("s0", "pneumothorax"), ("s1", "pneumothorax")}
    assert asked[DENIED] == {(*one, f"Findings suggesting {one[1]}.") for one in denied}
    assert asked[DENIAL] == {
        ("s0", "pleural effusion", "No effusion or pneumothorax."),
        ("s0", "pneumothorax", "No effusion or pneumothorax."),
        ("s1", "pneumothorax", "There is no pneumothorax."),
    }
    assert (1, "There is no pneumothorax.") in model.asked and (0, "There is no pneumothorax.") not in model.asked
    assert found[PRESENT].rows.lesions.tolist() == ["0", "0+1"]


def test_what_is_marked_and_how_high_it_scores():
    found = measure_denials(
        Fills(lambda prompt: 0 if prompt.startswith(("No", "There")) else 2), Positions(), STUDIES, PLAIN
    )
    assert found[DENIED].rows.marked.tolist() == pytest.approx([0.25] * 3)  # half of the film, at one threshold of two
    assert found[DENIED].rows.presence.between(0.5, 1.0).all()
    assert found[DENIAL].rows.marked.tolist() == found[DENIAL].rows.presence.tolist() == [0.0] * 3
    assert interval(found[PRESENT], "marked").value == pytest.approx(0.25)
    assert DENIAL in str(ResultTable(found, metrics=("marked", "presence")))


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="nothing to compare"):
        measure_denials(Fills(lambda prompt: 1), Positions(), STUDIES[2:], PLAIN)
    with pytest.raises(InputError, match="nothing to compare"):
        measure_denials(Fills(lambda prompt: 1), Positions(), STUDIES[1:2], PLAIN)
