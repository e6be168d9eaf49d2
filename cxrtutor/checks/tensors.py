"""Exercises of `tensors`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.formulas import matching
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda maps: np.asarray(maps).reshape(*maps.shape[:2], -1).swapaxes(1, 2),
    inputs=[(np.arange(24.0).reshape(2, 3, 2, 2),), (np.arange(60.0).reshape(1, 5, 3, 4),)],
    tensors=True,
)
def map_to_regions(answer):
    """Tensors for this book: a map [batch, dim, height, width] as regions [batch, height * width, dim]."""
    maps = map_to_regions.inputs[1][0]
    given = answer(maps)
    yield (
        same(given, maps.reshape(1, 12, 5)),
        "The shape is right and the numbers are scrambled: a reshape only cuts the row of numbers anew. "
        "Move `dim` to the end before you join height and width.",
    )
    yield same(given, maps.reshape(1, 5, 12)), "That is [batch, dim, regions]. Which two axes must change places?"
    yield same(given, maps.transpose(0, 2, 3, 1)), "Yours is still a map: join height and width into one axis."
    yield (
        same(given, maps.transpose(0, 3, 2, 1).reshape(1, 12, 5)),
        "Your regions run down the columns. Region 1 should be the right neighbour of region 0.",
    )


@exercise(
    right=lambda a, b: _rows_of_length_one(np.asarray(a)) @ _rows_of_length_one(np.asarray(b)).T,
    inputs=[
        (np.array([[3.0, 4.0], [1.0, 0.0], [-2.0, 2.0]]), np.array([[4.0, 3.0], [0.0, 0.5]])),
        (np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])),
    ],
    tensors=True,
)
def cosine_table(answer):
    """Tensors for this book: the cosine of every row of one table with every row of another."""
    a, b = cosine_table.inputs[0]
    given = answer(a, b)
    yield same(given, a @ b.T), "These are dot products: a long vector wins everywhere. Divide by the lengths."
    yield same(given, cosine_table.right(b, a)), "Rows and columns are exchanged: `a` belongs in the rows."
    yield (
        same(given, (a / np.linalg.norm(a, axis=0)) @ (b / np.linalg.norm(b, axis=0)).T),
        "You divide columns by their lengths. A vector is a *row*: its length is a sum over the last axis.",
    )
    yield (
        same(given, a @ b.T / (np.linalg.norm(a) * np.linalg.norm(b))),
        "You divide by the length of the whole table. Each row has its own: keep that axis (`keepdim=True`).",
    )


@exercise(
    right=lambda units, mask: np.stack(
        [u[m].mean(axis=0) for u, m in zip(np.asarray(units), np.asarray(mask), strict=True)]
    ),
    inputs=[
        (
            np.array(
                [
                    [[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]],
                    [[4.0, 0.0], [9.0, 9.0], [9.0, 9.0]],
                    [[1.0, 1.0], [2.0, 0.0], [9.0, 9.0]],
                ]
            ),
            np.array([[True, True, False], [True, False, False], [True, True, False]]),
        ),
        (np.array([[[1.0, 2.0], [np.nan, np.nan]]]), np.array([[True, False]])),
    ],
    tensors=True,
)
def masked_mean(answer):
    """Tensors for this book: the mean of the real units of each report."""
    units, mask = masked_mean.inputs[0]
    given = answer(units, mask)
    real = units * mask[..., None]
    yield same(given, units.mean(axis=1)), "Padding is counted as if it were a sentence. Use the mask."
    yield (
        same(given, real.mean(axis=1)),
        "The sum is right. Divide by the number of *real* units, not by the padded one.",
    )
    yield same(given, real.sum(axis=1)), "That is the sum. How many real units has each report?"
    yield same(given, real.sum(axis=1) / mask.sum()), "You divide by the real units of the whole batch."
    yield (
        np.isnan(as_array(answer(*masked_mean.inputs[1]))).any(),
        "Right while padding holds numbers. Where it holds NaN your answer is NaN, because 0 times NaN is NaN: "
        "*replace* padding (`masked_fill`), do not multiply it away.",
    )


@exercise(
    right=lambda scores: np.logaddexp.reduce(np.asarray(scores), axis=-1),
    inputs=[
        (np.log(np.array([[1.0, 3.0], [2.0, 6.0]], np.float32)),),
        (np.array([[1000.0, 1000.0], [0.0, 0.0]], np.float32),),
        (np.array([[-np.inf, 0.0], [-np.inf, -np.inf]], np.float32),),
    ],
    tensors=True,
)
def log_sum_exp(answer):
    """Tensors for this book: the logarithm of a sum of exponentials along the last axis, for any size of score."""
    small, large, empty = (arguments[0] for arguments in log_sum_exp.inputs)
    given = as_array(answer(large))
    yield np.isposinf(given).any(), "At a score of 1000 yours overflows. Subtract the largest score first."
    yield same(answer(small), np.log([4 / 3, 4 / 3])), "The largest score is missing: add it back at the end."
    yield (
        np.isneginf(given).any(),
        "Two scores of 0 give ln 2, beside a row of 1000s too. You subtract *one* maximum from the whole table; "
        "each row needs its own.",
    )
    yield (
        np.isnan(as_array(answer(empty))).any(),
        "A row of nothing but minus infinity (every unit masked) gives NaN: infinity minus infinity. "
        "Let the maximum you subtract be at least the smallest finite number.",
    )


@exercise(
    right=lambda attention, regions: np.stack(
        [a @ r for a, r in zip(np.asarray(attention), np.asarray(regions), strict=True)]
    ),
    inputs=[
        (
            np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], [[0.0, 0.0, 1.0], [0.2, 0.2, 0.6]]]),
            np.arange(24.0).reshape(2, 3, 4),
        )
    ],
    tensors=True,
)
def contexts(answer):
    """Tensors for this book: each unit's average of the regions of its own image, weighted by attention."""
    attention, regions = contexts.inputs[0]
    given, right = answer(attention, regions), contexts.right(attention, regions)
    yield same(given, right.sum(axis=0)), "The batch is gone: name it behind the arrow too, and images stay apart."
    yield same(given, right.swapaxes(1, 2)), "That is [batch, dim, units]. Wanted is [batch, units, dim]."
    yield (
        same(given, np.einsum("bum,md->bud", attention, regions.sum(axis=0))),
        "Each unit looks at the regions of *all* images. Give both factors the same letter for the batch.",
    )
    yield (
        same(given, np.broadcast_to(regions.mean(axis=1)[:, None], right.shape)),
        "All units see the same. Where does attention come in?",
    )


