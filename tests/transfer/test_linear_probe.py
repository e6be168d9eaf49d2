"""Logistic regression on standardised vectors: what it minimises, what it leaves out, and what cannot be learned."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.errors import InputError
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer.examples import LabelledExamples, shots
from cxrtutor.transfer.frozen import fingerprint
from cxrtutor.transfer.linear_probe import STRENGTH, linear_probe, probed, untaught
from cxrtutor.transfer.representation import Representation, all_vectors, trunk

SAME = {"rtol": 0, "atol": 1e-4}
seeds = st.integers(0, 2**16)


def drawn(seed: int = 0, examples: int = 40, dim: int = 6, names: int = 3):
    """Vectors whose numbers differ much in scale, targets that depend on them, and vectors that are asked for."""
    random = np.random.default_rng(seed)
    scale, shift = 10.0 ** random.uniform(-1, 1, dim), random.normal(size=dim)
    vectors = (random.normal(size=(examples + 10, dim)) * scale + shift).astype(np.float32)
    scores = ((vectors - shift) / scale) @ random.normal(size=(dim, names)) + random.normal(size=(examples + 10, names))
    return vectors[:examples], scores[:examples], vectors[examples:]


def several(seed: int = 0, **sizes):
    vectors, scores, asked = drawn(seed, **sizes)
    return vectors, (scores > 0).astype(float), asked


def one_of_three(seed: int = 0):
    vectors, scores, asked = drawn(seed)
    return vectors, np.eye(3)[scores.argmax(axis=1)], asked


def by_torch(vectors, targets, asked, exclusive):
    """The same minimum by another way: weights and shifts found by LBFGS on the penalised loss as it is written."""
    mean, deviation = vectors.astype(float).mean(0), vectors.astype(float).std(0)
    given, asked = (torch.from_numpy((each - mean) / deviation) for each in (vectors, asked))
    targets = torch.from_numpy(targets)
    weights = torch.zeros(given.shape[1], targets.shape[1], dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(targets.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, shift], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        logits = given @ weights + shift
        if exclusive:
            missed = cross_entropy(logits, targets, reduction="sum")
        else:
            missed = binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        value = STRENGTH * missed + weights.square().sum() / 2
        value.backward()
        return value

    optimizer.step(loss)
    logits = (asked @ weights + shift).detach()
    return (logits.softmax(1) if exclusive else logits.sigmoid()).numpy()


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_minimum_of_the_penalised_loss(seed):
    np.testing.assert_allclose(probed(*several(seed), exclusive=False), by_torch(*several(seed), False), **SAME)
    np.testing.assert_allclose(probed(*one_of_three(seed), exclusive=True), by_torch(*one_of_three(seed), True), **SAME)


def test_it_is_scikit_learns_pipeline():
    vectors, targets, asked = several()
    for column, scores in zip(targets.T, probed(vectors, targets, asked, exclusive=False, strength=0.5).T, strict=True):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, tol=1e-8))
        expected = pipeline.fit(vectors, column).predict_proba(asked)[:, 1]
        np.testing.assert_allclose(scores, expected, **SAME)


@settings(max_examples=10)
@given(seed=seeds, exclusive=st.booleans())
def test_neither_the_order_of_examples_nor_the_scale_of_a_number_matters(seed, exclusive):
    vectors, targets, asked = one_of_three(seed) if exclusive else several(seed)
    expected = probed(vectors, targets, asked, exclusive=exclusive)
    random = np.random.default_rng(seed)
    order = random.permutation(len(vectors))
    np.testing.assert_allclose(probed(vectors[order], targets[order], asked, exclusive=exclusive), expected, **SAME)
    scale, shift = random.uniform(0.5, 2, vectors.shape[1]), random.normal(size=vectors.shape[1])
    rescaled = probed(vectors * scale + shift, targets, asked * scale + shift, exclusive=exclusive)
    np.testing.assert_allclose(rescaled, expected, **SAME)


@settings(max_examples=10)
@given(seed=seeds)
def test_an_unknown_answer_counts_for_neither_side_and_for_no_other_name(seed):
    vectors, targets, asked = several(seed)
    complete = probed(vectors, targets, asked, exclusive=False)
    unknown = np.random.default_rng(seed).random(len(targets)) < 0.5
    with_holes = targets.copy()
    with_holes[unknown, 1] = np.nan
    scores = probed(vectors, with_holes, asked, exclusive=False)
    np.testing.assert_array_equal(scores[:, [0, 2]], complete[:, [0, 2]])
    scaler = StandardScaler().fit(vectors)
    if len(set(targets[~unknown, 1])) == 2:
        alone = LogisticRegression(C=STRENGTH, tol=1e-8).fit(scaler.transform(vectors[~unknown]), targets[~unknown, 1])
        np.testing.assert_allclose(scores[:, 1], alone.predict_proba(scaler.transform(asked))[:, 1], **SAME)


def test_what_is_not_taught_gets_one_score_for_all():
    vectors, targets, asked = several(names=4)
    targets[:, 0], targets[:, 1], targets[:, 2] = 0, 1, np.nan
    scores = probed(vectors, targets, asked, exclusive=False)
    np.testing.assert_array_equal(scores[:, :3], np.tile([0, 1, 0.5], (len(asked), 1)))
    assert scores[:, 3].std() > 0


def test_of_exclusive_classes_one_that_is_never_shown_gets_nothing():
    vectors, targets, asked = one_of_three()
    kept = targets[:, 1] == 0
    scores = probed(vectors[kept], targets[kept], asked, exclusive=True)
    assert not scores[:, 1].any() and scores[:, 0].std() > 0
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_a_number_that_never_changes_does_no_harm():
    vectors, targets, asked = several()
    constant = np.hstack([vectors, np.full((len(vectors), 1), 3, np.float32)])
    scores = probed(constant, targets, np.hstack([asked, np.full((len(asked), 1), 3, np.float32)]), exclusive=False)
    np.testing.assert_allclose(scores, probed(vectors, targets, asked, exclusive=False), **SAME)


@pytest.fixture(scope="module")
def representation() -> Representation:
    return trunk(ImageEncoderConfig(name="vit-mini", pretrained=False), "random", image_size=64)


@pytest.fixture(scope="module")
def train(data, representation) -> LabelledExamples:
    """Whether a number of the vector, or another, is higher than usual; and which of the two is."""
    studies = StudyDataset(data, "train")
    numbers = all_vectors(representation, studies)[:, [3, 200]]
    high = numbers > np.median(numbers, axis=0)
    ids = tuple(studies.ids())
    return LabelledExamples(studies, np.arange(len(ids)), ids, ids, ("one", "other"), high.astype(float))


class TestOfARepresentation:
    def test_it_learns_what_is_there_to_be_learned(self, representation, train):
        before = fingerprint(representation)
        result = linear_probe(representation, train, train, strength=10.0)
        assert result.macro()["auroc"] == 1
        assert fingerprint(representation) == before
        assert (result.study, result.patient, result.names) == (train.ids, train.patients, train.names)
        assert linear_probe(representation, train, train, strength=1e-9).scores.std() < 1e-5

    def test_scores_belong_to_their_examples(self, representation, train):
        order = np.random.default_rng(0).permutation(len(train))
        expected = linear_probe(representation, train, train).scores[order]
        shuffled = linear_probe(representation, train.take(order), train.take(order))
        np.testing.assert_allclose(shuffled.scores, expected, **SAME)
        assert shuffled.study == tuple(train.ids[place] for place in order)
        half = train.take(range(0, 24, 2))
        assert not np.allclose(linear_probe(representation, half, train).scores[order], expected, atol=1e-3)

    def test_of_exclusive_classes_every_row_sums_to_one(self, representation, train):
        first = train.targets[:, :1]
        classes = dataclasses.replace(train, targets=np.hstack([first, 1 - first]), exclusive=True)
        result = linear_probe(representation, classes, classes, strength=10.0)
        np.testing.assert_allclose(result.scores.sum(axis=1), 1)
        assert result.exclusive and result.macro()["accuracy"] == 1

    def test_a_few_shots_are_enough_to_begin(self, representation, train):
        few = shots(train, 2)
        assert len(few) < len(train) and np.isnan(few.targets).any()
        assert linear_probe(representation, few, train).macro()["auroc"] > 0.5

    def test_names_that_examples_cannot_teach_are_counted_and_none_left_is_an_error(self, representation, train):
        targets = train.targets.copy()
        targets[:, 0] = 0
        partly = dataclasses.replace(train, targets=targets)
        always = dataclasses.replace(train, targets=np.maximum(train.targets, [0, 1]))
        assert (untaught(train), untaught(partly), untaught(always)) == ((), ("one",), ("other",))
        result = linear_probe(representation, partly, train)
        assert result.by_finding()["auroc"]["one"] == 0.5 < result.by_finding()["auroc"]["other"]
        with pytest.raises(InputError, match=r"24 training examples do not show both.*one, other"):
            linear_probe(representation, dataclasses.replace(train, targets=np.zeros_like(targets)), train)
        first_class = dataclasses.replace(train, targets=np.tile([1.0, 0.0], (24, 1)), exclusive=True)
        assert untaught(first_class) == ("other",)
        with pytest.raises(InputError, match="do not show both"):
            linear_probe(representation, first_class, first_class)

    def test_where_nothing_can_be_ranked_nothing_is_measured(self, representation, train):
        alike = np.tile([0.0, 1.0], (len(train), 1))
        with pytest.raises(InputError, match=r"Of 24 examples of .* in .*one, other.* nothing to rank"):
            linear_probe(representation, train, dataclasses.replace(train, targets=alike))
        alike[0, 0] = 1
        assert linear_probe(representation, train, dataclasses.replace(train, targets=alike)).samples == 48

    def test_another_task_cannot_be_tested(self, representation, train):
        with pytest.raises(InputError, match=r"one, other.*another.*same task"):
            linear_probe(representation, train, dataclasses.replace(train, names=("one", "another")))
