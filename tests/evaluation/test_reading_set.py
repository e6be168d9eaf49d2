"""The films of a reader study: how they are kept, and who sees which of them under what map."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from evaluation.readers import FILMS, film
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrtutor.errors import InputError
from cxrtutor.evaluation.reading_set import HOT, ReadingSet, coded

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_every_film_is_read_bare_and_then_again_after_half_a_round(seed):
    plan = FILMS.plan(seed)
    number = len(FILMS.films)
    assert [shown.round for shown in plan] == [1] * number + [2] * number
    assert {shown.map for shown in plan[:number]} == {"none"}
    assert Counter(shown.map for shown in plan[number:]) == {"right": 4, "wrong": 2, "none": 2}
    first, second = ([shown.film for shown in part] for part in (plan[:number], plan[number:]))
    assert set(first) == set(second) == {one.id for one in FILMS.films}
    between = [number + second.index(one) - first.index(one) - 1 for one in first]
    assert min(between) >= number // 2


def test_over_readers_every_film_comes_first_and_under_every_map_equally_often():
    readers = 1200
    plans = [FILMS.plan(seed) for seed in range(readers)]
    under = Counter((shown.film, shown.map) for plan in plans for shown in plan[len(FILMS.films) :])
    first = Counter(plan[0].film for plan in plans)
    for one in FILMS.films:
        assert under[one.id, "wrong"] / readers == pytest.approx(1 / 4, abs=0.05)
        assert under[one.id, "none"] / readers == pytest.approx(1 / 4, abs=0.05)
        assert first[one.id] / readers == pytest.approx(1 / 8, abs=0.05)


def test_a_plan_is_the_same_for_the_same_seed_alone():
    assert FILMS.plan(7) == FILMS.plan(7) != FILMS.plan(8)
    # Files that readers have downloaded hold to this one; another rule would call all of them changed by hand.
    assert [shown.film[-1] for shown in FILMS.plan(7)] == list("4612357012640537")


def test_the_wrong_map_is_the_right_one_in_a_mirror():
    for one in FILMS.films:
        right, wrong = one.hot("right"), one.hot("wrong")
        assert right.any() and np.array_equal(wrong, right[:, ::-1])
        assert (right & one.truth).sum() > 0 == (wrong & one.truth).sum()


@given(arrays(np.float32, 20, elements=st.floats(-1, 1, width=32) | st.just(np.nan)))
def test_a_map_in_eight_bits_is_as_warm_as_it_was(heat):
    bits = coded(heat)
    assert np.array_equal(bits == 0, np.isnan(heat))
    judged = ~np.isnan(heat)
    np.testing.assert_allclose((bits[judged] - 1.0) / 127 - 1, heat[judged], atol=0.5 / 127 + 1e-6)
    far = judged & (np.abs(heat - HOT) > 1 / 127)
    assert np.array_equal(bits[far] > coded(np.array(HOT)), heat[far] > HOT)


def test_films_are_kept_to_the_last_pixel(tmp_path):
    FILMS.save(tmp_path / "films.json")
    back = ReadingSet.load(tmp_path / "films.json")
    assert back.key == FILMS.key
    for one, other in zip((*FILMS.films, FILMS.practice), (*back.films, back.practice), strict=True):
        assert (one.id, one.patient, one.finding, one.prompt) == (other.id, other.patient, other.finding, other.prompt)
        for name in ("image", "heat", "truth"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_another_film_or_pixel_makes_another_set():
    others = [
        ReadingSet(FILMS.films[2:], FILMS.practice),
        ReadingSet(FILMS.films, film(10)),
        ReadingSet((film(8), *FILMS.films[1:]), FILMS.practice),
    ]
    truth = FILMS.films[0].truth.copy()
    truth[0, 0] = not truth[0, 0]
    changed = type(FILMS.films[0])(**{**vars(FILMS.films[0]), "truth": truth})
    others.append(ReadingSet((changed, *FILMS.films[1:]), FILMS.practice))
    assert len({FILMS.key, *(other.key for other in others)}) == 5


@pytest.mark.parametrize("number", [0, 2, 5])
def test_too_few_films_or_an_odd_number_make_no_study(number):
    with pytest.raises(InputError, match=f"^{number} films make no reader study: .* an even number .* 4 or more"):
        ReadingSet(FILMS.films[:number], FILMS.practice)


@pytest.mark.parametrize("what", ["id", "patient"])
def test_no_two_films_are_of_one_patient(what):
    twice = replace(FILMS.films[1], **{what: getattr(FILMS.films[0], what)})
    with pytest.raises(InputError, match=f"1 of 8 films have the {what} of another"):
        ReadingSet((FILMS.films[0], twice, *FILMS.films[2:]), FILMS.practice)


@pytest.mark.parametrize("content", [None, "", "[]", '{"films": []}', '{"films": [{}], "practice": {}}'])
def test_a_file_that_holds_no_films_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "films.json").write_text(content)
    with pytest.raises(InputError, match=r"films.json holds no films of a reader study"):
        ReadingSet.load(tmp_path / "films.json")
