"""Every task finds its answers in the teaching set and in the sets of owners, and says which sets have none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from data import real_layouts as layouts
from data.made_up import make_set
from split_for_tests import split_for_tests

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.sources import overlaps
from cxrtutor.data.sources.registry import SETS
from cxrtutor.data.splits import hashed_split
from cxrtutor.data.study import Finding, Report, Study
from cxrtutor.errors import InputError
from cxrtutor.transfer.examples import BoxedExamples, LabelledExamples, OutlinedExamples
from cxrtutor.transfer.tasks import TASKS, UNSEEN_HALVES, task_named

SIDE = 64


class Case(NamedTuple):
    """A set in its owner's layout, and the answers that a task finds in it: images by part, with their answers."""

    task: str
    set: str
    train: dict[str, Sequence[float]]
    test: dict[str, Sequence[float]]


def labels_of(images: Sequence[str], answers: Sequence[float]) -> dict[str, Sequence[float]]:
    return dict.fromkeys(images, answers)


CHEXPERT = [f"patient{patient:05d}_study{study}_view1_frontal" for patient in (1, 2, 3, 4) for study in (1, 2)]
CHEXPERT_TEST = [f"patient{patient}_study{study}_view1_frontal" for patient in (64541, 64542) for study in (1, 2)]
MIMIC = {image: (patient, split) for patient, _, image, view, split in layouts.MIMIC_IMAGES if view in ("PA", "AP")}
UNLABELLED = "2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab"
RSNA = {image: [float(bool(boxes))] for image, (_, boxes) in layouts.RSNA_IMAGES.items()}
SIIM = {image: [float(runs[0].strip() != "-1")] for image, runs in layouts.SIIM_IMAGES.items()}
OBJECTS = {image: (part, [float(bool(text))]) for image, (part, text) in layouts.OBJECT_CXR_IMAGES.items()}


def parted(answers: dict[str, Sequence[float]]) -> tuple[dict[str, Sequence[float]], dict[str, Sequence[float]]]:
    return tuple(
        {image: one for image, one in answers.items() if split_for_tests(image) == split} for split in ("train", "test")
    )


