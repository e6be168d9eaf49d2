"""Measurements sorted by what is known of the lesions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_sets import study

from cxrtutor.errors import InputError
from cxrtutor.evaluation.measurements import Measurements
from cxrtutor.evaluation.strata import by_stratum
from cxrtutor.evaluation.tables import ResultTable


def measured_studies():
    """Nine studies; number `n` has a lesion of 4 x (n + 1) pixels and a visibility of n, and n % 3 lesions more."""
    studies, rows = [], []
    for number in range(9):
        boxes = [("mass", "mass", (0, 0, 4, number + 1))] + [("edema", "edema", (32, 0, 64, 64))] * (number % 3)
        made = study(number, boxes)
        findings = tuple(replace(each, attributes={"visibility": float(number)}) for each in made.findings)
        studies.append(replace(made, findings=findings))
        rows.append(
            {"study": f"s{number}", "patient": f"p{number}", "finding": "mass", "lesions": "0", "prompt": "mass"}
        )
    frame = pd.DataFrame(rows).assign(iou=np.arange(9) / 10)
    return Measurements(frame, "afloc", "precise"), studies


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("size", ["small (up to 0.4 %)", "medium (0.4 % to 0.6 %)", "large (over 0.6 %)"]),
        ("contrast", ["faint (up to 2.7)", "medium (2.7 to 5.3)", "plain (over 5.3)"]),
    ],
)
def test_thirds(by, names):
    measured, studies = measured_studies()
    strata = by_stratum(measured, studies, by)
    assert list(strata) == names
    assert [each.rows.study.tolist() for each in strata.values()] == [
        ["s0", "s1", "s2"],
        ["s3", "s4", "s5"],
        ["s6", "s7", "s8"],
    ]
    assert [each.macro()["iou"] for each in strata.values()] == pytest.approx([0.1, 0.4, 0.7])
    assert names[0] in str(ResultTable(strata, metrics=("iou",)))


def test_by_number_of_lesions():
    measured, studies = measured_studies()
    strata = by_stratum(measured, studies, "number")
    assert {name: each.rows.study.tolist() for name, each in strata.items()} == {
        "1 lesion": ["s0", "s3", "s6"],
        "2 lesions": ["s1", "s4", "s7"],
        "3 lesions or more": ["s2", "s5", "s8"],
    }


def test_lesions_measured_as_one_count_as_one():
    measured, studies = measured_studies()
    rows = measured.rows.copy()
    rows.loc[1, "lesions"] = "0+1"  # half of the film
    strata = by_stratum(replace(measured, rows=rows), studies, "size")
    assert "s1" in list(strata.values())[-1].rows.study.tolist()


def test_what_cannot_be_sorted():
    measured, studies = measured_studies()
    absent = replace(measured, rows=measured.rows.assign(lesions="no edema"))
    with pytest.raises(InputError, match="s0 was asked for edema, which it does not show"):
        by_stratum(absent, studies, "size")
    with pytest.raises(InputError, match="s0 was measured and is not among these studies"):
        by_stratum(measured, studies[1:], "size")
    blind = [replace(each, findings=tuple(replace(one, attributes={}) for one in each.findings)) for each in studies]
    with pytest.raises(InputError, match="s0 does not say how visible"):
        by_stratum(measured, blind, "contrast")
