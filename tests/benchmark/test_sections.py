"""Tables of records: seeds are pooled, rows sorted, and compared seed by seed with what has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation.small_measurements import rows
from small_benchmark import RUNS, answers, made_up, record_all, write_benchmark
from transfer.small_tasks import small_teaching_set

from cxrtutor.benchmark.benchmark import Benchmark, load_benchmark
from cxrtutor.benchmark.sections import TIDY, Row, Section, overview, sections
from cxrtutor.evaluation.bootstrap import interval, paired_difference
from cxrtutor.evaluation.results import Repeats
from cxrtutor.evaluation.tables import ResultTable

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def benchmark_(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("benchmark")
    benchmark = load_benchmark(write_benchmark(folder, small_teaching_set(folder / "set")))
    record_all(benchmark, folder / "records")
    return Benchmark(benchmark.spec, benchmark.trials, benchmark.left_out, folder / "records")


@pytest.fixture(scope="module")
def made(benchmark_: Benchmark) -> list[Section]:
    return sections(benchmark_, benchmark_.records())


def test_there_is_a_table_for_each_split_task_and_amount_of_labels(made: list[Section]) -> None:
    assert [one.title for one in made] == ["Where", "Which: opacity, 50 %", "Which: opacity, 100 %"]
    assert [one.metric for one in made] == ["iou", "auroc", "auroc"]
    assert "an opacity of the lung" in made[1].about


def test_rows_are_sorted_by_the_metric_and_called_by_their_names(made: list[Section]) -> None:
    assert list(made[0].rows) == ["LSM", "convirt"]
    assert list(made[1].rows) == ["LSM", "convirt", "a network"]
    for one in made:
        values = [one.table.intervals[name][one.metric].value for name in one.rows]
        assert values == sorted(values, reverse=True)
        assert list(one.table.methods) == list(one.rows)


def test_seeds_are_pooled(benchmark_: Benchmark, made: list[Section]) -> None:
    both = [made_up(trial).measurements["test"] for trial in benchmark_.trials["local"] if trial.run == "lsm"]
    assert len(both) == 2
    expected = interval(Repeats(tuple(both)), "iou")
    cell = made[0].table.intervals["LSM"]["iou"]
    assert [cell.value, cell.low, cell.high] == pytest.approx([expected.value, expected.low, expected.high], abs=1e-4)
    assert "2 seeds each" in made[0].table.caption


def test_what_was_not_trained_stands_beside_every_seed_and_every_draw_that_others_have(made: list[Section]) -> None:
    half = made[1].rows
    assert [len(half[name].by_seed) for name in ("LSM", "a network")] == [2, 1]
    # Of the network's three draws those that the others have too.
    assert all(len(seed.results) == 2 for row in half.values() for seed in row.by_seed.values())
    pair = made[1].pairs.set_index(["first", "second"]).loc[("LSM", "a network")]
    draws = [answers(draw / 10) for draw in range(2)]
    lsm = [Repeats(tuple(answers(0.6 + seed / 100 + draw / 10) for draw in range(2))) for seed in (0, 5)]
    expected = paired_difference(Repeats(tuple(lsm)), Repeats((Repeats(tuple(draws)),) * 2), "auroc")
    assert pair.difference == pytest.approx(expected.value, abs=1e-3)
    assert (pair.low, pair.high) == pytest.approx((expected.low, expected.high), abs=1e-3)


def seeds(*numbers: int, level: float = 0.0, scale: float = 0.3, trained: bool = True) -> Row:
    """Of each seed results that are as far from those of another row's seed as the levels are."""
    found = {seed: rows(level + np.random.default_rng(seed).normal(scale=scale, size=40)) for seed in numbers}
    return Row(found, trained)


def section(**table: Row) -> Section:
    return Section("", "", "iou", table, ResultTable({name: row.pooled for name, row in table.items()}))


def test_seeds_are_pooled_where_there_are_several() -> None:
    assert isinstance(seeds(0, 1).pooled, Repeats)
    one = seeds(3)
    assert one.pooled is one.by_seed[3]
    assert Row({3: Repeats((one.by_seed[3],))}).pooled is one.by_seed[3]


def test_two_rows_are_compared_on_the_seeds_that_both_have() -> None:
    [pair] = section(one=seeds(0, 1, level=0.05), another=seeds(2, 1, 3)).pairs.itertuples()
    assert (pair.difference, pair.low, pair.high) == pytest.approx((0.05, 0.05, 0.05))
    assert pair.told_apart


