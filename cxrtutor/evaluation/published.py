"""Published figures as data, each with where it was read, under which protocol, and how sure the reading is.

They are there to stand *beside* a table (`ResultTable.beside`), never in it: other films, other training, and
often another protocol. MedKLIP on MS-CXR is here twice, .264 and .187 of IoU. The second is a re-run, which read its
maps in another way; how much of the gap that makes, and how much the rest of the re-run, its source does not say.

No figure of LSM or of MLIP (arXiv 2401.01591) was found, and none of AFLoc on CheXlocalize; so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError

Certainty = Literal["verified", "read off a figure"]


@dataclass(frozen=True)
class Published:
    """One published figure.

    `pandas.DataFrame(published(...))` makes a table of many.

    Attributes:
        method: as its source calls it.
        dataset: the public set it was measured on.
        metric: "iou", "dice", "cnr", "pointing"; of transfer "auroc", "accuracy", "dice", "map". All but CNR are shares
            (.342, not 34.2).
        value: as it was published.
        low, high: the published limits of a 95 % interval; None where there are none.
        protocol: how it was measured; `localization.protocols` has those of localization under these names.
        source: where it was read.
        certainty: "verified" was read in the source's text or code; "read off a figure" holds to `error`.
        finding: of which finding alone; None for all of the set.
        labels: of transfer, the share of the training labels that was used.
    """

    method: str
    dataset: str
    metric: str
    value: float
    low: float | None
    high: float | None
    protocol: str
    source: str
    certainty: Certainty
    finding: str | None = None
    labels: float | None = None

    @property
    def error(self) -> float:
        """How far the reading may be off: 0 in a text; in a figure .001, and .004 on the longer axis of CNR."""
        if self.certainty == "verified":
            return 0.0
        return 0.004 if self.metric == "cnr" else 0.001

    @property
    def called(self) -> str:
        """The method, with the finding and the share of labels where the figure is of these alone."""
        labels = None if self.labels is None else f"{self.labels:.0%} of labels"
        about = ", ".join(part for part in (self.finding, labels) if part)
        return f"{self.method} ({about})" if about else self.method

    def __str__(self) -> str:
        """The value to three decimals, with its limits where there are any; "≈" where it was read off a figure."""
        about = "≈ " if self.error else ""
        limits = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{about}{self.value:.3f}{limits}"


def published(
    *,
    method: str | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    protocol: str | None = None,
    finding: str | None = None,
    labels: float | None = None,
) -> list[Published]:
    """All published figures, or those that have the given values.

    Raises:
        InputError: there is no figure of such a method, set, metric or protocol at all.
    """
    asked = {"method": method, "dataset": dataset, "metric": metric, "protocol": protocol}
    asked |= {"finding": finding, "labels": labels}
    asked = {key: value for key, value in asked.items() if value is not None}
    for key, value in asked.items():
        there = list(dict.fromkeys(getattr(row, key) for row in PUBLISHED if getattr(row, key) is not None))
        if value not in there:
            raise InputError(f"No published figure has the {key} {value!r}. There are: {', '.join(map(str, there))}.")
    return [row for row in PUBLISHED if all(getattr(row, key) == value for key, value in asked.items())]


_AFLOC = "AFLoc, arXiv 2401.02044"
_RERUN = "an independent re-run of 1,162 pairs (who ran it is not known to us)"
_BIOVIL = "model card of microsoft/BiomedVLP-CXR-BERT-specialized"
_MEDKLIP = "in a table with G2D, arXiv 2312.01522 (we take it for G2D's own), under MedKLIP's protocol"
_MGCA = "as quoted by G2D, arXiv 2312.01522, under the protocol of MGCA, arXiv 2210.06044"

AFLOC_PROTOCOL = "afloc-skipping-empty"
"""AFLoc's code leaves out images of which its mask predicts nothing."""
RERUN_PROTOCOL = "afloc, re-run"
"""AFLoc's, as somebody else ran it: how empty predictions were counted is not known, and MedKLIP was read otherwise."""
BIOVIL_PROTOCOL = "biovil, absolute CNR"
"""BioViL's CNR has no sign: a map that is cold inside the truth scores like one that is hot there."""
PROBE_PROTOCOL = "linear probe, frozen encoder"
SEGMENTATION_PROTOCOL = "U-Net; Dice of a film without the finding is 1 where nothing is predicted, else 0"
"""So MGCA's public code has it (`mgca/models/ssl_segmenter.py`), with all test films in the mean. `segment` leaves out
films without the finding, so its Dice is another number. Whether every figure quoted here was computed by that code,
its source does not say."""
DETECTION_PROTOCOL = "YOLOv3, frozen encoder, mAP at IoU .40:.05:.75"

_FIGURE = {  # (set, method): IoU, Dice, CNR
    ("RSNA Pneumonia", "GLoRIA"): (0.278, 0.411, 1.225),
    ("RSNA Pneumonia", "BioViL"): (0.296, 0.434, 1.303),
    ("RSNA Pneumonia", "MedKLIP"): (0.318, 0.465, 1.034),
    ("RSNA Pneumonia", "AFLoc"): (0.342, 0.485, 1.540),
    ("MS-CXR", "GLoRIA"): (0.269, 0.393, 1.289),
    ("MS-CXR", "BioViL"): (0.228, 0.343, 1.084),
    ("MS-CXR", "MedKLIP"): (0.264, 0.395, 1.04),
    ("MS-CXR", "AFLoc"): (0.325, 0.462, 1.638),
    ("COVID Rural", "GLoRIA"): (0.139, 0.224, 0.665),
    ("COVID Rural", "BioViL"): (0.192, 0.299, 0.977),
    ("COVID Rural", "MedKLIP"): (0.174, 0.281, 0.840),
    ("COVID Rural", "AFLoc"): (0.211, 0.323, 1.064),
}
_FIGURE_LIMITS = {  # of AFLoc's IoU
    "RSNA Pneumonia": (0.333, 0.351),
    "MS-CXR": (0.315, 0.334),
    "COVID Rural": (0.186, 0.236),
}

