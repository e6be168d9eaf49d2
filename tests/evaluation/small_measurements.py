"""Measurements made up by hand."""

import pandas as pd

from cxrtutor.evaluation.measurements import Measurements


def table(*rows, protocol="afloc"):
    """Measurements of (study, patient, finding, value)."""
    frame = pd.DataFrame(rows, columns=["study", "patient", "finding", "iou"])
    frame = frame.assign(lesions="0", prompt=frame.finding, dice=frame.iou / 2, cnr=frame.iou * 2, pointing=frame.iou)
    return Measurements(frame, protocol, "precise")


def rows(values, findings=("mass",), patients=None):
    patients = patients or [f"p{i:04d}" for i in range(len(values))]
    return table(
        *(
            (f"s{i:04d}", p, findings[i % len(findings)], v)
            for i, (p, v) in enumerate(zip(patients, values, strict=True))
        )
    )
