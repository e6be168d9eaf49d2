"""The seven tasks that MGCA gives to a pre-trained encoder, by what they ask, and what each set answers to them.

MGCA: Wang et al., arXiv 2210.06044; the sets and splits are those of its paper, as far as they can be told. Where it
parted a set itself, its lists of images are not known to us, and ours is parted anew (`Task.splits` says how).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int

from ..data.dataset import StudyDataset
from ..data.prepared import read_card
from ..data.sets import open_studies
from ..data.sources import covidx, nih, object_cxr, rsna, siim
from ..data.splits import hashed_split, held_out_patients
from ..data.teaching.lesion import FINDINGS
from ..errors import InputError
from ..evaluation.published import DETECTION_PROTOCOL, PROBE_PROTOCOL, SEGMENTATION_PROTOCOL, Published, published
from .examples import BoxedExamples, Examples, LabelledExamples, OutlinedExamples

Kind = Literal["classification", "segmentation", "detection"]

TEACHING = "teaching set"
UNSEEN_HALVES = {"train": 0.5, "test": 0.5}
"""How patients of the split "unseen", which pre-training never showed, are parted for training and testing."""

_PUBLISHED_PROTOCOL = {
    "classification": PROBE_PROTOCOL,
    "segmentation": SEGMENTATION_PROTOCOL,
    "detection": DETECTION_PROTOCOL,
}


@dataclass(frozen=True)
class Marked:
    """What is asked for, as a set marks it: with a mask or a box.

    Only studies at which somebody looked count; a finding that is not marked on these is not there.

    Attributes:
        names: by the name that the task uses, those that the set uses.
    """

    names: Mapping[str, tuple[str, ...]]

    def shown(self, studies: StudyDataset) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, "rows names"]]:
        """The positions of the studies that count, and which of the names each shows."""
        marks = np.array([[bool(on & set(own)) for own in self.names.values()] for on in studies.finding_names()])
        rows = np.flatnonzero(studies.annotated())
        return rows, marks.reshape(len(studies), len(self.names))[rows]

    def labelled(self, studies: StudyDataset) -> LabelledExamples:
        """Whether each finding is there."""
        rows, shown = self.shown(studies)
        return LabelledExamples(**_who(studies, rows), names=tuple(self.names), targets=shown.astype(float))

    def outlined(self, studies: StudyDataset) -> OutlinedExamples:
        """Where the one finding is."""
        rows, shown = self.shown(studies)
        [(name, own)] = self.names.items()
        return OutlinedExamples(**_who(studies, rows), name=name, findings=own, shows=shown[:, 0])

    def boxed(self, studies: StudyDataset) -> BoxedExamples:
        """Where each thing is."""
        rows, shown = self.shown(studies)
        own = tuple(self.names.values())
        return BoxedExamples(**_who(studies, rows), names=tuple(self.names), findings=own, shows=shown)


@dataclass(frozen=True)
class Labelled:
    """What is asked for, as labels of the whole image tell it. Images of which no answer is known are left out.

    Attributes:
        names: by the name that the task uses, the label's.
        uncertain: what "uncertain" counts as, by the name that the task uses; elsewhere it is not known.
        blank: what a label that is not mentioned counts as, of an image that has any label.
        exclusive: whether each image has one label of these.
    """

    names: Mapping[str, str]
    uncertain: Mapping[str, int] = field(default_factory=dict)
    blank: float | int = np.nan
    exclusive: bool = False

    def labelled(self, studies: StudyDataset) -> LabelledExamples:
        """Whether each finding is there, or which of the classes it is."""
        targets = np.array([[self._answer(name, all_of) for name in self.names] for all_of in studies.labels()], float)
        targets = targets.reshape(len(studies), len(self.names))
        rows = np.flatnonzero(~np.isnan(targets).all(axis=1))
        who = _who(studies, rows)
        return LabelledExamples(**who, names=tuple(self.names), targets=targets[rows], exclusive=self.exclusive)

    def _answer(self, name: str, labels: Mapping[str, int]) -> float | int:
        value = labels.get(self.names[name])
        if value is None:
            return self.blank if labels else np.nan
        return self.uncertain.get(name, np.nan) if value == -1 else value


@dataclass(frozen=True)
class WithUnseen:
    """Classes of which pre-training never showed the last: COVIDx was gathered after the networks had been trained.

    Healthy films and films with opacities and nothing else are those of the split that is asked for. Films of the
    unseen finding, which have nothing else either, are parted by a hash of the patient (`UNSEEN_HALVES`), and there are
    none for validation. For testing, each class has as many films as the smallest, the first by a hash of the patient.

    Attributes:
        healthy: the name of the class without findings.
        opacity: the name of the class with one of `opacities` and nothing else.
        opacities: findings.
        unseen: the finding of the split "unseen", which names its class.
    """

    healthy: str
    opacity: str
    opacities: tuple[str, ...]
    unseen: str

    def labelled(self, studies: StudyDataset) -> LabelledExamples:
        """Which of the three classes each film is.

        Raises:
            InputError: the studies are of a split other than "train" and "test".
        """
        if studies.split not in UNSEEN_HALVES:
            raise InputError(f"Films with {self.unseen} are parted into train and test; there is no {studies.split!r}.")
        both = StudyDataset(studies.folder, (studies.split, "unseen"))
        patients = both.patients()
        classes = {self.healthy: [], self.opacity: [], self.unseen: []}
        for position, on in enumerate(both.finding_names()):
            if position >= len(studies):
                if on == {self.unseen} and hashed_split(patients[position], UNSEEN_HALVES) == studies.split:
                    classes[self.unseen].append(position)
            elif on <= set(self.opacities):
                classes[self.opacity if on else self.healthy].append(position)
        if studies.split == "test":
            fewest = min(map(len, classes.values()))
            classes = {name: _first(rows, patients, fewest) for name, rows in classes.items()}
        rows = np.array([row for members in classes.values() for row in members], int)
        targets = np.repeat(np.eye(len(classes)), [len(members) for members in classes.values()], axis=0)
        return LabelledExamples(**_who(both, rows), names=tuple(classes), targets=targets, exclusive=True)


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as the command line has it.
        about: what is asked, in a few words.
        kind: "classification" by linear probe, "segmentation", or "detection".
        metric: the one that is published.
        stands_for: the set of the published figures.
        sets: what each set that fits answers, by its name.
        splits: how MGCA parts its set, and how ours is.
    """

    name: str
    about: str
    kind: Kind
    metric: str
    stands_for: str
    sets: Mapping[str, Marked | Labelled | WithUnseen]
    splits: str

    def examples(self, data: str, split: str, edition: str = "full") -> Examples:
        """The examples of a split: labelled, outlined or boxed, as the `kind` needs them.

        Args:
            data: "teaching", or the folder of a prepared set, whose card tells which set it is.
            split: "train", "test" (see `open_split`), or what else the set has.
            edition: of the teaching set.

        Raises:
            InputError: the set does not fit the task, has no such split, or nobody looked at its studies.
        """
        studies = open_split(data, split, edition)
        reading = self.sets.get(set_name(studies.card))
        if reading is None:
            raise InputError(
                f"{set_name(studies.card)} has no answers to the task {self.name!r} ({self.about}). Sets that have: "
                f"{', '.join(self.sets)}."
            )
        make = {"classification": "labelled", "segmentation": "outlined", "detection": "boxed"}[self.kind]
        examples = getattr(reading, make)(studies)
        if not len(examples):
            raise InputError(
                f"{studies.folder}: no study of {studies.split!r} has an answer to the task {self.name!r}."
            )
        return examples

    def published(self, labels: float | None = None) -> list[Published]:
        """The figures that were published of it, with this share of the labels or with all shares."""
        figures = published(dataset=self.stands_for, metric=self.metric, protocol=_PUBLISHED_PROTOCOL[self.kind])
        return [one for one in figures if labels in (None, one.labels)]