_RERUN_MEANS = {  # IoU, Dice, CNR, pointing
    "MedKLIP": (0.187, 0.294, 0.952, 0.412),
    "GLoRIA": (0.242, 0.364, 1.280, 0.656),
    "AFLoc": (0.323, 0.461, 1.631, 0.784),
}
_RERUN_FINDINGS = {  # AFLoc's IoU
    "atelectasis": 0.382,
    "cardiomegaly": 0.362,
    "consolidation": 0.371,
    "edema": 0.260,
    "lung opacity": 0.328,
    "pleural effusion": 0.348,
    "pneumonia": 0.416,
    "pneumothorax": 0.120,
}

_BIOVIL_CNR = {"ConVIRT": 0.818, "GLoRIA": 0.930, "BioViL": 1.027, "BioViL-L": 1.142}

_RSNA_MEDKLIP = {  # pointing, IoU, Dice
    "GLoRIA": (0.833, 0.218, 0.347),
    "BioViL": (0.852, 0.303, 0.439),
    "MedKLIP": (0.866, 0.317, 0.465),
    "G2D": (0.884, 0.335, 0.477),
}

_LABELS = (0.01, 0.1, 1.0)
_TASKS = (  # the columns of the transfer table: set, metric, protocol
    ("CheXpert", "auroc", PROBE_PROTOCOL),
    ("RSNA Pneumonia", "auroc", PROBE_PROTOCOL),
    ("COVIDx", "accuracy", PROBE_PROTOCOL),
    ("SIIM", "dice", SEGMENTATION_PROTOCOL),
    ("RSNA Pneumonia", "dice", SEGMENTATION_PROTOCOL),
    ("RSNA Pneumonia", "map", DETECTION_PROTOCOL),
    ("Object-CXR", "map", DETECTION_PROTOCOL),
)
# Per cent, with 1 / 10 / 100 % of the labels; "-" where nothing was published. All have a ResNet-50.
_TRANSFER = {
    "random weights": "56.1/62.6/65.7 58.9/69.4/74.1 50.5/60.3/70.0 9.0/28.6/54.3 6.9/10.6/18.5 1.0/4.0/8.9 -/0.5/4.4",
    "ImageNet": "74.4/79.7/81.4 74.9/74.5/76.3 64.8/78.8/86.3 10.2/35.5/63.5 34.8/39.9/64.0 3.6/8.0/15.7 -/2.9/8.3",
    "ConVIRT": "85.9/86.8/87.3 77.4/80.1/81.3 72.5/82.5/92.0 25.0/43.2/59.9 55.0/67.4/67.5 8.2/15.6/17.9 -/8.6/15.9",
    "GLoRIA-MIMIC": (
        "87.1/88.7/88.0 87.0/89.4/90.2 66.5/80.5/88.8 37.4/57.1/64.0 60.3/68.7/68.3 11.6/16.1/24.8 -/8.9/16.6"
    ),
    "MGCA": "87.6/88.0/88.2 88.6/89.1/89.9 72.0/83.5/90.5 49.7/59.3/64.2 63.0/68.3/69.8 12.9/16.8/24.9 -/12.1/19.2",
}


def _localization() -> Iterator[Published]:
    for (dataset, method), values in _FIGURE.items():
        limits = _FIGURE_LIMITS[dataset] if method == "AFLoc" else (None, None)
        for metric, value in zip(("iou", "dice", "cnr"), values, strict=True):
            low, high = limits if metric == "iou" else (None, None)
            yield Published(
                method, dataset, metric, value, low, high, AFLOC_PROTOCOL, _AFLOC, certainty="read off a figure"
            )
    yield from _read("MS-CXR", ("iou", "dice", "cnr", "pointing"), _RERUN_MEANS, RERUN_PROTOCOL, _RERUN)
    for finding, value in _RERUN_FINDINGS.items():
        yield Published("AFLoc", "MS-CXR", "iou", value, None, None, RERUN_PROTOCOL, _RERUN, "verified", finding)
    cnr = {method: (value,) for method, value in _BIOVIL_CNR.items()}
    yield from _read("MS-CXR", ("cnr",), cnr, BIOVIL_PROTOCOL, _BIOVIL)
    yield from _read("RSNA Pneumonia", ("pointing", "iou", "dice"), _RSNA_MEDKLIP, "medklip", _MEDKLIP)


def _read(
    dataset: str, metrics: Sequence[str], rows: Mapping[str, Sequence[float]], protocol: str, source: str
) -> Iterator[Published]:
    """The figures of a table of methods and metrics."""
    for method, values in rows.items():
        for metric, value in zip(metrics, values, strict=True):
            yield Published(method, dataset, metric, value, None, None, protocol, source, "verified")


def _transfer() -> Iterator[Published]:
    for method, line in _TRANSFER.items():
        for (dataset, metric, protocol), cells in zip(_TASKS, line.split(), strict=True):
            for labels, cell in zip(_LABELS, cells.split("/"), strict=True):
                if cell != "-":
                    share = round(float(cell) / 100, 4)
                    yield Published(
                        method, dataset, metric, share, None, None, protocol, _MGCA, "verified", labels=labels
                    )


PUBLISHED: tuple[Published, ...] = (*_localization(), *_transfer())
"""All figures."""
