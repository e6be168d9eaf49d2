"""Links from sentences to lesions: the cases, and couplings whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import small_config, use_small_text_encoder
from small_sets import study

from cxrtutor.alignment import Alignment, GlobalAlignment, Objective
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.sets import open_studies
from cxrtutor.data.study import Report, Sentence
from cxrtutor.errors import InputError
from cxrtutor.evaluation.sentence_links import (
    MANY_LESIONS,
    MANY_SENTENCES,
    ONE_TO_ONE,
    cases,
    density_gain,
    measure_links,
)
from cxrtutor.methods.registry import method

BOXES = ((0, 0, 16, 16), (48, 48, 64, 64), (0, 48, 16, 64))
LINKS = (((0,), (), (1, 2)), ((0,), (0,)), ((1,), (1, 2), (0,)), ())
"""Of every study and every sentence: the lesions it speaks of."""


def linked_study(number):
    findings = [("mass", f"mass {box}", box) for box in BOXES]
    sentences = tuple(Sentence(f"Sentence {n} of {number}.", links) for n, links in enumerate(LINKS[number]))
    return replace(study(number, findings), report=Report({}, sentences), split="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linked")
    shard = shard_path(folder, "test", 0)
    write_shard(shard, [linked_study(number) for number in range(len(LINKS))])
    write_card(folder, [shard], {}, name="linked", version="1", licence="CC0-1.0", redistribution=True)
    return folder


class Known(Objective):
    """Looks at some lesions of each sentence: `choose` says which of those that it speaks of."""

    unit = "sentences"

    def __init__(self, choose):
        super().__init__()
        self.choose = choose

    def forward(self, pairs):
        maps = torch.full((*pairs.text.sentence_mask.shape, 4, 4), 0.01)
        for number, report in enumerate(LINKS):
            for place, links in enumerate(report):
                for lesion in self.choose(links):
                    top, left = (edge // 16 for edge in BOXES[lesion][:2])
                    maps[number, place, top, left] = 1.0
        return Alignment(torch.zeros(()), maps={"attention": maps})


def measured(folder, home, monkeypatch, choose):
    use_small_text_encoder(monkeypatch)
    model = method("lsm").model(small_config(folder))
    return measure_links(model, Known(choose), open_studies(str(folder), "test")).by_finding()


def test_cases():
    found = [cases(linked_study(number)) for number in range(4)]
    assert found[0] == [ONE_TO_ONE, None, MANY_LESIONS]
    assert found[1] == [MANY_SENTENCES, MANY_SENTENCES]
    assert found[2] == [MANY_SENTENCES, MANY_LESIONS, ONE_TO_ONE]
    assert found[3] == []


def test_whoever_looks_at_its_lesions_alone_is_right_everywhere(folder, home, monkeypatch):
    table = measured(folder, home, monkeypatch, lambda links: links)
    assert table["samples"].to_dict() == {ONE_TO_ONE: 2, MANY_LESIONS: 2, MANY_SENTENCES: 3}
    assert (table["pointing"] == 1).all() and (table["lesions found"] == 1).all()
    one = 1 / (1 + 15 * 0.01)
    assert table["gain"][ONE_TO_ONE] == pytest.approx(16 * one)
    assert table["gain"][MANY_LESIONS] == pytest.approx(8 * 2 / (2 + 14 * 0.01))


def test_whoever_looks_at_one_of_two_lesions_finds_half_and_whoever_looks_elsewhere_none(folder, home, monkeypatch):
    table = measured(folder, home, monkeypatch, lambda links: links[:1])
    assert table["pointing"][MANY_LESIONS] == 1 and table["lesions found"][MANY_LESIONS] == 0.5
    table = measured(folder, home, monkeypatch, lambda links: {0, 1, 2} - set(links))
    assert (table["pointing"] == 0).all() and (table["lesions found"] == 0).all() and (table["gain"] < 0.2).all()


def test_whether_a_sentence_looks_at_its_own_of_the_patients_lesions(folder, home, monkeypatch):
    own = measured(folder, home, monkeypatch, lambda links: links)["own lesion"]
    assert (own == 1).all()
    others = measured(folder, home, monkeypatch, lambda links: {0, 1, 2} - set(links))["own lesion"]
    assert (others == 0).all()
    even = measured(folder, home, monkeypatch, lambda links: ())["own lesion"]
    assert even[ONE_TO_ONE] == pytest.approx(1 / 3) and even[MANY_LESIONS] == pytest.approx(2 / 3)


def test_an_even_map_gains_nothing(folder, home, monkeypatch):
    table = measured(folder, home, monkeypatch, lambda links: ())
    assert table["gain"].to_numpy() == pytest.approx(1)
    assert np.isnan(density_gain(torch.ones(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool)).item())


def test_what_cannot_be_measured_says_so(folder, data, home, monkeypatch):
    use_small_text_encoder(monkeypatch)
    model = method("lsm").model(small_config(folder))
    with pytest.raises(InputError, match="GlobalAlignment gives no maps of sentences"):
        measure_links(model, GlobalAlignment(), open_studies(str(folder), "test"))

    class Even(Known):
        def forward(self, pairs):
            return Alignment(torch.zeros(()), maps={"plan": torch.ones(*pairs.text.sentence_mask.shape, 4, 4)})

    with pytest.raises(InputError, match="No sentence of this set is linked"):
        measure_links(model, Even(tuple), open_studies(str(data), "test"))
