"""What training draws is a function of seed, epoch and study alone, and is what was asked for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.methods.config import TrainingText
from cxrtutor.pretraining.sampling import batches, shown_sentences, view_of_batch

seeds = st.integers(0, 5)
positions = st.lists(st.integers(0, 12), max_size=8, unique=True).map(lambda places: np.array(sorted(places), int))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_shows_no_study_twice_in_full_batches(studies: int, size: int, seed: int, epoch: int) -> None:
    order = batches(studies, size, seed, epoch)
    shown = np.concatenate(order)
    assert len(np.unique(shown)) == len(shown)
    assert all(len(batch) == min(size, studies) for batch in order)
    assert studies - len(shown) < size


def test_epochs_and_seeds_differ_and_repeat() -> None:
    assert np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 1, 2)[3])
    assert not np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 1, 3)[3])
    assert not np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 2, 2)[3])


@given(positions, st.sampled_from(["all", "one", "subset"]), st.booleans(), seeds, seeds, st.integers(0, 500))
def test_sentences_are_the_reports_own_each_at_most_once(
    places: np.ndarray, sentences: str, shuffled: bool, seed: int, epoch: int, study: int
) -> None:
    text = TrainingText(sentences=sentences, shuffled=shuffled)
    shown = shown_sentences(places, text, seed, epoch, study)
    assert set(shown.tolist()) <= set(places.tolist())
    assert len(set(shown.tolist())) == len(shown)
    sizes = {"all": {len(places)}, "one": {min(1, len(places))}, "subset": set(range(1, len(places) + 1)) or {0}}
    assert len(shown) in sizes[sentences]
    assert shuffled or np.array_equal(shown, np.sort(shown))
    assert np.array_equal(shown, shown_sentences(places, text, seed, epoch, study))


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_seeds_epochs_and_studies_draw_differently(other: tuple[int, int, int]) -> None:
    text, places = TrainingText(sentences="all", shuffled=True), np.arange(12)
    assert not np.array_equal(shown_sentences(places, text, 0, 0, 0), shown_sentences(places, text, *other))


def test_one_is_any_sentence_alike() -> None:
    text, places = TrainingText(sentences="one"), np.array([0, 2, 3, 7])
    counts = Counter(int(shown_sentences(places, text, 0, epoch, 5)[0]) for epoch in range(2000))
    assert set(counts) == {0, 2, 3, 7}
    assert all(abs(count - 500) < 4 * np.sqrt(2000 * 0.25 * 0.75) for count in counts.values())


def test_a_subset_has_every_size_and_every_order_alike() -> None:
    text, places = TrainingText(sentences="subset", shuffled=True), np.arange(3)
    counts = Counter(tuple(shown_sentences(places, text, 0, 0, study).tolist()) for study in range(3000))
    by_size = Counter(len(shown) for shown in counts.elements())
    assert all(abs(by_size[size] - 1000) < 4 * np.sqrt(3000 * 2 / 9) for size in (1, 2, 3))
    assert len([shown for shown in counts if len(shown) == 3]) == 6
    assert all(abs(counts[shown] - 1000 / 6) < 4 * np.sqrt(1000 / 6) for shown in counts if len(shown) > 1)


def test_the_draw_of_sentences_is_not_the_draw_of_the_order_of_studies() -> None:
    order = batches(12, 12, 3, 1)[0]
    for study in range(3):
        assert not np.array_equal(
            order, shown_sentences(np.arange(12), TrainingText(shuffled=True), seed=3, epoch=1, study=study)
        )


def test_views_are_drawn_alike_and_every_batch_draws_anew() -> None:
    drawn = [view_of_batch(4, 0, epoch, batch) for epoch in range(20) for batch in range(50)]
    counts = Counter(drawn)
    assert set(counts) == set(range(4))
    assert all(abs(count - 250) < 4 * np.sqrt(1000 * 3 / 16) for count in counts.values())
    assert drawn[:50] == [view_of_batch(4, 0, 0, batch) for batch in range(50)]
    assert drawn[:50] != drawn[50:100] != [view_of_batch(4, 1, 1, batch) for batch in range(50)]


def test_a_single_view_is_always_drawn() -> None:
    assert {view_of_batch(1, 0, epoch, 0) for epoch in range(10)} == {0}