@exercise(
    right=lambda values, group, groups: np.stack(
        [np.asarray(values)[np.asarray(group) == g].sum(axis=0) for g in range(groups)]
    ),
    inputs=[(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]), np.array([2, 0, 2, 0]), 4)],
    tensors=True,
)
def group_sums(answer):
    """Tensors for this book: the sum of the rows of each group, where groups have different sizes."""
    values, group, groups = group_sums.inputs[0]
    given, right = answer(values, group, groups), group_sums.right(values, group, groups)
    yield (
        same(given, np.stack([values[3], 0 * values[0], values[2], 0 * values[0]])),
        "Each group holds only its last row: `sums[group] += values` reads, adds and writes once for all rows, and "
        "rows of one group overwrite each other. `index_add` adds one after the other.",
    )
    yield same(given, right[[0, 2]]), "Groups without a row have disappeared. They should be rows of zeros."
    yield (
        same(given, right / np.array([2, 1, 2, 1])[:, None]),
        "That is the mean of each group. Wanted is the sum.",
    )
    yield (
        same(given, values[group]),
        "You *take* rows by their group's number. Wanted is the way back: add them into it.",
    )


@exercise(
    right=lambda table: float(matching(np.asarray(table)) + matching(np.asarray(table).T)),
    inputs=[(np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [0.0, 3.0, 0.0]]),), (np.array([[1.6, 0.4], [1.2, 1.4]]),)],
    tensors=True,
)
def matching_loss(answer):
    """Tensors for this book: cross-entropy of a table whose targets are the diagonal, both ways, summed."""
    table = matching_loss.inputs[0][0]
    given, rows, columns = answer(table), matching(table), matching(table.T)
    yield same(given, rows), "That is one way: each row chooses a column. Columns must choose a row as well."
    yield same(given, columns), "That is one way: each column chooses a row. Rows must choose a column as well."
    yield same(given, (rows + columns) / 2), "In this book *both ways* means the sum, not the mean."
    yield (
        same(given, 3 * (rows + columns)),
        "You add up the studies. The mean keeps batches of different size comparable.",
    )
    yield same(given, -rows - columns), "The sign: a loss is smaller where the diagonal is larger."


def _rows_of_length_one(table: np.ndarray) -> np.ndarray:
    return table / np.linalg.norm(table, axis=1, keepdims=True)
