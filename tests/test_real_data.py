"""From what the owners ship to a number: the way of somebody with access to the real sets, on small copies of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from data.real_layouts import MIMIC_IMAGES, mimic_cxr
from data.test_all_sets import one_after_another
from data.truth_layouts import Marked, ms_cxr_csv
from small_runs import recipe, use_small_text_encoder

from cxrtutor import cli, guard
from cxrtutor.data import preparation
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.preparation import prepare
from cxrtutor.data.sources.mimic_cxr import MimicCxr
from cxrtutor.data.sources.ms_cxr import MsCxr

HELD_OUT = "10000764"


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """MIMIC-CXR prepared for pre-training, and MS-CXR, of which one patient is in MIMIC-CXR's training split."""
    monkeypatch.setattr(preparation, "in_processes", one_after_another)
    jpg, reports = map(Path, mimic_cxr(tmp_path).arguments)
    marks = [
        Marked(image, "Pneumonia", f"opacity {patient}", (4, 8, 20.5, 30), (61, 50), patient, "test", study)
        for patient, study, image, _, _ in MIMIC_IMAGES
        if patient in (HELD_OUT, "10032725")
    ]
    boxes = ms_cxr_csv(tmp_path / "MS_CXR_Local_Alignment_v1.1.0.csv", marks)
    mimic = prepare(MimicCxr(jpg, reports, hold_out=boxes), tmp_path / "prepared" / "mimic-cxr", side=64)
    return mimic, prepare(MsCxr(boxes, jpg, reports), tmp_path / "prepared" / "ms-cxr", side=64)


def _cxrtutor(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["cxrtutor", *map(str, arguments), "--json"])
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capfd.readouterr()
    assert not end.value.code, err
    return json.loads(out)


def test_train_on_mimic_cxr_and_measure_on_ms_cxr(
    sets: tuple[Path, Path], tmp_path: Path, home: Path, monkeypatch, capfd
) -> None:
    use_small_text_encoder(monkeypatch)
    mimic, ms_cxr = sets
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(recipe(mimic, epochs=2, batch_size=2)))
    trained = _cxrtutor(monkeypatch, capfd, "pretrain", config)
    assert trained["step"] >= 2

    asked = ("evaluate", trained["folder"], "--data", ms_cxr, "--protocol", "afloc-skipping-empty")
    measured = _cxrtutor(monkeypatch, capfd, *asked)
    assert measured["by_finding"]["Pneumonia"]["samples"] == 2
    assert 0 <= measured["overall"]["pointing"]["value"] <= 1


def test_who_is_measured_on_is_not_trained_on(sets: tuple[Path, Path]) -> None:
    mimic, ms_cxr = sets
    seen = {study.patient for split in ("train", "validation") for study in StudyDataset(mimic, split)}
    asked = {study.patient for study in StudyDataset(ms_cxr)}
    assert seen and asked == {HELD_OUT, "10032725"} and not seen & asked
    assert {study.patient for study in StudyDataset(mimic, "held-out")} == asked


def test_nothing_made_of_them_may_be_published(sets: tuple[Path, Path]) -> None:
    for prepared in sets:
        assert any("may not be redistributed" in problem for problem in guard.check([prepared]).problems)
