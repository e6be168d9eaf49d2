import numpy as np
import pytest
from small_measurements import rows

from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval, paired_difference
from cxrtutor.evaluation.measurements import Measurements, average_runs
from cxrtutor.evaluation.results import Repeats, Result
from cxrtutor.evaluation.tables import ResultTable

RNG = np.random.default_rng(0)
HARD = RNG.normal(size=80)
"""How hard each of 80 patients is for everybody."""


def repeats(levels, noise=0.05):
    """A repeat for every level that a draw of labels happens to reach."""
    return Repeats(tuple(rows(HARD + level + noise * RNG.normal(size=80)) for level in levels))


def test_measurements_are_a_result():
    assert isinstance(rows(HARD), Result)


def test_one_repeat_is_that_result():
    one = rows(HARD)
    assert interval(Repeats((one,)), "iou") == interval(one, "iou")


def test_equal_repeats_are_one_result():
    one = rows(HARD)
    averaged, alone = interval(Repeats((one,) * 4), "iou"), interval(one, "iou")
    assert [averaged.value, averaged.low, averaged.high] == pytest.approx([alone.value, alone.low, alone.high])


def test_the_value_is_the_mean_of_the_repeats():
    several = repeats([0.0, 1.0, 2.0])
    assert interval(several, "iou").value == pytest.approx(interval(average_runs(several.results), "iou").value)


def test_an_interval_over_repeats_tells_that_they_differ():
    several = repeats([-1.0, 0.0, 1.0, 2.0])
    over_both, over_patients = interval(several, "iou"), interval(average_runs(several.results), "iou")
    assert over_both.high - over_both.low > 2 * (over_patients.high - over_patients.low)


def test_what_is_hard_for_a_repeat_of_both_cancels():
    levels = [-1.0, 0.0, 1.0, 2.0]
    better, worse = repeats([level + 0.3 for level in levels]), repeats(levels)
    difference = paired_difference(better, worse, "iou")
    assert difference.excludes(0) and difference.value == pytest.approx(0.3, abs=0.03)
    assert difference.high - difference.low < 0.1


def test_a_repeat_in_which_a_metric_is_undefined_is_left_out_of_its_mean():
    there, missing = rows(HARD), rows(np.full(80, np.nan))
    assert interval(Repeats((there, missing)), "iou").value == pytest.approx(HARD.mean())
    assert Repeats((there, missing)).undefined()["iou"] == 80


def test_repeats_that_cannot_be_averaged_or_paired_are_refused():
    with pytest.raises(InputError, match="no repeat"):
        Repeats(())
    with pytest.raises(InputError, match="differ in patients"):
        Repeats((rows(HARD), rows(HARD[:40])))
    others = rows(HARD)
    others = Measurements(others.rows.assign(study=others.rows.study + "x"), others.protocol, others.prompts)
    with pytest.raises(InputError, match="different samples"):
        Repeats((rows(HARD), others))
    with pytest.raises(InputError, match="2 repeats cannot be paired with 3"):
        repeats([0.0, 1.0]).less(repeats([0.0, 1.0, 2.0]))


def test_a_table_of_repeats_says_so():
    table = ResultTable({"a": repeats([0.0, 1.0]), "b": repeats([0.5, 1.5])}, ("iou",), reference="b")
    assert "interval over patients and repeats" in table.caption
    assert table.note == "80 samples of 80 patients."
    assert table.differences["a"]["iou"].value == pytest.approx(-0.5, abs=0.05)


def test_seeds_and_draws_of_labels_are_crossed():
    """Of a grid of repeats that differ by draw alone, as many draws of labels as there are tell how sure it is, however
    many seeds there are."""
    draws = repeats([-1.0, 0.0, 1.0, 2.0])
    crossed = Repeats((draws,) * 3)
    assert interval(crossed, "iou").value == pytest.approx(interval(draws, "iou").value)
    widths = [np.subtract(one.high, one.low) for one in (interval(crossed, "iou"), interval(draws, "iou"))]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    flat = interval(Repeats(draws.results * 3), "iou")
    assert flat.high - flat.low < 0.9 * widths[0]


def test_repeats_of_repeats_are_compared_one_by_one():
    first, second = (Repeats((repeats([level]), repeats([level + 0.1]))) for level in (0.2, 0.0))
    assert paired_difference(first, second, "iou").value == pytest.approx(0.2, abs=0.03)
    assert first.less(second).undefined()["iou"] == 0
    with pytest.raises(InputError, match="cannot be paired"):
        Repeats((repeats([0.1, 0.2]), repeats([0.3])))


def test_a_statistic_is_computed_once_for_the_same_draws():
    """All pairs of three results that have no difference sample by sample cost three statistics and not six."""
    from cxrtutor.evaluation.difference import Difference

    asked = []

    class Counted(Measurements):
        def statistic(self, metric, weights):
            asked.append(len(weights))
            return super().statistic(metric, weights)

        def less(self, other):
            return Difference(self, other)

    one, two, three = (Counted(rows(HARD + level).rows, "afloc", "precise") for level in (0.0, 0.1, 0.2))
    for first, second in ((one, two), (one, three), (two, three)):
        assert paired_difference(second, first, "iou").value > 0.05
    assert asked.count(1000) == 3
    iou, dice = (interval(one, metric) for metric in ("iou", "dice"))  # another metric is another statistic
    assert (dice.low, dice.value, dice.high) == pytest.approx((iou.low / 2, iou.value / 2, iou.high / 2))
    assert interval(one, "iou", seed=1) != interval(one, "iou")  # and so are other draws
