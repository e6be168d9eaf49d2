"""What a truth file asks: one question for each image and prompt, whoever answers it, by a heat map or by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ..data.annotations import Annotated, Annotations
from ..data.prompts import simple_prompt
from ..errors import InputError
from .truth import truth_mask


@dataclass(frozen=True, eq=False)
class Question:
    """Where does this image show that?

    Attributes:
        image: the image's id.
        words: what is asked for, as the truth file has it: a phrase, or a category.
        findings: what the truth file says of it; they are measured as one.
        lesions: which of the image's findings these are.
        prompt: the words that a model is asked with.
    """

    image: str
    words: str
    findings: tuple[Annotated, ...]
    lesions: tuple[int, ...]
    prompt: str

    @property
    def name(self) -> str:
        """The category."""
        return self.findings[0].name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.findings[0].size

    @property
    def present(self) -> bool:
        """Whether there is something to find."""
        return any(finding.present for finding in self.findings)

    def truth(self) -> Bool[np.ndarray, "height width"]:
        """The union of all that is marked."""
        return truth_mask((finding.finding() for finding in self.findings), self.size)

    def described(self) -> dict[str, str]:
        """The columns of `Measurements` that tell the question. An image stands for its patient where none is named."""
        return {
            "study": self.image,
            "patient": self.findings[0].patient or self.image,
            "finding": self.name,
            "lesions": "+".join(map(str, self.lesions)) if self.present else f"no {self.name}",
            "prompt": self.prompt,
        }


def questions_of(truth: Annotations, prompts: str = "precise") -> list[Question]:
    """The questions of a truth file, in its order.

    Args:
        truth: what was read.
        prompts: "precise" asks for each phrase, "simple" for each category, whose phrases are then one. For "simple",
            images of which a finding could not be read are left out: what is left may not be all of its category.

    Raises:
        InputError: there are no such prompts, or the file gives an image two sizes.
    """
    if prompts not in ("precise", "simple"):
        raise InputError(f"There are no prompts {prompts!r} for a truth file. Choose precise or simple.")
    spoiled = {image for image, _ in truth.left_out} if prompts == "simple" else set()
    asked: dict[tuple[str, str], list[tuple[int, Annotated]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    number: dict[str, int] = {}
    for one in truth.findings:
        if sizes.setdefault(one.image, one.size) != one.size:
            raise InputError(f"The truth gives image {one.image} two sizes, {sizes[one.image]} and {one.size}.")
        number[one.image] = number.get(one.image, -1) + 1
        if one.image not in spoiled:
            words = one.phrase if prompts == "precise" else one.name
            asked.setdefault((one.image, words), []).append((number[one.image], one))
    return [_question(*key, found, prompts) for key, found in asked.items()]


def _question(image: str, words: str, found: Sequence[tuple[int, Annotated]], prompts: str) -> Question:
    numbers, findings = zip(*found, strict=True)
    return Question(image, words, findings, numbers, words if prompts == "precise" else simple_prompt(words))


def unit_of(questions: Sequence[Question]) -> str:
    """What an interval is drawn over: patients, or images where the truth file names no patient."""
    named = sum(finding.patient is not None for question in questions for finding in question.findings)
    total = sum(len(question.findings) for question in questions)
    if named in (0, total):
        return "patients" if named else "images"
    return "patients, and images where none is named"
