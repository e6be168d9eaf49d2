"""Where words and sentences look, from a model, and what is refused as their maps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from data.made_up import make_study
from small_runs import small_config, use_small_text_encoder

from cxrtutor.alignment import (
    GlobalAlignment,
    MultiLevelAlignment,
    SentenceAlignment,
    TokenAlignment,
    TransportAlignment,
    WeightedSum,
)
from cxrtutor.data.images import letterbox
from cxrtutor.data.study import Report, Sentence
from cxrtutor.errors import InputError
from cxrtutor.localization.attention import ReportAttention, attention_of
from cxrtutor.methods.registry import method

TEXTS = ("Small, left effusion.", "No pneumothorax.", "---", "Heart: normal!")
WORDS = ["Small", "left", "effusion", "No", "pneumothorax", "Heart", "normal"]


@pytest.fixture(scope="module")
def study():
    report = Report({}, tuple(map(Sentence, TEXTS)))
    return dataclasses.replace(make_study(3, "test", shape=(40, 32)), report=report)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        torch.manual_seed(0)
        config = small_config(tmp_path_factory.mktemp("unused"), method="afloc")
        yield method("afloc").model(config).train()


def test_every_level_gives_the_maps_of_its_unit(model, study):
    levels = {"words-shallow": 1.0, "sentences-deep": 1.0, "report-deep": 1.0, "report-pooled": 1.0}
    attention = attention_of(model, MultiLevelAlignment(levels), study)
    assert attention.sentences == TEXTS
    assert {unit: len(maps) for unit, maps in attention.maps.items()} == {"words": 7, "sentences": 4, "report": 1}
    assert np.isnan(attention.maps["sentences"][2]).all()
    for found in attention.maps.values():
        np.testing.assert_allclose(found[~np.isnan(found[:, 0, 0])].sum((1, 2)), 1, rtol=1e-5)
    assert np.ptp(attention.maps["report"]) == 0  # one unit looks everywhere alike
    assert np.ptp(attention.maps["words"], axis=(1, 2)).min() > 0


def test_words_stand_where_they_are_written(model, study):
    attention = attention_of(model, MultiLevelAlignment({"words-deep": 1.0}), study)
    read = [
        text[start:end]
        for text, spans in zip(attention.sentences, attention.word_spans, strict=True)
        for start, end in spans
    ]
    assert read == WORDS


def test_maps_are_those_of_the_objective_in_evaluation_mode(model, study):
    objective = SentenceAlignment(attention_temperature=7.0)
    found = attention_of(model, objective, study).maps["sentences"]
    assert model.training and model.image_projection.training  # left as it was
    model.eval()
    with torch.no_grad():
        square, _ = letterbox(study.image, 64)
        pairs = model(model.encode_images(torch.from_numpy(square)[None, None]), model.text_encoder([list(TEXTS)]))
        wanted = objective(pairs).maps["attention"][0].numpy()
    model.train()
    np.testing.assert_array_equal(np.delete(found, 2, axis=0), np.delete(wanted, 2, axis=0))


def test_plans_of_transport_and_attention_of_tokens_are_read_alike(model, study):
    objectives = {"sentences": TransportAlignment("sentences"), "words": TokenAlignment(weights="uniform")}
    together = WeightedSum({unit: (1.0, objective) for unit, objective in objectives.items()})
    found = attention_of(model, together, study).maps
    for unit, objective in objectives.items():
        np.testing.assert_array_equal(found[unit], attention_of(model, objective, study).maps[unit])
    np.testing.assert_allclose(np.delete(found["sentences"], 2, axis=0).sum((1, 2)), 1 / 3, rtol=1e-5)
    assert np.isnan(found["sentences"][2]).all()
    np.testing.assert_allclose(found["words"].sum((1, 2)), np.ones(7), rtol=1e-5)


def test_what_has_no_place_to_look_from_is_refused(model, study):
    with pytest.raises(InputError, match="GlobalAlignment holds no local alignment"):
        attention_of(model, GlobalAlignment(), study)
    with pytest.raises(InputError, match="has no sentence"):
        attention_of(model, SentenceAlignment(), dataclasses.replace(study, report=Report({}, ())))


def maps(number: int, value: float = 0.5) -> np.ndarray:
    return np.full((number, 2, 2), value, np.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"maps": {}}, "no map to look at"),
        ({"maps": {"sentences": maps(1)}}, "1 maps for 2 sentences"),
        ({"maps": {"report": maps(2)}}, "2 maps for 1 report"),
        ({"maps": {"words": maps(3)}}, "0 lists of their places for 2 sentences"),
        ({"maps": {"words": maps(3)}, "word_spans": (((0, 5),), ((0, 2),))}, "3 maps for 2 words"),
        ({"maps": {"words": maps(2)}, "word_spans": (((0, 5),), ((2, 99),))}, "do not lie in it"),
        ({"maps": {"words": maps(2)}, "word_spans": (((3, 5), (0, 2)), ())}, "do not lie in it"),
        ({"maps": {"words": maps(0)}, "word_spans": ((), ())}, "None of the words has a map"),
        ({"maps": {"sentences": maps(2, np.nan)}}, "None of the sentences has a map"),
        ({"maps": {"sentences": maps(2, np.inf)}}, "Map 0 of sentences is infinite"),
        ({"maps": {"sentences": np.array([[[1, 1]], [[1, np.nan]]], np.float32)}}, "Map 1 of sentences"),
    ],
)
def test_maps_that_do_not_fit_the_report_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        ReportAttention(("Clear lungs.", "No edema."), **given)
