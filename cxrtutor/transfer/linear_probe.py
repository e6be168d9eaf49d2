"""The linear probe: how much of what is asked can be read off an image's vector by a weighted sum (chapter 17).

Nothing of the representation is trained, so the vectors are computed once for all shares of the labels. Few-shot
classification is the same on fewer examples (`examples.shots`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..evaluation.classification import Predictions
from ..evaluation.published import PROBE_PROTOCOL
from .examples import LabelledExamples
from .representation import Representation, all_vectors

STRENGTH = 0.03
"""How much the labels count against the penalty, the same for every representation and share of the labels.

Chosen once, on the validation split of the teaching set: by the mean AUROC of nine findings with 1, 10 and 100 % of the
labels (three draws), for nine representations (random, ImageNet, untrained heads, and six runs of five methods).
Against the best strength from .003 to .3 for each of these 27 cells, .03 loses .002 on average and .006 at most, .01
loses .003 and .011, and .1 loses .004 and .013. It is not tuned for each run: the 400 films of a validation split are
more than ten times the labels of a share of 1 %, and who has but these 30 cannot tune on them.
"""

_ITERATIONS, _TOLERANCE = 1000, 1e-6


def linear_probe(
    representation: Representation, train: LabelledExamples, test: LabelledExamples, *, strength: float = STRENGTH
) -> Predictions:
    """Score the test examples by logistic regression on standardised vectors of the training examples.

    Mean and deviation of each number of the vectors are those of the training examples. Then each name is a question of
    its own, answered by the examples whose answer to it is known; exclusive classes are one question (multinomial). A
    name without examples of both kinds cannot be learned (`untaught`): its score is the same for all test examples.

    Args:
        representation: gives vectors, and stays as it is.
        train: examples with their answers.
        test: examples with the same names.
        strength: how much the labels count against the squared weights (scikit-learn's `C`).

    Raises:
        InputError: the two do not ask for the same, no name can be learned, or none can be measured: several may be
            there, and of each the test examples know one answer alone.
    """
    if (train.names, train.exclusive) != (test.names, test.exclusive):
        raise InputError(
            f"The training examples ask for {', '.join(train.names)}, and the test examples for "
            f"{', '.join(test.names)}. Take both from the same task."
        )
    if len(untaught(train)) >= len(train.names) - train.exclusive:
        raise InputError(
            f"{len(train)} training examples do not show both what is asked for ({', '.join(train.names)}) and what is "
            "not. Give more labels."
        )
    if not test.exclusive and len(untaught(test)) == len(test.names):
        raise InputError(
            f"Of {test}, none shows what is asked for ({', '.join(test.names)}) or all do, so there is nothing to "
            "rank. Take more."
        )
    scores = probed(
        all_vectors(representation, train.studies, train.positions),
        train.targets,
        all_vectors(representation, test.studies, test.positions),
        exclusive=train.exclusive,
        strength=strength,
    )
    return Predictions(test.ids, test.patients, test.names, scores, test.targets, test.exclusive, PROBE_PROTOCOL)


def untaught(train: LabelledExamples) -> tuple[str, ...]:
    """The names that these examples cannot teach: they never show them or, unless classes are exclusive, always."""
    shown, absent = (train.targets == 1).any(axis=0), (train.targets == 0).any(axis=0)
    taught = shown if train.exclusive else shown & absent
    return tuple(name for name, both in zip(train.names, taught, strict=True) if not both)


def probed(
    vectors: Float[np.ndarray, "examples dim"],
    targets: Float[np.ndarray, "examples names"],
    asked: Float[np.ndarray, "asked dim"],
    *,
    exclusive: bool,
    strength: float = STRENGTH,
) -> Float[np.ndarray, "asked names"]:
    """The probability of every name for the vectors `asked`, by regression on the others and their targets."""
    scaler = StandardScaler().fit(vectors.astype(float))
    given, asked = scaler.transform(vectors.astype(float)), scaler.transform(asked.astype(float))
    if exclusive:
        return _probabilities(given, targets.argmax(axis=1), asked, targets.shape[1], strength)
    columns = []
    for target in targets.T:
        known = ~np.isnan(target)
        columns.append(_probabilities(given[known], target[known].astype(int), asked, 2, strength)[:, 1])
    return np.stack(columns, axis=1)


def _probabilities(
    given: Float[np.ndarray, "examples dim"],
    classes: Int[np.ndarray, " examples"],
    asked: Float[np.ndarray, "asked dim"],
    number: int,
    strength: float,
) -> Float[np.ndarray, "asked number"]:
    """Of every class; where all examples are of one class, or there is none, the same whatever is asked."""
    probabilities = np.zeros((len(asked), number))
    there = np.unique(classes)
    if len(there) < 2:
        probabilities[:, there] = 1.0
        return probabilities if len(there) else probabilities + 1 / number
    # Matrices as small as these gain nothing from threads, which wait for one another on a machine that is busy: with
    # two, nine probes have taken twenty times as long.
    with threadpool_limits(1):
        fitted = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE).fit(given, classes)
        probabilities[:, fitted.classes_] = fitted.predict_proba(asked)
    return probabilities
