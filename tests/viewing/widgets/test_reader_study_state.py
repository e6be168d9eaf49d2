"""What the reader study hands to its module. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from evaluation.readers import FILMS
from PIL import Image

from cxrtutor import shipped
from cxrtutor.evaluation.bootstrap import patient_draws
from cxrtutor.viewing.widgets.reader_study import ReaderStudy


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def picture(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_films_arrive_as_they_are_and_the_prompt_stays_at_home():
    values = json.loads(json.dumps(ReaderStudy(FILMS).page_values()))
    assert values["key"] == FILMS.key and values["results"] == {}
    for film, sent in zip((*FILMS.films, FILMS.practice), [*values["films"], values["practice"]], strict=True):
        assert "prompt" not in sent and sent["finding"] == film.finding
        shape = sent["height"], sent["width"]
        assert np.array_equal(picture(sent["image"]), film.image) and np.array_equal(picture(sent["heat"]), film.heat)
        for name, mask in (("truth", film.truth), ("hot", film.hot("right"))):
            assert np.array_equal(np.unpackbits(bytes_of(sent[name]), count=film.truth.size).reshape(shape), mask)


def test_the_page_draws_films_as_intervals_do():
    draws = ReaderStudy(FILMS).draws
    assert set(draws) == {"8", "4", "2"}
    for number, sent in draws.items():
        table = bytes_of(sent).reshape(-1, int(number))
        assert np.array_equal(table, patient_draws(int(number))) and (table.sum(axis=1) == int(number)).all()


def test_the_page_stays_light():
    study = ReaderStudy(shipped.reading_set())
    assert set(study.draws) == {"20", "10", "5"}
    assert len(study.page_html()) < 700_000