CASES = [
    # Cardiomegaly is present, pleural effusion absent, and what is not mentioned is absent too.
    Case("findings", "chexpert", labels_of(CHEXPERT, [0, 1, 0, 0, 0]), labels_of(CHEXPERT_TEST, [0, 1, 0, 0, 0])),
    # Here the effusion is uncertain, which counts as present; a study without labels has no answer.
    Case(
        "findings",
        "mimic_cxr",
        labels_of([one for one, (_, part) in MIMIC.items() if part == "train" and one != UNLABELLED], [0, 1, 0, 0, 1]),
        labels_of([one for one, (_, part) in MIMIC.items() if part == "test"], [0, 1, 0, 0, 1]),
    ),
    Case(
        "findings",
        "nih",
        {
            "00000001_000": [0, 1, *[0] * 12],
            "00000001_001": [0, 1, 0, 0, 0, 1, *[0] * 8],
            "00000002_000": [0] * 14,
        },
        {
            "00000032_037": [*[0] * 8, 1, 0, 1, 0, 0, 0],
            "00013118_008": [1, *[0] * 7, 1, *[0] * 5],
            "00013118_009": [0] * 14,
        },
    ),
    Case("opacity", "rsna", *parted(RSNA)),
    Case(
        "unseen",
        "covidx",
        {
            "ARDSSevere.png": [1, 0, 0],
            "SARS 10.1148rg.jpeg": [0, 1, 0],
            "1.jpg": [1, 0, 0],
            "1.png": [0, 0, 1],
            "COVID-19(7).png": [0, 0, 1],
        },
        {
            "c5b51cd8-2cc1-42da-96c8-34f47ea3a415.png": [1, 0, 0],
            "MIDRC-RICORD-1C-419639-000025-48024-0.png": [0, 0, 1],
        },
    ),
    Case("pneumothorax-masks", "siim", *parted(SIIM)),
    Case(
        "pneumothorax-masks",
        "chestx_det",
        labels_of(["36204", "36205", "36206"], [0]),
        labels_of(["36199", "36302"], [0]),
    ),
    Case("opacity-masks", "rsna", *parted(RSNA)),
    Case("opacity-boxes", "rsna", *parted(RSNA)),
    Case(
        "object-boxes",
        "object_cxr",
        {image: shown for image, (part, shown) in OBJECTS.items() if part == "train"},
        {image: shown for image, (part, shown) in OBJECTS.items() if part == "dev"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}, {case.set}")
def test_a_task_finds_its_answers_in_an_owners_set(case: Case, prepared: Callable[[str], Path]) -> None:
    folder = str(prepared(case.set))
    for split, expected in (("train", case.train), ("test", case.test)):
        examples = TASKS[case.task].examples(folder, split)
        answers = examples.targets if isinstance(examples, LabelledExamples) else examples.shows.reshape(-1, 1)
        assert {image: list(map(float, one)) for image, one in zip(examples.ids, answers, strict=True)} == expected
        studies = [examples.studies[position] for position in examples.positions]
        assert [(one.id, one.patient) for one in studies] == list(zip(examples.ids, examples.patients, strict=True))
        everyone = range(len(examples))
        if isinstance(examples, OutlinedExamples):
            masks = examples.masks(everyone, SIDE)
            assert masks.any((1, 2)).tolist() == [bool(one[0]) for one in expected.values()]
        if isinstance(examples, BoxedExamples):
            boxes = examples.boxes(everyone, SIDE)
            assert [bool(len(found)) for found, _ in boxes] == [bool(one[0]) for one in expected.values()]
            assert all(((found >= 0) & (found <= SIDE)).all() and not kinds.any() for found, kinds in boxes)


def test_uncertain_labels_count_finding_by_finding_as_in_gloria(tmp_path: Path) -> None:
    """GLoRIA's: atelectasis, edema and effusion count as present, cardiomegaly and consolidation as absent."""
    findings = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
    labels = [dict.fromkeys(findings, -1), {"Edema": 0, "Cardiomegaly": 1}, {"Fracture": -1}, {}]
    plain = [study(number, "train") for number in range(len(labels))]
    labelled = [dataclasses.replace(one, labels=given) for one, given in zip(plain, labels, strict=True)]
    write_shard(path := shard_path(tmp_path, "train", 0), labelled)
    write_card(tmp_path, [path], {}, name="CheXpert", version="1", licence="none", redistribution=False)
    examples = TASKS["findings"].examples(str(tmp_path), "train")
    assert examples.names == findings and examples.ids == ("train-0", "train-1", "train-2"), "one has no labels at all"
    assert examples.targets.tolist() == [[1, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_every_set_that_a_task_names_is_tried_here() -> None:
    named = {(task.name, name) for task in TASKS.values() for name in task.sets if name != "teaching set"}
    assert named == {(case.task, SETS[case.set].about.name) for case in CASES}


def test_boxes_of_an_owner_are_where_he_drew_them(prepared: Callable[[str], Path]) -> None:
    examples = TASKS["opacity-boxes"].examples(str(prepared("rsna")), "test")
    place = [image[:8] for image in examples.ids].index("00704310")
    [(corners, _)] = examples.boxes([place], SIDE)
    drawn = np.array(layouts.RSNA_IMAGES[examples.ids[place]][1], float)
    drawn[:, 2:] += drawn[:, :2]
    np.testing.assert_allclose(corners, drawn / 1024 * SIDE)
    masks = TASKS["opacity-masks"].examples(str(examples.studies.folder), "test")
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    assert masks.masks([place], SIDE).sum() == pytest.approx(areas.sum(), rel=0.2)


def study(number: int, split: str, *names: str, annotated: bool = True) -> Study:
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:5] = True
    findings = tuple(Finding(name, name, mask) for name in names)
    image = np.full((8, 8), number / 200, np.float32)
    person = f"{split}-{number // 2}"
    return Study(f"{split}-{number}", person, image, Report({}, ()), findings, annotated, split=split)


KINDS = ((), ("consolidation",), ("consolidation", "edema"), ("ground-glass opacity", "consolidation"), ("nodule",), ())


@pytest.fixture(scope="module")
def teaching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with the name and the splits of the teaching set, small enough to count."""
    folder = tmp_path_factory.mktemp("teaching")
    content = {
        "train": [study(n, "train", *KINDS[n % 6]) for n in range(24)] + [study(90, "train", annotated=False)],
        "test": [study(n, "test", *KINDS[n % 6]) for n in range(36)],
        "unseen": [study(n, "unseen", ("viral pneumonia", "cavity")[n % 2]) for n in range(40)],
    }
    for split, studies in content.items():
        write_shard(shard_path(folder, split, 0), studies)
    shards = [shard_path(folder, split, 0) for split in content]
    name = "teaching set, small edition"
    write_card(folder, shards, {}, name=name, version="1", licence="CC0-1.0", redistribution=True)
    return folder


def test_an_opacity_is_a_consolidation_or_ground_glass(teaching: Path) -> None:
    examples = TASKS["opacity"].examples(str(teaching), "train")
    assert examples.names == ("opacity",) and not examples.exclusive
    assert examples.targets[:, 0].tolist() == [0, 1, 1, 1, 0, 0] * 4, "who was not looked at has no answer"
    outlined = TASKS["opacity-masks"].examples(str(teaching), "train")
    assert outlined.shows.tolist() == [bool(one) for one in examples.targets[:, 0]]
    assert outlined.masks(range(2), 8).sum((1, 2)).tolist() == [0, 6]


def test_of_the_unseen_finding_no_patient_is_on_both_sides(teaching: Path) -> None:
    parts = {split: TASKS["unseen"].examples(str(teaching), split) for split in ("train", "test")}
    whole = StudyDataset(teaching, "unseen")
    viral = {one.id: one.patient for one in whole if one.findings[0].name == "viral pneumonia"}
    seen: dict[str, set[str]] = {}
    for split, examples in parts.items():
        assert examples.names == ("healthy", "opacity", "viral pneumonia") and examples.exclusive
        for image, target in zip(examples.ids, examples.targets, strict=True):
            position = examples.positions[examples.ids.index(image)]
            found = examples.studies[int(position)]
            names = {one.name for one in found.findings}
            assert found.id == image and found.split == ("unseen" if target[2] else split)
            assert names <= {"consolidation", "ground-glass opacity"} or names == {"viral pneumonia"}
            assert target.tolist() == [not names, bool(names) and not target[2], names == {"viral pneumonia"}]
        seen[split] = {image for image, one in zip(examples.ids, examples.targets, strict=True) if one[2]}
        assert {hashed_split(viral[image], UNSEEN_HALVES) for image in seen[split]} == {split}
    assert not seen["train"] & seen["test"]
    assert seen["train"] == {image for image, who in viral.items() if hashed_split(who, UNSEEN_HALVES) == "train"}
    counts = parts["test"].targets.sum(0)
    assert counts.min() == counts.max() > 0
    assert parts["train"].targets.sum(0)[:2].tolist() == [9, 8]


def test_the_unseen_finding_has_no_validation(teaching: Path) -> None:
    with pytest.raises(InputError, match="no 'unseen'"):
        TASKS["unseen"].examples(str(teaching), "unseen")


def test_a_set_without_answers_says_which_sets_have_them(tmp_path: Path) -> None:
    folder = make_set(tmp_path, {"train": 3, "test": 2})
    with pytest.raises(
        InputError, match=r"made up has no answers to the task 'opacity' .* teaching set, RSNA Pneumonia"
    ):
        TASKS["opacity"].examples(str(folder), "train")


def test_studies_at_which_nobody_looked_are_no_examples(teaching: Path, tmp_path: Path) -> None:
    write_shard(path := shard_path(tmp_path, "train", 0), [study(0, "train", annotated=False)])
    write_card(tmp_path, [path], {}, name="SIIM-ACR Pneumothorax", version="1", licence="none", redistribution=False)
    with pytest.raises(InputError, match="no study of 'train' has an answer to the task 'pneumothorax-masks'"):
        TASKS["pneumothorax-masks"].examples(str(tmp_path), "train")


def test_an_unknown_task_is_told() -> None:
    with pytest.raises(InputError, match=r"no task 'finding'.*findings, opacity"):
        task_named("finding")
    assert task_named("opacity") is TASKS["opacity"]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_published_figures(task) -> None:
    figures = task.published()
    assert {(one.dataset, one.metric) for one in figures} == {(task.stands_for, task.metric)}
    assert len({(one.method, one.labels) for one in figures}) == len(figures), "figures of another protocol"
    for share in (0.01, 0.1, 1.0):
        assert task.published(share) == [one for one in figures if one.labels == share]


def test_sets_that_share_films_are_sets() -> None:
    names = {source.about.name for source in SETS.values()}
    assert {name for one in overlaps.OVERLAPS for name in one.sets} <= names
    assert all(name.split()[0] in one.how for one in overlaps.OVERLAPS for name in one.sets)


def test_a_set_is_told_with_whom_it_shares_films() -> None:
    assert overlaps.shared_films(["CheXpert"]) == [one.how for one in overlaps.OVERLAPS if "CheXpert" in one.sets]
    assert len(overlaps.shared_films(["RSNA Pneumonia"])) == 2
    assert overlaps.shared_films(["teaching set", "Object-CXR"]) == []
    assert json.dumps(overlaps.shared_films(["RSNA Pneumonia", "COVIDx"])).count("COVIDx") == 1