def open_split(data: str, split: str, edition: str = "full") -> StudyDataset:
    """The studies of a split as `open_studies` gives them; for testing, a set without a split for that gives its
    validation split, which is what the owners of CheXpert and Object-CXR leave to test on.

    Raises:
        InputError: there is no such set or split.
    """
    if split == "test" and data != "teaching":
        there = read_card(Path(data))["splits"]
        split = "validation" if split not in there and "validation" in there else split
    return open_studies(data, split, edition)


def set_name(card: Mapping[str, Any]) -> str:
    """The name of a set by its card, whichever edition it is."""
    return card["name"].split(", ")[0]


def task_named(name: str) -> Task:
    """A task by its name.

    Raises:
        InputError: there is none of this name.
    """
    if name not in TASKS:
        raise InputError(f"There is no task {name!r}. There are: {', '.join(TASKS)}.")
    return TASKS[name]


def _who(studies: StudyDataset, rows: Int[np.ndarray, " rows"]) -> dict[str, Any]:
    """What all kinds of examples have in common."""
    ids, patients = studies.ids(), studies.patients()
    return {
        "studies": studies,
        "positions": rows,
        "ids": tuple(ids[row] for row in rows),
        "patients": tuple(patients[row] for row in rows),
    }


def _first(rows: Sequence[int], patients: Sequence[str], number: int) -> list[int]:
    """So many of the rows, in order: all or those that come first by a hash of their patients."""
    chosen = held_out_patients((patients[row] for row in rows), number)
    return [row for row in rows if patients[row] in chosen][:number]


