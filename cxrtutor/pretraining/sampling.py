"""What training draws at random, as pure functions: nothing to save, nothing to go wrong on resume, and every process
draws the same.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from ..methods.config import TrainingText

_SENTENCES, _VIEW, _COPY, _DROPOUT = 1, 2, 3, 4
"""Tell the draws apart that share a seed and an epoch. None is 0: NumPy takes missing numbers of a seed for zeros."""


WINDOW = 128
"""Row groups whose studies are mixed: 4,096 studies, 140 MB in every process that reads images of 224 pixels."""


def batches(
    studies: int, batch_size: int, seed: int, epoch: int, groups: Int[np.ndarray, " studies"] | None = None
) -> list[Int[np.ndarray, " batch_size"]]:
    """The study indices of every batch of one epoch: each study at most once, the incomplete last batch dropped.

    A set smaller than one batch gives one batch of all its studies.

    Args:
        studies: how many there are.
        batch_size: of a whole batch, over all processes.
        seed: of the run.
        epoch: counted from 0.
        groups: the row group of every study. With them the row groups come in a random order, and studies are mixed
            with those of a `WINDOW` of groups, so that who keeps the window in memory reads each group once; without,
            all studies are mixed.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(studies) if groups is None else _order_by_windows(groups, rng)
    count = max(studies // batch_size, 1)
    return [order[index * batch_size : (index + 1) * batch_size] for index in range(count)]


def _order_by_windows(groups: Int[np.ndarray, " studies"], rng: np.random.Generator) -> Int[np.ndarray, " studies"]:
    names, group = np.unique(groups, return_inverse=True)
    window = rng.permutation(len(names))[group] // WINDOW
    return np.lexsort((rng.permutation(len(groups)), window))


def view_of_batch(views: int, seed: int, epoch: int, batch: int) -> int:
    """Which of so many views of the set a batch is drawn from.

    All of a batch comes from one view: else a mirrored image could be told from its neighbours by that alone, and the
    reports that fit it too.
    """
    return int(np.random.default_rng([seed, epoch, batch, _VIEW]).integers(views))


def copy_of_batch(copies: int, seed: int, epoch: int, batch: int) -> int:
    """Which of so many copies of its images, each blanked in other places, a batch is shown."""
    return int(np.random.default_rng([seed, epoch, batch, _COPY]).integers(copies))


def dropout_seed(seed: int, step: int, rank: int) -> int:
    """What the random numbers of a step begin from in a process other than the first, which keeps a state of its own:
    else all processes would leave out the same of their parts of a batch."""
    return int(np.random.SeedSequence([seed, step, rank, _DROPOUT]).generate_state(1, np.uint64)[0])


def shown_sentences(
    with_words: Int[np.ndarray, " sentences"], text: TrainingText, seed: int, epoch: int, study: int
) -> Int[np.ndarray, " shown"]:
    """Which sentences of a study's report an epoch shows, and in which order.

    A "subset" may have any size from one sentence to all of them, each size being equally likely. An empty report stays
    empty.

    Args:
        with_words: the positions of the sentences that hold words; the others are never drawn.
        text: what is asked for.
        seed: of the run.
        epoch: counted from 0.
        study: its index in the set.
    """
    count = len(with_words)
    draw = np.random.default_rng([seed, epoch, study, _SENTENCES])
    sizes = {"all": count, "one": min(count, 1), "subset": int(draw.integers(1, count + 1)) if count else 0}
    drawn = draw.permutation(with_words)[: sizes[text.sentences]]
    return drawn if text.shuffled else np.sort(drawn)
