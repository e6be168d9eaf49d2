import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small_measurements import rows, table

from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import (
    Interval,
    interval,
    intervals_by_finding,
    paired_difference,
)
from cxrtutor.evaluation.measurements import Measurements, macro_means


def test_one_category_and_one_sample_a_patient_is_scipys_percentile_interval():
    values = np.random.default_rng(0).gamma(2, 0.2, size=120)
    ours = interval(rows(values), "iou", resamples=20_000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    )
    assert ours.value == pytest.approx(values.mean())
    width = ours.high - ours.low
    assert ours.low == pytest.approx(expected.confidence_interval.low, abs=0.03 * width)
    assert ours.high == pytest.approx(expected.confidence_interval.high, abs=0.03 * width)


@given(st.integers(0, 1000))
def test_a_draw_is_the_macro_mean_of_the_drawn_rows(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=20)
    values[rng.random(20) < 0.2] = np.nan
    categories, patients = rng.choice(["a", "b", "c"], 20), rng.choice(list("pqrstu"), 20)
    number = len(set(patients))
    weights = rng.multinomial(number, np.full(number, 1 / number), size=4).astype(float)
    times = dict(zip(sorted(set(patients)), weights.T, strict=True))
    for draw, ours in enumerate(macro_means(values, categories, patients, weights)):
        means = []
        for category in "abc":
            drawn = [
                v
                for v, c, p in zip(values, categories, patients, strict=True)
                for _ in range(int(times[p][draw]))
                if c == category
            ]
            drawn = [v for v in drawn if not np.isnan(v)]
            means += [np.mean(drawn)] if drawn else []
        assert ours == pytest.approx(np.mean(means)) if means else np.isnan(ours)


def test_samples_of_one_patient_count_as_one_witness():
    values = np.repeat(np.random.default_rng(0).normal(size=30), 4)
    patients = [f"p{i // 4}" for i in range(120)]
    honest, naive = interval(rows(values, patients=patients), "iou"), interval(rows(values), "iou")
    assert honest.value == pytest.approx(naive.value)
    assert (honest.high - honest.low) == pytest.approx(2 * (naive.high - naive.low), rel=0.15)


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = [not interval(rows(rng.normal(size=80), ("a", "b")), "iou", resamples=300).excludes(0) for _ in range(100)]
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_pair_shares_its_difficulty():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=200)
    better, worse = rows(difficulty + 0.1 + 0.1 * rng.normal(size=200)), rows(difficulty)
    difference = paired_difference(better, worse, "iou")
    assert difference.value == pytest.approx(better.macro()["iou"] - worse.macro()["iou"])
    assert difference.excludes(0) and difference.low > 0.05
    assert interval(better, "iou").low < interval(worse, "iou").high  # apart, the two overlap
    back = paired_difference(worse, better, "iou")
    assert (back.low, back.high) == (pytest.approx(-difference.high), pytest.approx(-difference.low))


def test_pairs_are_matched_by_sample_not_by_row():
    first = table(("a", "p", "mass", 1.0), ("b", "q", "mass", 0.0))
    second = table(("b", "q", "mass", 0.0), ("a", "p", "mass", 1.0))
    assert paired_difference(first, second, "iou") == Interval(0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="different samples"):
        paired_difference(first, table(("a", "p", "mass", 1.0)), "iou")


def test_the_same_seed_gives_the_same_interval():
    measured = rows(np.random.default_rng(0).normal(size=50))
    assert interval(measured, "iou") == interval(measured, "iou") != interval(measured, "iou", seed=1)
    narrow = interval(measured, "iou", level=0.5)
    assert narrow.high - narrow.low < interval(measured, "iou").high - interval(measured, "iou").low
    assert str(Interval(0.3251, 0.315, 0.334)) == "0.325 (0.315 to 0.334)"


@st.composite
def measured(draw):
    """Up to thirty samples of three findings and six patients, some undefined."""
    number = draw(st.integers(2, 30))
    value = st.one_of(st.floats(-2, 2), st.just(float("nan")))
    values = draw(st.lists(value, min_size=number, max_size=number))
    patients = draw(st.lists(st.sampled_from("pqrstu"), min_size=number, max_size=number))
    return rows(values, ("edema", "mass", "nodule"), patients)


def limits(one: Interval) -> tuple[float, float, float]:
    return one.value, one.low, one.high


@given(measured(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(one, random):
    order = list(range(len(one.rows)))
    random.shuffle(order)
    shuffled = Measurements(one.rows.iloc[order].reset_index(drop=True), one.protocol, one.prompts)
    assert limits(interval(shuffled, "iou")) == pytest.approx(limits(interval(one, "iou")), nan_ok=True)


@given(measured(), st.floats(0.1, 3), st.floats(-2, 2))
def test_an_interval_moves_and_stretches_with_its_values(one, scale, shift):
    other = Measurements(one.rows.assign(iou=scale * one.rows.iou + shift), one.protocol, one.prompts)
    expected = [scale * limit + shift for limit in limits(interval(one, "iou"))]
    assert limits(interval(other, "iou")) == pytest.approx(expected, nan_ok=True, abs=1e-9)


@given(measured())
def test_limits_lie_within_the_values_and_widen_with_the_level(one):
    if one.rows.iou.isna().all():
        return
    narrow, wide = (interval(one, "iou", level=level) for level in (0.5, 0.95))
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert one.rows.iou.min() - 1e-9 <= wide.low and wide.high <= one.rows.iou.max() + 1e-9


@given(measured())
def test_a_model_does_not_differ_from_itself(one):
    difference = paired_difference(one, one, "iou")
    assert limits(difference) in ((0, 0, 0), pytest.approx((np.nan,) * 3, nan_ok=True))
    assert not difference.excludes(0)


def test_a_metric_that_no_sample_has_excludes_nothing():
    empty = interval(rows([np.nan] * 4, ("mass", "edema")), "iou")
    assert limits(empty) == pytest.approx((np.nan,) * 3, nan_ok=True)
    assert not empty.excludes(0)
    assert Interval(0.1, 0.05, 0.2).excludes(0) and not Interval(0.1, 0.0, 0.2).excludes(0)


def test_every_finding_alone():
    one = rows(np.random.default_rng(0).random(40), ("mass", "edema"))
    found = intervals_by_finding(one, "cnr")
    assert list(found) == ["edema", "mass"]
    assert found["mass"] == interval(one.of_findings(["mass"]), "cnr")
    assert np.mean([cell.value for cell in found.values()]) == pytest.approx(interval(one, "cnr").value)
