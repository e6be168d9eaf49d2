"""Is it the large, the plain and the lone lesions that are found? The same measurements, sorted by what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ..data.study import Study
from ..errors import InputError
from .measurements import Measurements
from .truth import truth_mask

By = Literal["size", "contrast", "number"]
_THIRDS = {"size": ("small", "medium", "large"), "contrast": ("faint", "medium", "plain")}


def by_stratum(measured: Measurements, studies: Sequence[Study], by: By) -> dict[str, Measurements]:
    """Measurements of localization apart by stratum: rows for a table, each with its interval.

    Args:
        measured: what `evaluate` gave.
        studies: those that were measured.
        by: "size", thirds by the share of the film that the lesions asked for cover; "contrast", thirds by their
            visibility, which the teaching set knows (of several the least visible); or "number", how many lesions the
            study has.

    Returns:
        Strata from least to most, named with their limits. Strata hold different findings in different shares (there
        are no large nodules): compare them within a finding before you call it an effect of size.

    Raises:
        InputError: a study is not among those measured, was asked for what it does not show, or knows no visibility.
    """
    at = {studies[position].id: position for position in range(len(studies))}
    values = []
    for study, lesions in zip(measured.rows["study"], measured.rows["lesions"], strict=True):
        if study not in at:
            raise InputError(f"{study} was measured and is not among these studies. Give those that were measured.")
        if lesions.startswith("no "):
            raise InputError(f"{study} was asked for {lesions[3:]}, which it does not show. Measure what is there.")
        values.append(_VALUES[by](studies[at[study]], [int(number) for number in lesions.split("+")]))
    value = np.array(values)
    strata = _numbers(value) if by == "number" else _thirds(value, _THIRDS[by], _UNITS[by])
    return {
        name: replace(measured, rows=measured.rows[chosen].reset_index(drop=True))
        for name, chosen in strata.items()
        if chosen.any()
    }


def _size(study: Study, lesions: Sequence[int]) -> float:
    return float(truth_mask([study.findings[number] for number in lesions], study.image.shape).mean())


def _visibility(study: Study, lesions: Sequence[int]) -> float:
    try:
        return min(float(study.findings[number].attributes["visibility"]) for number in lesions)
    except KeyError as error:
        raise InputError(f"{study.id} does not say how visible its lesions are; only the teaching set does.") from error


def _number(study: Study, lesions: Sequence[int]) -> float:
    return float(len(study.findings))


_VALUES: Mapping[By, Callable[[Study, Sequence[int]], float]] = {
    "size": _size,
    "contrast": _visibility,
    "number": _number,
}
_UNITS: Mapping[str, Callable[[float], str]] = {
    "size": lambda value: f"{100 * value:.1f} %",
    "contrast": lambda value: f"{value:.1f}",
}


def _thirds(values: np.ndarray, names: Sequence[str], written: Callable[[float], str]) -> dict[str, np.ndarray]:
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    return {
        f"{names[0]} (up to {written(low)})": values <= low,
        f"{names[1]} ({written(low)} to {written(high)})": (values > low) & (values <= high),
        f"{names[2]} (over {written(high)})": values > high,
    }


def _numbers(values: np.ndarray) -> dict[str, np.ndarray]:
    return {"1 lesion": values == 1, "2 lesions": values == 2, "3 lesions or more": values >= 3}
