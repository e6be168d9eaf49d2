"""Scores by words alone, against what numpy makes of the model's own vectors and maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import small_config, small_set, use_small_text_encoder

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.errors import InputError
from cxrtutor.evaluation.presence_scores import scores_of
from cxrtutor.methods.model import AlignedModel
from cxrtutor.methods.registry import method
from cxrtutor.transfer.examples import LabelledExamples
from cxrtutor.transfer.prompt_sets import PromptSet
from cxrtutor.transfer.zero_shot import ENSEMBLES, zero_shot

NAMES = ("mass", "edema")
ONE = PromptSet("one", {"mass": ["Large left mass."], "edema": ["Edema."]})
SEVERAL = PromptSet("several", {"mass": ["Large left mass.", "Small effusion."], "edema": ["Edema.", "Normal heart."]})
BOTH = PromptSet("both", SEVERAL.affirm, {"mass": ["No pneumothorax.", "Clear lungs."], "edema": ["Clear lungs."]})


@pytest.fixture(scope="module")
def model() -> AlignedModel:
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        torch.manual_seed(0)
        config = small_config("anywhere")
        made = method("lsm").model(config).eval()
        made.image_projection.measure(made.encode_images(torch.rand(6, 1, 64, 64)))
        return made


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> LabelledExamples:
    studies = StudyDataset(small_set(tmp_path_factory.mktemp("set")), "train")
    where = np.arange(0, 20, 2)
    ids = studies.ids()
    targets = np.random.default_rng(0).integers(0, 2, (10, 2)).astype(float)
    return LabelledExamples(studies, where, tuple(ids[i] for i in where), tuple(f"p{i}" for i in where), NAMES, targets)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def vectors(model: AlignedModel, examples: LabelledExamples, prompts) -> tuple[np.ndarray, np.ndarray]:
    """Pooled images and reports of unit length."""
    features = model.image_source(examples.studies).batch(examples.positions)
    with torch.no_grad():
        pooled, reports = model.image_projection.pool(features), model.embed_reports(list(prompts))
    return unit(pooled.double().numpy()), unit(reports.double().numpy())


@pytest.mark.parametrize("score", ["global", "presence"])
@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_an_ensemble_of_one_is_the_prompt_itself(model, examples, score, ensemble):
    found = zero_shot(model, examples, ONE, score, ensemble)
    assert (found.study, found.patient, found.names) == (examples.ids, examples.patients, NAMES)
    assert found.threshold is None and not found.exclusive
    np.testing.assert_array_equal(found.targets, examples.targets)
    images = model.image_source(examples.studies)
    for place, name in enumerate(NAMES):
        asked = ONE.affirm[name] * len(examples)
        expected = scores_of(model, images, examples.positions.tolist(), asked, score)
        np.testing.assert_allclose(found.scores[:, place], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("score", ["global", "presence"])
@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_neither_a_prompt_said_twice_nor_the_order_of_prompts_matters(model, examples, score, ensemble):
    expected = zero_shot(model, examples, SEVERAL, score, ensemble).scores
    for turn in (lambda prompts: [*prompts, prompts[0]], lambda prompts: prompts[::-1]):
        turned = replace(SEVERAL, affirm={name: turn(prompts) for name, prompts in SEVERAL.affirm.items()})
        np.testing.assert_allclose(
            zero_shot(model, examples, turned, score, ensemble).scores, expected, rtol=1e-4, atol=1e-6
        )


def test_an_ensemble_of_embeddings_is_their_mean_direction(model, examples):
    found = zero_shot(model, examples, SEVERAL)
    for place, name in enumerate(NAMES):
        images, prompts = vectors(model, examples, SEVERAL.affirm[name])
        np.testing.assert_allclose(found.scores[:, place], images @ unit(prompts.mean(axis=0)), atol=1e-5)
        for ensemble, united in (("scores", np.mean), ("highest", np.max)):
            other = zero_shot(model, examples, SEVERAL, ensemble=ensemble).scores[:, place]
            np.testing.assert_allclose(other, united(images @ prompts.T, axis=1), atol=1e-5)


def test_of_cosines_embeddings_and_scores_rank_images_alike(model, examples):
    by_embeddings, by_scores = (zero_shot(model, examples, SEVERAL, ensemble=one) for one in ("embeddings", "scores"))
    ratio = by_scores.scores / by_embeddings.scores
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-3)
    assert (ratio > 0).all() and (ratio < 1).all()


def test_an_ensemble_of_maps_is_the_map_of_the_mean_prompt(model, examples):
    """The mean of the maps, and not of their highest places."""
    found = zero_shot(model, examples, SEVERAL, "presence")
    mean = zero_shot(model, examples, SEVERAL, "presence", "scores")
    assert (found.scores <= mean.scores + 1e-5).all() and (found.scores < mean.scores - 1e-5).any()


@pytest.mark.parametrize("score", ["global", "presence"])
def test_a_contrast_has_the_odds_of_the_softmax_of_both_sides(model, examples, score):
    found = zero_shot(model, examples, BOTH, score)
    affirmed = zero_shot(model, examples, SEVERAL, score).scores
    denied = zero_shot(model, examples, PromptSet("denied", BOTH.deny), score).scores
    softmax = np.exp(affirmed) / (np.exp(affirmed) + np.exp(denied))
    np.testing.assert_allclose(1 / (1 + np.exp(-found.scores)), softmax, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.scores >= found.threshold, affirmed >= denied)
    assert "accuracy" in found.metrics


def test_of_exclusive_classes_one_is_the_answer(model, examples):
    exclusive = replace(examples, targets=np.eye(2)[np.arange(10) % 2], exclusive=True)
    found = zero_shot(model, exclusive, ONE)
    assert found.exclusive
    right = found.scores.argmax(axis=1) == np.arange(10) % 2
    assert found.macro()["accuracy"] == pytest.approx(right.mean())


def test_what_cannot_be_asked(model, examples):
    with pytest.raises(InputError, match="no score 'local'"):
        zero_shot(model, examples, ONE, "local")
    with pytest.raises(InputError, match="the ensemble 'median'"):
        zero_shot(model, examples, ONE, ensemble="median")
    with pytest.raises(InputError, match="have none for edema"):
        zero_shot(model, examples, PromptSet("half", {"mass": ["Mass."]}))
