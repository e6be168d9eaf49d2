"""What travels with the package is small, is what the recipe and the generator give today, and works.

Where one of these fails because a recipe, the teaching set or the training loop has changed:
`python data_scripts/build_shipped.py`, and then `python data_scripts/build_reading_set.py`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from cxrtutor import shipped
from cxrtutor.data.study import Study
from cxrtutor.data.teaching.lesion import FINDINGS
from cxrtutor.data.teaching.make import make_study
from cxrtutor.evaluation.evaluate import evaluate
from cxrtutor.evaluation.reading_set import Film, coded
from cxrtutor.localization.localize import localize
from cxrtutor.methods.config import RunConfig, load_config
from cxrtutor.pretraining.loop import run_key
from cxrtutor.viewing.overlay import overlay

STUDIES = range(12)


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    return list(shipped.studies())


def test_it_is_smaller_than_two_megabytes() -> None:
    files = [path for path in shipped.FOLDER.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert sum(path.stat().st_size for path in files) < 2e6


@pytest.mark.slow  # makes the teaching set where it is not there yet
def test_the_model_is_that_of_todays_recipe() -> None:
    origin = shipped.origin()
    config = load_config(origin["recipe"])
    assert origin["run"] == run_key(config)
    assert RunConfig(**origin["config"]) == config


def test_there_are_twelve_studies_with_every_finding_and_none_of_training(studies: list[Study]) -> None:
    assert [study.id for study in studies] == shipped.origin()["studies"]
    assert len({study.id for study in studies}) == len(STUDIES)
    assert {study.split for study in studies} == {"test"}
    assert {finding.name for study in studies for finding in study.findings} == set(FINDINGS)


@pytest.mark.parametrize("position", STUDIES)
def test_each_is_what_the_generator_draws_today(studies: list[Study], position: int) -> None:
    study = studies[position]
    today = make_study("test", int(study.id.rsplit("-", 1)[1]))
    assert (study.id, study.patient, study.report, study.view) == (today.id, today.patient, today.report, today.view)
    # Stored with 8 bits. Another processor may round a value by one more, and move a sharp edge by part of a pixel.
    apart = np.abs(study.image - today.image)
    assert (apart > 1.6 / 255).mean() < 0.01 and apart.max() < 8 / 255
    assert [(f.name, f.phrase) for f in study.findings] == [(f.name, f.phrase) for f in today.findings]
    for mine, its in zip(study.findings, today.findings, strict=True):
        assert (mine.mask != its.mask).sum() <= 0.02 * its.mask.sum()


def test_the_model_finds_what_the_studies_show(studies: list[Study]) -> None:
    model = shipped.model()

    class Live:
        def batch(self, indices):
            images = torch.stack([torch.from_numpy(studies[index].image)[None] for index in indices])
            return model.encode_images(images)

    measured = evaluate(model, Live(), studies)
    assert set(measured.rows.finding) == set(FINDINGS)
    assert measured.rows.cnr.mean() > 0.5
    found = localize(model, studies[0].image, studies[0].findings[0].phrase)
    assert overlay(studies[0].image, found).shape == (*studies[0].image.shape, 3)


@pytest.fixture(scope="module")
def films() -> list[Film]:
    return list(shipped.reading_set().films)


def test_films_to_read_are_no_others_of_the_book_and_of_four_kinds(films: list[Film]) -> None:
    numbers = [int(film.id.rsplit("-", 1)[1]) for film in films]
    assert min(numbers) >= 100 and len(set(numbers)) == 20
    assert int(shipped.reading_set().practice.id.rsplit("-", 1)[1]) not in numbers
    kinds = Counter(film.finding for film in films)
    assert set(kinds.values()) == {5} and len(kinds) == 4


def test_films_to_read_are_what_the_generator_draws_and_the_model_says_today(films: list[Film]) -> None:
    model = shipped.model()
    for film in films[::10]:
        study = make_study("test", int(film.id.rsplit("-", 1)[1]))
        np.testing.assert_allclose(film.image / 255, study.image, atol=1.6 / 255)
        (finding,) = (one for one in study.findings if one.name == film.finding)
        assert finding.phrase == film.prompt
        assert (finding.mask != film.truth).sum() <= 0.02 * film.truth.sum()
        heat = coded(localize(model, film.image / np.float32(255), film.prompt).heat_map.values)
        assert np.abs(heat.astype(int) - film.heat).max() <= 3  # of 254


def test_right_maps_are_right_and_wrong_maps_are_wrong(films: list[Film]) -> None:
    for film in films:
        right, wrong = film.hot("right"), film.hot("wrong")
        assert (right & film.truth).sum() >= 0.3 * (right | film.truth).sum()
        assert (wrong & film.truth).sum() <= 0.05 * wrong.sum()
