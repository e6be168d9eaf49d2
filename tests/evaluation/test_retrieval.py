"""Retrieval: against torchmetrics and scikit-learn where nothing ties, against all orders where something does."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from small_runs import small_config, use_small_text_encoder
from small_sets import study
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalPrecision

from cxrtutor.data.sets import open_studies
from cxrtutor.data.study import Report, Sentence
from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.retrieval import average_precision, measure_retrieval, precision_at, recall_at, score_tables
from cxrtutor.methods.registry import method

MEASURES = {
    "recall": lambda scores, relevant: recall_at(2, scores, relevant),
    "precision": lambda scores, relevant: precision_at(2, scores, relevant),
    "average precision": average_precision,
}


def distinct(queries, candidates, seed=0):
    """Scores without a tie, and a relevant candidate at least for every query."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.stack([torch.randperm(candidates, generator=generator) for _ in range(queries)]).double()
    relevant = torch.rand(queries, candidates, generator=generator) < 0.2
    relevant[:, 0] = True
    return scores, relevant


def by_hand(hits, k=2):
    """All three measures of one order of candidates, from their definitions."""
    precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
    return {
        "recall": float(any(hits[:k])),
        "precision": sum(hits[:k]) / k,
        "average precision": sum(precisions) / len(precisions),
    }


@pytest.mark.parametrize("k", [1, 3, 10])
def test_torchmetrics_and_scikit_learn_agree_where_nothing_ties(k):
    scores, relevant = distinct(20, 30)
    query = torch.arange(20)[:, None].expand(20, 30).flatten()

    def oracle(metric):
        # torchmetrics takes no candidate with a score of 0 or less for relevant.
        return metric(scores.float().flatten() + 1, relevant.flatten(), indexes=query)

    assert recall_at(k, scores, relevant).mean().item() == pytest.approx(oracle(RetrievalHitRate(top_k=k)).item())
    assert precision_at(k, scores, relevant).mean().item() == pytest.approx(
        oracle(RetrievalPrecision(top_k=k)).item(), abs=1e-6
    )
    ours = average_precision(scores, relevant)
    assert ours.mean().item() == pytest.approx(oracle(RetrievalMAP()).item(), abs=1e-6)
    theirs = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_ties_give_the_mean_over_all_orders(candidates):
    scores = torch.tensor([[float(score) for score, _ in candidates]])
    relevant = torch.tensor([[hit for _, hit in candidates]])
    got = {name: measure(scores, relevant).item() for name, measure in MEASURES.items()}
    if not relevant.any():
        assert all(math.isnan(value) for value in got.values())
        return
    orders = [order for order in permutations(candidates) if list(order) == sorted(order, key=lambda c: -c[0])]
    each = [by_hand([hit for _, hit in order]) for order in orders]
    for name, value in got.items():
        assert value == pytest.approx(np.mean([one[name] for one in each]), abs=1e-12)


def test_a_model_that_scores_all_alike_gets_what_random_scores_get_on_average():
    _, relevant = distinct(1, 12)
    generator = torch.Generator().manual_seed(1)
    random = torch.rand(20000, 12, generator=generator)
    for measure in MEASURES.values():
        chance = measure(torch.zeros(1, 12), relevant).item()
        assert chance == pytest.approx(measure(random, relevant.expand(20000, 12)).mean().item(), abs=0.01)


@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_neither_the_scale_nor_the_place_in_the_list_matters(seed, random):
    scores, relevant = distinct(4, 9, seed)
    scores = scores // 2  # ties
    moved = random.sample(range(9), 9)
    for measure in MEASURES.values():
        expected = measure(scores, relevant)
        torch.testing.assert_close(measure(scores[:, moved], relevant[:, moved]), expected)
        torch.testing.assert_close(measure(3 * scores - 7, relevant), expected)


def test_minus_infinity_does_not_compete():
    scores, relevant = distinct(5, 8)
    out = torch.full((5, 2), -torch.inf, dtype=torch.float64)
    for measure in MEASURES.values():
        wider = measure(torch.cat([out, scores], dim=1), torch.cat([torch.ones(5, 2, dtype=bool), relevant], dim=1))
        torch.testing.assert_close(wider, measure(scores, relevant))
        assert measure(out, torch.ones(5, 2, dtype=bool)).isnan().all()


def test_fewer_candidates_than_k():
    scores, relevant = torch.tensor([[0.5, 0.1, 0.3]]), torch.tensor([[True, False, True]])
    assert recall_at(10, scores, relevant).item() == 1
    assert precision_at(10, scores, relevant).item() == pytest.approx(0.2)


def test_half_precision_ranks_by_what_it_holds():
    scores, relevant = distinct(3, 50)
    for measure in MEASURES.values():
        torch.testing.assert_close(measure(scores.half(), relevant), measure(scores, relevant))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_has_no_rank_is_refused(measure):
    with pytest.raises(InputError, match="NaN"):
        measure(torch.tensor([[0.0, math.nan]]), torch.tensor([[True, False]]))


