"""PadChest-GR: the one real set in which it is known which sentence speaks of what, and where that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data.real_layouts import PADCHEST_GR_STUDIES, padchest_gr

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.geometry import Box
from cxrtutor.data.preparation import prepare
from cxrtutor.data.sources.padchest_gr import REPORTS, TABLE, PadChestGr, read_boxes
from cxrtutor.data.study import Sentence
from cxrtutor.errors import InputError


def test_sentences_are_linked_to_what_they_speak_of(tmp_path: Path) -> None:
    shipped = padchest_gr(tmp_path)
    listing = PadChestGr(tmp_path).listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images)
    assert listing.problems == listing.skipped == ()
    first = listing.entries[0]
    assert [(one.name, one.phrase) for one in first.truth] == [
        ("pleural effusion", "Minimal left pleural effusion."),
        ("cardiomegaly", "Cardiomegaly and aortic elongation."),
        ("aortic elongation", "Cardiomegaly and aortic elongation."),
    ]
    assert first.truth[0].boxes[0] == pytest.approx(Box(0.55 * 48, 0.6 * 60, 0.35 * 48, 0.35 * 60))
    assert first.truth[1].boxes == first.truth[2].boxes and first.truth[0].size == (60, 48)
    assert first.report.sentences == (
        Sentence("Minimal left pleural effusion.", (0,)),
        Sentence("No consolidation."),
        Sentence("Scoliosis."),
        Sentence("Cardiomegaly and aortic elongation.", (1, 2)),
    )
    assert first.labels == {"pleural effusion": 1, "scoliosis": 1, "cardiomegaly": 1, "aortic elongation": 1}


def test_patients_studies_and_splits_are_the_tables(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    entries = PadChestGr(tmp_path).listing().entries
    assert [(entry.id, entry.study, entry.patient, entry.split) for entry in entries] == [
        (image, study, patient, split) for image, study, patient, split, _ in PADCHEST_GR_STUDIES
    ]
    assert entries[1].report.sentences == () and len(entries[2].truth[0].boxes) == 2


def test_the_links_hold_in_the_prepared_set(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    prepare(PadChestGr(tmp_path), tmp_path / "out", side=30, workers=1)
    study = StudyDataset(tmp_path / "out", "train")[0]
    told = {
        sentence.text: {study.findings[index].name for index in sentence.findings}
        for sentence in study.report.sentences
    }
    assert told["Cardiomegaly and aortic elongation."] == {"cardiomegaly", "aortic elongation"}
    assert told["Minimal left pleural effusion."] == {"pleural effusion"} and told["Scoliosis."] == set()
    assert all(study.findings[i].phrase == line.text for line in study.report.sentences for i in line.findings)
    assert study.findings[0].boxes[0] == pytest.approx(Box(0.55 * 24, 0.6 * 30, 0.35 * 24, 0.35 * 30))


def test_the_json_alone_is_read_with_given_sizes(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    found = read_boxes(tmp_path / REPORTS, lambda image: (100, 200))
    assert [(one.name, one.phrase) for one in found.findings] == [
        ("pleural effusion", "Minimal left pleural effusion."),
        ("cardiomegaly, aortic elongation", "Cardiomegaly and aortic elongation."),
        ("nodule", "Nodule in the right upper lobe."),
    ]
    assert found.findings[0].boxes[0] == pytest.approx(Box(110, 60, 70, 35)) and found.problems == ()


def test_a_sentence_that_is_said_twice_is_one_finding(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    change(tmp_path, lambda studies: studies[2]["findings"].append(studies[2]["findings"][0]))
    entry = PadChestGr(tmp_path).listing().entries[2]
    assert len(entry.truth) == 1 and [line.findings for line in entry.report.sentences] == [(0,), (0,)]


def test_a_sentence_of_nothing_abnormal_labels_nothing(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    change(tmp_path, lambda studies: studies[3]["findings"][0].update({"labels": ["cardiomegaly"], "boxes": []}))
    entry = PadChestGr(tmp_path).listing().entries[3]
    assert entry.labels == {} and entry.truth == () and entry.annotated


def test_an_image_that_shows_something_without_a_place_is_not_annotated(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    entries = PadChestGr(tmp_path).listing().entries
    # The first has boxes too, but none for its scoliosis: who asks for that must not be told that it is not there.
    assert [entry.annotated for entry in entries] == [False, True, True, True] and entries[0].truth
    prepare(PadChestGr(tmp_path), tmp_path / "out", workers=1)
    studies = {study.id: study for study in StudyDataset(tmp_path / "out")}
    assert [studies[entry.id].annotated for entry in entries] == [False, True, True, True]
    change(tmp_path, lambda studies: studies[2]["findings"][0].update({"boxes": []}))
    entry = PadChestGr(tmp_path).listing().entries[2]
    assert entry.labels == {"nodule": 1} and not entry.truth and not entry.annotated


@pytest.mark.parametrize(
    ("key", "value", "said", "reason"),
    [
        ("boxes", [[0.2, 0.2, 0.1, 0.3]], "boxes x2: is -4.8, so that the box has no area", "truth cannot be read"),
        ("boxes", [[300, 200, 400, 500]], "lies outside the image", "truth cannot be read"),
        ("boxes", [[0.2, 0.2, 0.3]], r"boxes: [0.2, 0.2, 0.3] is not [x1, y1, x2, y2]", None),
        ("boxes", "0.2", "boxes: '0.2' is no list", None),
        ("labels", 7, "labels: 7 is no list", None),
        ("abnormal", False, "abnormal: is False, and yet there are boxes", None),
        ("abnormal", None, "abnormal: is None, and yet there are boxes", None),
        ("labels", ["\ud800"], "labels: '\\ud800' holds half of a character", None),
        ("sentence_en", "  ", "sentence_en: is blank", None),
        ("sentence_en", None, "sentence_en: is blank", None),
    ],
)
def test_a_broken_sentence_is_named(key: str, value: Any, said: str, reason: str | None, tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    change(tmp_path, lambda studies: studies[2]["findings"][0].update({key: value}))
    listing = PadChestGr(tmp_path).listing()
    assert len(listing.entries) == 3
    [words] = [f"{one.reason}: {one.detail}" for one in listing.skipped] if reason else listing.problems
    assert said in words and f"{REPORTS}, study 2" in words and (not reason or words.startswith(reason))
    assert "study 2, findings[0]" in read_boxes(tmp_path / REPORTS, lambda image: (60, 48)).problems[0]


def test_half_a_character_ends_no_run(tmp_path: Path) -> None:
    padchest_gr(tmp_path / "raw")
    change(tmp_path / "raw", lambda studies: studies[2]["findings"][0].update({"sentence_en": "bad \ud800 text"}))
    folder = prepare(PadChestGr(tmp_path / "raw"), tmp_path / "out", workers=1)
    assert len(StudyDataset(folder)) == 3
    assert "holds half of a character" in (folder / "summary.json").read_text()


def test_reports_and_table_have_to_agree(tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    table = tmp_path / TABLE
    rows = table.read_text().splitlines()
    of = {study: [row for row in rows if row.startswith(f"{study},")] for _, study, *_ in PADCHEST_GR_STUDIES}
    (a, b, c, _), head = of.values(), rows[0]
    moved = b[0].replace(PADCHEST_GR_STUDIES[1][0], "another")
    unknown = c[0].replace(PADCHEST_GR_STUDIES[2][1], "9", 1).replace(PADCHEST_GR_STUDIES[2][0], "x")
    table.write_text("\n".join([head, *a, a[0].replace(",train,", ",test,"), moved, *c, unknown, ""]))
    listing = PadChestGr(tmp_path).listing()
    assert {one.id: one.reason for one in listing.skipped} == {
        PADCHEST_GR_STUDIES[0][0]: "contradicting rows",
        PADCHEST_GR_STUDIES[1][0]: "contradicting rows",
        PADCHEST_GR_STUDIES[3][0]: "split not stated",
    }
    assert [entry.id for entry in listing.entries] == [PADCHEST_GR_STUDIES[2][0]]
    assert any("study 9 with the image x is not in" in problem for problem in listing.problems)


@pytest.mark.parametrize("text", ["{}", "[1]", "null", "[{]"])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    padchest_gr(tmp_path)
    (tmp_path / REPORTS).write_text(text)
    with pytest.raises(InputError, match=REPORTS):
        PadChestGr(tmp_path).listing()


def change(folder: Path, by: Any) -> None:
    """Let the reports say something else."""
    path = folder / REPORTS
    studies = json.loads(path.read_text())
    by(studies)
    path.write_text(json.dumps(studies))
