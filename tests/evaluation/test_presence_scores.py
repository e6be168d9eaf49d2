"""Every study asked for every finding, and how well the scores part those who have it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from small_scores import scored
from small_sets import Positions, study

from cxrtutor.errors import InputError
from cxrtutor.evaluation.presence_scores import measure_auroc, presence_scores, scores_of


class Bright:
    """Answers a prompt with a plateau whose height is the study's position, plus 100 for nodules."""

    def similarity_maps(self, features, prompts):
        heights = features.pooled[:, 0] + torch.tensor([100.0 * ("nodule" in prompt) for prompt in prompts])
        return heights[:, None, None].expand(-1, 8, 8).clone()

    def similarity_table(self, features, prompts):
        return torch.stack([self.similarity_maps(features, [prompt] * len(features.pooled)) for prompt in prompts], 1)


def test_every_annotated_study_is_asked_for_every_finding():
    box = (0, 0, 16, 16)
    studies = [
        replace(study(0, [("nodule", "a", box), ("mass", "b", box)]), split="test"),
        replace(study(1, []), annotated=False, split="test"),
        replace(study(2, []), split="test"),
    ]
    found = presence_scores(Bright(), Positions(), studies)
    assert (found.findings, found.studies, found.patients) == (("mass", "nodule"), ("s0", "s2"), ("p0", "p2"))
    assert found.split == "test"
    np.testing.assert_array_equal(found.present, [[True, True], [False, False]])
    np.testing.assert_allclose(found.scores, [[0, 100], [2, 102]], rtol=1e-5)
    alone = presence_scores(Bright(), Positions(), studies, findings=("edema",))
    assert alone.findings == ("edema",) and not alone.present.any()
    assert presence_scores(Bright(), Positions(), [studies[0], replace(studies[2], split="train")]).split is None


def test_questions_are_answered_in_their_order_over_batches():
    positions = [int(place) for place in np.random.default_rng(0).permutation(150)]
    found = scores_of(Bright(), Positions(), positions, ["mass"] * 150)
    np.testing.assert_allclose(found, positions, rtol=1e-5, atol=1e-5)
    assert len(scores_of(Bright(), Positions(), [], [])) == 0


@pytest.mark.parametrize("studies", [[], [study(0, [])]])
def test_nothing_to_ask_for(studies):
    with pytest.raises(InputError, match="no annotated study with a finding"):
        presence_scores(Bright(), Positions(), studies)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_auroc_is_that_of_scikit_learn(pairs):
    scores, present = np.array([score for score, _ in pairs], float), np.array([truth for _, truth in pairs])
    if not present.any():
        with pytest.raises(InputError, match="nothing to tell apart"):
            measure_auroc(scored(scores[:, None], present[:, None]))
        return
    value = measure_auroc(scored(scores[:, None], present[:, None])).by_finding()["auroc"].item()
    if present.all():
        assert np.isnan(value)
    else:
        assert value == pytest.approx(roc_auc_score(present, scores))


def test_auroc_by_finding():
    truth = [[1, 0], [1, 1], [0, 1], [0, 0]]
    found = measure_auroc(scored([[4, 1], [3, 2], [2, 3], [1, 4]], truth))
    assert found.by_finding()["auroc"].to_dict() == {"finding 0": 1.0, "finding 1": 0.5}
    assert found.macro()["auroc"] == 0.75