_OPACITIES = ("consolidation", "ground-glass opacity")
_FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
_BY_LABELER = Labelled(
    {name: name for name in _FIVE},
    uncertain={"Atelectasis": 1, "Cardiomegaly": 0, "Consolidation": 0, "Edema": 1, "Pleural Effusion": 1},
    blank=0,
)
"""The five findings of CheXpert's benchmark. GLoRIA's code, and MGCA's after it, counts "not mentioned" as absent, and
"uncertain" finding by finding."""
_RSNA = Marked({"opacity": (rsna.FINDING,)})
_OURS = "MGCA parts the images 70/15/15; so do we, by a hash, as its lists are not known to us"
_OURS_FOR_PLACES = (
    "MGCA parts the images 16,010/5,337/5,337 for detection, and its public code reads the same lists for "
    "segmentation; we keep the 70/15/15 of the other tasks"
)

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "findings",
            "which findings does the film show?",
            "classification",
            "auroc",
            "CheXpert",
            {
                TEACHING: Marked({name: (name,) for name in FINDINGS}),
                "CheXpert": _BY_LABELER,
                "MIMIC-CXR": _BY_LABELER,
                "NIH ChestX-ray14": Labelled({name: name for name in nih.LABELS if name != "No Finding"}),
            },
            "MGCA tests on CheXpert's official validation images and holds 5,000 of its training images out; "
            "`data_scripts/chexpert.py --validation-images 5000` does, by patient",
        ),
        Task(
            "opacity",
            "does the film show an opacity of the lung?",
            "classification",
            "auroc",
            "RSNA Pneumonia",
            {TEACHING: Marked({"opacity": _OPACITIES}), "RSNA Pneumonia": _RSNA},
            _OURS,
        ),
        Task(
            "unseen",
            "healthy, an opacity that pre-training showed, or one that it never did?",
            "classification",
            "accuracy",
            "COVIDx",
            {
                TEACHING: WithUnseen("healthy", "opacity", _OPACITIES, "viral pneumonia"),
                "COVIDx": Labelled({name: name for name in covidx.CLASSES}, exclusive=True),
            },
            "MGCA tests on COVIDx's official test images; so do we. Of the teaching set, films with viral pneumonia "
            "are parted by patient, and for testing each class has as many films as the smallest",
        ),
        Task(
            "pneumothorax-masks",
            "where is the pneumothorax?",
            "segmentation",
            "dice",
            "SIIM",
            {
                TEACHING: Marked({"pneumothorax": ("pneumothorax",)}),
                "SIIM-ACR Pneumothorax": Marked({"pneumothorax": (siim.FINDING,)}),
                "ChestX-Det": Marked({"pneumothorax": ("Pneumothorax",)}),
            },
            _OURS,
        ),
        Task(
            "opacity-masks",
            "where is the opacity of the lung?",
            "segmentation",
            "dice",
            "RSNA Pneumonia",
            {TEACHING: Marked({"opacity": _OPACITIES}), "RSNA Pneumonia": _RSNA},
            f"{_OURS_FOR_PLACES}; RSNA's boxes are drawn as masks, as there",
        ),
        Task(
            "opacity-boxes",
            "which boxes hold an opacity of the lung?",
            "detection",
            "map",
            "RSNA Pneumonia",
            {TEACHING: Marked({"opacity": _OPACITIES}), "RSNA Pneumonia": _RSNA},
            _OURS_FOR_PLACES,
        ),
        Task(
            "object-boxes",
            "which boxes hold one of the small things of the set?",
            "detection",
            "map",
            "Object-CXR",
            {
                TEACHING: Marked({"nodule or mass": ("nodule", "mass")}),
                "Object-CXR": Marked({"foreign object": (object_cxr.FINDING,)}),
            },
            "MGCA tests on the owner's development images; so do we, but we train on all of its training images, of "
            "which MGCA holds 1,600 out",
        ),
    )
}
"""All tasks, by name."""