def test_what_was_not_trained_is_compared_with_every_seed() -> None:
    trained, fixed = seeds(4, 5), seeds(0, trained=False)
    [pair] = section(one=trained, another=fixed).pairs.itertuples()
    expected = paired_difference(trained.pooled, Repeats((fixed.by_seed[0],) * 2), "iou")
    assert (pair.difference, pair.low, pair.high) == (expected.value, expected.low, expected.high)
    [alone] = section(one=fixed, another=seeds(4, trained=False)).pairs.itertuples()
    assert not np.isnan(alone.difference)


def test_rows_without_a_seed_in_common_are_not_told_apart() -> None:
    both = section(one=seeds(0, level=9.0), another=seeds(1))
    assert both.pairs[["difference", "low", "high"]].isna().all(axis=None)
    assert both.verdicts.alike.to_dict() == {"one": "another", "another": "one"}


def test_a_table_says_how_often_was_trained_and_labels_were_drawn(benchmark_: Benchmark) -> None:
    known = benchmark_.records()
    captions = [one.table.caption for one in sections(benchmark_, known)]
    assert captions[1].endswith("; 2 seeds each; labels drawn 2 times")
    assert captions[2].endswith("; 2 seeds each")
    fewer = {file: record for file, record in known.items() if "convirt-seed5" not in file}
    assert sections(benchmark_, fewer)[0].table.caption.endswith("; seeds: 2 of LSM, 1 of convirt")


def test_baselines_of_other_experiments_stand_in_tables_of_places_too(tmp_path: Path) -> None:
    experiments = {"local": {"runs": {"lsm": RUNS["lsm"]}, "seeds": [0]}, "before": {"runs": RUNS, "seeds": [0]}}
    table = {"title": "Where", "experiment": "local", "baselines": {"before": ["convirt"]}}
    benchmark = load_benchmark(
        write_benchmark(tmp_path, small_teaching_set(tmp_path / "set"), experiments, tables=[table], pictures=[])
    )
    made = sections(benchmark, {trial.file: made_up(trial) for trial in benchmark.all_trials()})
    assert [list(one.rows) for one in made] == [["LSM", "convirt"]]


def test_pairs_that_differ_are_told_apart_and_others_are_not(made: list[Section]) -> None:
    [pair] = made[0].pairs.itertuples()
    assert (pair.first, pair.second, pair.told_apart) == ("LSM", "convirt", True)
    assert 0.25 < pair.low < pair.difference < pair.high < 0.35
    verdicts = made[0].verdicts
    assert verdicts.loc["LSM"].to_dict() == {"above": "", "alike": "", "below": "convirt"}
    assert verdicts.loc["convirt"].to_dict() == {"above": "LSM", "alike": "", "below": ""}


def test_equals_are_not_told_apart() -> None:
    random = np.random.default_rng(0)
    alike = section(**{name: Row({0: rows(random.normal(size=60))}) for name in ("one", "another")})
    assert alike.verdicts.alike.to_dict() == {"one": "another", "another": "one"}


def test_published_rows_stand_below_under_their_own_protocol(made: list[Section]) -> None:
    assert {one.protocol for one in made[0].table.published} == {"afloc-skipping-empty"}
    assert {one.dataset for one in made[0].table.published} == {"MS-CXR"}
    assert {one.labels for one in made[2].table.published} == {1.0}
    assert not made[1].table.published  # nobody published half of the labels


def test_every_number_has_a_line(made: list[Section]) -> None:
    tidy = pd.concat([one.tidy() for one in made])
    assert tuple(tidy.columns) == TIDY
    ours = tidy[tidy.source == "measured here"]
    assert len(ours) == 2 * 4 + 3 + 3
    line = ours[(ours.table == "Where") & (ours.method == "LSM") & (ours.metric == "iou")].squeeze()
    cell = made[0].table.intervals["LSM"]["iou"]
    assert (line["mean"], line.low, line.high) == (cell.value, cell.low, cell.high)
    assert (line.seeds, line.samples, line.undefined, line.protocol) == (2, 40, 0, "afloc")
    theirs = tidy[tidy.source != "measured here"]
    assert len(theirs) and theirs.certainty.notna().all() and theirs.seeds.isna().all()


def test_the_overview_has_a_column_for_each_table(made: list[Section]) -> None:
    table = overview(made)
    assert list(table.columns) == [one.title for one in made]
    assert np.isnan(table.loc["a network", "Where"])
    assert table.loc["LSM", "Where"] == made[0].table.intervals["LSM"]["iou"].value


def test_what_is_not_recorded_is_not_in_a_table(benchmark_: Benchmark) -> None:
    known = benchmark_.records()
    some = {file: record for file, record in known.items() if file.startswith("local/lsm")}
    [only] = sections(benchmark_, some)
    assert list(only.rows) == ["LSM"] and only.pairs.empty
    assert sections(benchmark_, {}) == []