def test_the_first_none_is_refused():
    for measure in (recall_at, precision_at):
        with pytest.raises(InputError, match="k is 0"):
            measure(0, torch.zeros(1, 2), torch.ones(1, 2, dtype=bool))


BOX = (8, 8, 20, 20)


def told(number, text, *findings):
    lesions = [(name, f"{name} {index}", BOX) for index, name in enumerate(findings)]
    return replace(study(number, lesions), report=Report({}, (Sentence(text),) if text else ()))


@pytest.fixture
def studies():
    return [
        told(0, "Mass and mass.", "mass", "nodule", "mass"),
        told(1, "Clear."),
        told(2, "Clear."),
        told(3, "Mass.", "mass"),
        told(4, "", "edema"),
    ]


def test_a_query_is_a_row_for_each_of_its_findings(studies):
    measured = measure_retrieval({"image to report": torch.eye(5)}, studies)["image to report"]
    rows = measured.rows
    assert list(zip(rows.study, rows.finding, rows.lesions, strict=True)) == [
        ("s0", "mass", "0+2"),
        ("s0", "nodule", "1"),
        ("s1", "no finding", ""),
        ("s2", "no finding", ""),
        ("s3", "mass", "0"),
        ("s4", "edema", "0"),
    ]
    assert rows.patient.tolist() == ["p0", "p0", "p1", "p2", "p3", "p4"]
    assert (measured.protocol, measured.prompts) == ("retrieval among 5 studies", "image to report")


def test_the_partner_is_found_and_so_is_its_twin(studies):
    table = torch.eye(5)
    table[1, [1, 2]] = torch.tensor([0.0, 1.0])  # the film of 1 prefers the report of 2, which reads like its own
    table[3, 0] = 2.0  # the film of 3 prefers the report of 0
    rows = measure_retrieval({"image to report": table}, studies)["image to report"].rows
    assert rows["recall@1"].tolist()[:5] == [1, 1, 1, 1, 0]
    assert math.isnan(rows["recall@1"][5])  # a report without a word is nobody's
    assert rows["recall@5"].tolist()[:5] == [1] * 5


def test_what_shows_the_same_finding_is_relevant(studies):
    table = torch.arange(25.0).view(5, 5)  # every query ranks 4, 3, 2, 1, 0
    rows = measure_retrieval({"report to image": table}, studies)["report to image"].rows
    expected = [(1 / 2 + 2 / 5) / 2, 1 / 5, (1 / 3 + 2 / 4) / 2, (1 / 3 + 2 / 4) / 2, (1 / 2 + 2 / 5) / 2, 1]
    np.testing.assert_allclose(rows["average precision"], expected)
    np.testing.assert_allclose(rows["precision@5"], [0.4, 0.2, 0.4, 0.4, 0.4, 0.2])


def test_between_films_no_film_is_its_own_answer(studies):
    table = torch.eye(5).fill_diagonal_(-torch.inf)
    rows = measure_retrieval({"image to image": table}, studies)["image to image"].rows
    assert not [column for column in rows.columns if column.startswith("recall")]
    assert rows["average precision"].isna().tolist() == [False, True, False, False, False, True]


def test_chance_is_a_table_of_zeros_and_has_an_interval(studies):
    measured = measure_retrieval({"image to report": torch.zeros(5, 5)}, studies)["image to report"]
    assert measured.rows["recall@1"].tolist()[:5] == pytest.approx([0.2, 0.2, 0.4, 0.4, 0.2])
    found = interval(measured, "recall@1")
    assert found.low <= found.value <= found.high


def test_a_table_of_another_size_is_refused(studies):
    with pytest.raises(InputError, match=r"'a' has shape .* 5 studies"):
        measure_retrieval({"a": torch.zeros(4, 4)}, studies)


@pytest.mark.usefixtures("home")
def test_tables_hold_the_cosines_of_pooled_images_and_reports(data, monkeypatch):
    use_small_text_encoder(monkeypatch)
    config = small_config(data, method="convirt")
    torch.manual_seed(0)
    model = method("convirt").model(config)
    before = [part.training for part in model.modules()]
    test = open_studies(str(data), "test")
    tables = score_tables(model, test)
    assert [part.training for part in model.modules()] == before
    model.eval()
    one = test[2]
    with torch.no_grad():
        film = model.image_projection(model.image_source(test).batch([2])).pooled[0]
        text = model.text_projection(model.text_encoder([[s.text for s in one.report.sentences]])).report[0]
        other = model.image_projection(model.image_source(test).batch([4])).pooled[0]
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(tables["image to report"][2, 2], cosine(film, text, dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(tables["report to image"], tables["image to report"].T)
    torch.testing.assert_close(tables["image to image"][2, 4], cosine(film, other, dim=0), atol=1e-5, rtol=0)
    assert tables["image to image"].diagonal().isneginf().all()
    assert measure_retrieval(tables, test).keys() == tables.keys()
