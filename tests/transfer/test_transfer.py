"""Every task runs, on the teaching set's like and on owners' sets; what was computed is kept and found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from small_tasks import COUNTS, small_teaching_set
from test_tasks import CASES, Case

from cxrtutor.encoders.projection import ImageProjection
from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval, paired_difference
from cxrtutor.evaluation.results import Repeats, Result
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer import detection, segmentation
from cxrtutor.transfer import transfer as module
from cxrtutor.transfer.comparisons import comparison, zero_shot_comparison
from cxrtutor.transfer.examples import Examples
from cxrtutor.transfer.representation import Representation, trunk
from cxrtutor.transfer.tasks import TASKS, Marked, Task
from cxrtutor.transfer.transfer import repeated, transfer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_teaching_set(tmp_path_factory.mktemp("set")))


@pytest.fixture(scope="module")
def network() -> Representation:
    return trunk(ImageEncoderConfig(pretrained=False), "random", image_size=32)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(autouse=True)
def short(home: Path, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders are trained for two steps, and all tests share the features of images."""
    home.mkdir()
    (home / "features").symlink_to(features)
    monkeypatch.setattr(segmentation, "segment", partial(segmentation.segment, steps=2))
    monkeypatch.setattr(detection, "detect", partial(detection.detect, steps=2))


def kept(home: Path) -> int:
    return len(list((home / "transfer").iterdir())) if (home / "transfer").is_dir() else 0


