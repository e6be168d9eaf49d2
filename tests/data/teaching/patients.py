"""Hypothesis strategies for lesions: everything a patient of the teaching set might have, and more."""

from __future__ import annotations

from hypothesis import strategies as st

from cxrtutor.data.teaching.lesion import FINDINGS, Lesion

SEVERITIES = ("small", "moderate", "large")
ZONES = ("apical", "upper", "middle", "lower", "perihilar", "basal", "whole")
LOBES = {
    ("left", "upper"): ("upper lobe", "lingula"),
    ("right", "upper"): ("upper lobe",),
    ("left", "middle"): ("lingula",),
    ("right", "middle"): ("middle lobe",),
    ("left", "lower"): ("lower lobe",),
    ("right", "lower"): ("lower lobe",),
}


@st.composite
def breaths(draw: st.DrawFn, group: int, findings: tuple[str, ...] = FINDINGS) -> tuple[Lesion, ...]:
    """One to four lesions of one finding that are reported together."""
    finding = draw(st.sampled_from(findings))
    if finding == "cardiomegaly":
        return (Lesion(finding, "middle", "whole", draw(st.sampled_from(SEVERITIES)), group=group),)
    if finding == "edema":
        return (Lesion(finding, "both", draw(st.sampled_from(ZONES)), draw(st.sampled_from(SEVERITIES)), group=group),)
    if finding in ("pleural effusion", "pneumothorax"):
        zone = "basal" if finding == "pleural effusion" else draw(st.sampled_from(("apical", "upper", "whole")))
        sides = draw(st.sampled_from((("left",), ("right",), ("left", "right"), ("both",))))
        return tuple(Lesion(finding, side, zone, draw(st.sampled_from(SEVERITIES)), group=group) for side in sides)
    return tuple(draw(_lung_lesion(finding, group)) for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 4)))))


@st.composite
def _lung_lesion(draw: st.DrawFn, finding: str, group: int) -> Lesion:
    side, zone = draw(st.sampled_from(("left", "right", "both"))), draw(st.sampled_from(ZONES))
    lobe = draw(st.sampled_from((None, *LOBES.get((side, zone), ()))))
    measured = finding in ("nodule", "mass", "cavity") and draw(st.booleans())
    size = draw(st.floats(7.0, 120.0)) if measured else None
    return Lesion(finding, side, zone, draw(st.sampled_from(SEVERITIES)), lobe, size, group)


@st.composite
def patients(draw: st.DrawFn, findings: tuple[str, ...] = FINDINGS) -> tuple[Lesion, ...]:
    """Up to four breaths, in which a finding may come twice."""
    count = draw(st.integers(0, 4))
    lesions = [lesion for group in range(count) for lesion in draw(breaths(group, findings))]
    return tuple(draw(st.permutations(lesions)))