def assert_same(one: Result, other: Result) -> None:
    assert type(one) is type(other) and one.to_json() == other.to_json()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_and_is_kept(
    task: str, data: str, network: Representation, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = network.key
    result = transfer(task, network, data=data, labels=0.5)
    assert network.key == before and TASKS[task].metric in result.metrics
    value = interval(result, TASKS[task].metric, resamples=50)
    assert 0 <= value.value <= 1
    test = TASKS[task].examples(data, "test")
    assert set(result.patients) == set(test.patients)
    monkeypatch.setattr(module, "_computed", None)
    assert_same(transfer(TASKS[task], network, data=data, labels=0.5), result)
    assert kept(home) == 1


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.set != "mimic_cxr"], ids=lambda c: f"{c.task}, {c.set}"
)
def test_every_task_runs_on_owners_sets(
    case: Case, prepared: Callable[[str], Path], network: Representation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(case.set)
    if case.set == "chestx_det":  # a film with a pneumothorax is not among the few
        with pytest.raises(InputError, match="shows pneumothorax"):
            transfer(case.task, network, data=str(folder))
        return
    if case.set == "chexpert":  # its films have all one label here
        with pytest.raises(InputError, match="do not show both"):
            transfer(case.task, network, data=str(folder))
        return
    result = transfer(case.task, network, data=str(folder))
    weights = np.ones((1, len(result.patients)))
    assert set(result.patients) == set(TASKS[case.task].examples(str(folder), "test").patients)
    assert result.statistic(TASKS[case.task].metric, weights).shape == (1,)


def test_what_was_asked_otherwise_is_kept_apart(
    data: str, network: Representation, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = {TASKS[task].kind: transfer(task, network, data=data) for task in ("opacity", "opacity-masks")}
    computed = []
    monkeypatch.setattr(module, "_computed", lambda kind, *asked: computed.append(asked) or results[kind])
    other = trunk(ImageEncoderConfig(pretrained=False), "larger", image_size=48)
    asked = ({"labels": 0.5}, {"labels": 0.6}, {"labels": 0.5, "draw": 1}, {"shots": 2}, {"shots": 2, "draw": 1})
    for one in asked:
        transfer("opacity", network, data=data, **one)
    transfer("opacity", other, data=data, labels=0.5)
    transfer("findings", network, data=data, labels=0.5)
    transfer("opacity-masks", network, data=data, draw=1)
    transfer("opacity-masks", network, data=data, fine_tune=True)
    transfer("opacity-masks", network, data=data, steps=7)
    assert len(computed) == 10 and kept(home) == 2 + 10
    assert [one[3:] for one in computed][-3:] == [(False, 1, {}), (True, 0, {}), (False, 0, {"steps": 7})]
    transfer("opacity", other, data=data, labels=0.5)
    assert len(computed) == 10


def test_fine_tuning_reaches_the_engine(data: str, network: Representation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    engine = segmentation.segment
    monkeypatch.setattr(segmentation, "segment", lambda *a, **how: asked.append(how) or engine(*a))
    transfer("pneumothorax-masks", network, data=data, fine_tune=True, draw=3)
    transfer("pneumothorax-masks", network, data=data, steps=2)
    assert asked == [{"fine_tune": True, "seed": 3}, {"fine_tune": False, "seed": 0, "steps": 2}]


def test_an_edited_task_is_another(data: str, network: Representation, home: Path) -> None:
    first = transfer("opacity", network, data=data)
    edited = replace(TASKS["opacity"], sets={"teaching set": Marked({"opacity": ("mass",)})})
    assert transfer(edited, network, data=data).to_json() != first.to_json()
    assert kept(home) == 2


@pytest.mark.parametrize("other", ["train", "test"])
def test_another_set_gives_another_result(
    other: str, data: str, network: Representation, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = transfer("opacity", network, data=data)
    whole = Task.examples

    def fewer(task: Task, data: str, split: str, edition: str) -> Examples:
        return whole(task, data, split).take(range(12)) if split == other else whole(task, data, split)

    monkeypatch.setattr(Task, "examples", fewer)
    assert transfer("opacity", network, data=data).to_json() != result.to_json()
    assert kept(home) == 2


@pytest.mark.parametrize(("task", "how"), [("opacity", {"steps": 5}), ("opacity-masks", {"steps": 0})])
def test_steps_that_make_no_sense_are_refused(
    data: str, network: Representation, task: str, how: dict[str, int]
) -> None:
    with pytest.raises(InputError, match="steps"):
        transfer(task, network, data=data, **how)


def test_settings_of_an_engine_are_asked_for_too(
    data: str, network: Representation, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer("opacity", network, data=data)
    transfer("opacity-boxes", network, data=data)
    monkeypatch.setattr(detection, "RECIPE", replace(detection.RECIPE, learning_rate=1e-3))
    transfer("opacity", network, data=data)
    assert kept(home) == 2
    transfer("opacity-boxes", network, data=data)
    assert kept(home) == 3
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    transfer("opacity", network, data=data)
    assert kept(home) == 4


def test_of_all_labels_there_is_one_draw_for_a_linear_probe(data: str, network: Representation, home: Path) -> None:
    assert len(repeated("findings", network, data=data, draws=3).results) == 1 == kept(home)
    few = repeated("findings", network, data=data, draws=3, labels=0.5)
    assert len(few.results) == 3 and len({str(one.to_json()) for one in few.results}) == 3
    assert len(repeated("findings", network, data=data, draws=2, shots=1).results) == 2
    heads = repeated("pneumothorax-masks", network, data=data, draws=2)
    assert len(heads.results) == 2, "a decoder's own weights are drawn"


def test_all_draws_see_the_examples_that_are_read_once(
    data: str, network: Representation, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = [transfer("findings", network, data=data, labels=0.5, draw=draw) for draw in range(3)]
    read: list[str] = []
    examples = Task.examples
    monkeypatch.setattr(
        Task, "examples", lambda task, data, split, edition: read.append(split) or examples(task, data, split, edition)
    )
    drawn = repeated("findings", network, data=data, draws=3, labels=0.5).results
    assert read == ["train", "test"]
    for one, other in zip(drawn, single, strict=True):
        assert_same(one, other)


def test_no_draw_is_refused(data: str, network: Representation) -> None:
    with pytest.raises(InputError, match="no repeat"):
        repeated("opacity", network, data=data, draws=0)


def test_a_smaller_share_is_really_smaller(data: str, network: Representation, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, seen = module.linear_probe, []
    monkeypatch.setattr(module, "linear_probe", lambda *given: seen.append(len(given[1])) or probe(*given))
    for labels in (0.25, 0.5, 1.0):
        transfer("opacity", network, data=data, labels=labels)
    transfer("opacity", network, data=data, shots=3)
    assert seen == [COUNTS["train"] // 4, COUNTS["train"] // 2, COUNTS["train"], 6]


@pytest.mark.parametrize(
    ("task", "how", "message"),
    [
        ("findings", {"fine_tune": True}, "'findings' is a linear probe"),
        ("opacity-masks", {"shots": 4}, "'opacity-masks' is segmentation"),
        ("opacity", {"labels": 0.0}, "above 0, up to 1"),
        ("opacity", {"labels": float("nan")}, "A share of nan"),
        ("opacity-masks", {"draw": -1}, "there is no draw -1"),
        ("opacity", {"shots": 0}, "1 or more"),
        ("opacity", {"shots": 2, "labels": 0.5}, "not of a share of 0.5"),
        ("opacity-boxes", {"decoder": "setr"}, "'opacity-boxes' is detection"),
        ("opacity", {"decoder": "unet"}, "'opacity' is classification"),
        ("opacities", {}, "no task 'opacities'"),
    ],
)
def test_what_cannot_be_done_says_so(
    task: str, how: dict, message: str, data: str, network: Representation, home: Path
) -> None:
    with pytest.raises(InputError, match=message):
        transfer(task, network, data=data, **how)
    assert kept(home) == 0


def test_a_comparison_is_less_its_first_row(data: str, network: Representation) -> None:
    other = trunk(ImageEncoderConfig(pretrained=False), "larger", image_size=48)
    table = comparison("findings", {"a": network, "b": other}, data=data, labels=0.1, draws=2)
    assert table.reference == "a" and table.metrics == ["auroc"] and "over patients and repeats" in table.caption
    one, two = (repeated("findings", each, data=data, labels=0.1, draws=2) for each in (network, other))
    assert isinstance(one, Repeats) and table.differences["b"]["auroc"] == paired_difference(two, one, "auroc")
    assert {(row.dataset, row.labels) for row in table.published} == {("CheXpert", 0.1)}
    assert "teaching set  measured here" in str(table)
    for how in ({"labels": 0.2}, {"shots": 2}):
        assert not comparison("findings", {"a": network}, data=data, **how).published


def pretrained(pixels: int = 32) -> Representation:
    """A CNN that pre-training changed, as far as a task can tell."""
    return trunk(ImageEncoderConfig(pretrained=False, trainable=True), "trained", image_size=pixels)


def test_a_decoder_is_kept_apart_where_it_is_not_the_usual_one(data: str, network: Representation, home: Path) -> None:
    usual = transfer("opacity-masks", network, data=data)
    assert_same(transfer("opacity-masks", network, data=data, decoder="setr"), usual)
    assert kept(home) == 1
    other = transfer("opacity-masks", network, data=data, decoder="unet")
    assert (usual.protocol, other.protocol) == ("segmentation by setr", "segmentation by unet")
    assert kept(home) == 2


def test_all_rows_of_a_comparison_have_one_decoder(data: str, network: Representation) -> None:
    trained = pretrained()
    table = comparison("opacity-masks", {"random": network, "trained": trained}, data=data)
    assert {one.protocol for one in table.methods.values()} == {"segmentation by unet"}
    assert "trained" in table.differences
    chosen = comparison("opacity-masks", {"random": network, "trained": trained}, data=data, decoder="setr")
    assert {one.protocol for one in chosen.methods.values()} == {"segmentation by setr"}
    assert comparison("opacity-masks", {"random": network}, data=data).methods["random"].protocol.endswith("setr")


def test_heads_or_a_transformer_in_one_row_rule_out_a_unet_in_all(network: Representation) -> None:
    trained, transformer = pretrained(), trunk(ImageEncoderConfig(name="vit-mini", pretrained=False), "vit")
    heads = ImageProjection({"final": trained.encoder.dims[-1]}, 8)
    with_heads = Representation("lsm", network.encoder, heads, 32, True)
    assert segmentation.usual_decoder([network, trained]) == segmentation.usual_decoder([trained]) == "unet"
    for rows in ([network], [trained, with_heads], [trained, transformer]):
        assert segmentation.usual_decoder(rows) == "setr"


def test_a_table_says_what_the_set_lacks(prepared: Callable[[str], Path], network: Representation, data: str) -> None:
    objects = comparison("object-boxes", {"a": network}, data=str(prepared("object_cxr")))
    assert objects.unit == "images", "nobody knows the patients"
    assert objects.caption.endswith("; measured on the validation split, as the set has none for testing")
    ours = comparison("object-boxes", {"a": network}, data=data)
    assert ours.unit == "patients" and "validation" not in str(ours)


def test_a_table_says_that_networks_were_fine_tuned(data: str, network: Representation) -> None:
    for fine_tune in (False, True):
        table = comparison("pneumothorax-masks", {"a": network}, data=data, fine_tune=fine_tune)
        assert ("fine-tuned: a copy of each network" in table.caption) is fine_tune


def test_words_do_not_tell_where(data: str) -> None:
    with pytest.raises(InputError, match="'opacity-boxes' is detection"):
        zero_shot_comparison("opacity-boxes", {}, data=data)


@dataclass(frozen=True)
class Halved(Task):
    """A task of the same name that has the first half of the examples of one split alone; the other is whole."""

    halved: str = ""

    def examples(self, data: str, split: str, edition: str = "full") -> Examples:
        whole = super().examples(data, split, edition)
        return whole.take(range(len(whole) // 2)) if split == self.halved else whole


def halved(split: str) -> Halved:
    task = TASKS["opacity"]
    return Halved(**{field.name: getattr(task, field.name) for field in fields(Task)}, halved=split)


def test_other_test_films_give_another_result(data: str, network: Representation, home: Path) -> None:
    whole, half = (transfer(halved(split), network, data=data) for split in ("", "test"))
    assert (len(whole.study), len(half.study)) == (COUNTS["test"], COUNTS["test"] // 2)


def test_other_training_films_give_another_result(data: str, network: Representation, home: Path) -> None:
    whole, half = (transfer(halved(split), network, data=data) for split in ("", "train"))
    assert whole.study == half.study and (whole.scores != half.scores).any()
