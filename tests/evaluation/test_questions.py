"""What a truth file asks: by phrase or by category, united, over patients or images."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtutor.data.annotations import Annotated, Annotations
from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.study import Box
from cxrtutor.errors import InputError
from cxrtutor.evaluation.questions import questions_of, unit_of

SIZE = (10, 12)
LEFT, RIGHT = Box(1, 1, 4, 4), Box(3, 3, 5, 5)


def marked(image: str, name: str, phrase: str, *boxes: Box, patient: str | None = "p", size=SIZE) -> Annotated:
    return Annotated(image, name, phrase, size, boxes, patient=patient)


def test_by_phrase_and_by_category() -> None:
    truth = Annotations(
        "test",
        (
            marked("a", "Edema", "left edema", LEFT),
            marked("a", "Mass", "a mass", RIGHT),
            marked("a", "Edema", "right edema", RIGHT),
            marked("b", "Edema", "left edema"),
        ),
    )
    precise, simple = questions_of(truth), questions_of(truth, "simple")
    assert [(one.image, one.words, one.prompt) for one in precise] == [
        ("a", "left edema", "left edema"),
        ("a", "a mass", "a mass"),
        ("a", "right edema", "right edema"),
        ("b", "left edema", "left edema"),
    ]
    assert [(one.words, one.prompt) for one in simple] == [
        ("Edema", "Findings suggesting Edema."),
        ("Mass", "Findings suggesting Mass."),
        ("Edema", "Findings suggesting Edema."),
    ]
    assert [one.described()["lesions"] for one in simple] == ["0+2", "1", "no Edema"]
    assert [one.present for one in simple] == [True, True, False]
    expected = np.zeros(SIZE, bool)
    expected[1:5, 1:5] = expected[3:8, 3:8] = True
    assert np.array_equal(simple[0].truth(), expected) and not simple[2].truth().any()


def test_boxes_and_masks_of_a_category_are_united() -> None:
    mask = np.zeros(SIZE, bool)
    mask[9, :] = True
    drawn = Annotated("a", "Edema", "base", SIZE, runs=RunLengths.of(mask))
    [question] = questions_of(Annotations("test", (marked("a", "Edema", "left", LEFT), drawn)), "simple")
    mask[1:5, 1:5] = True
    assert np.array_equal(question.truth(), mask)


def test_a_category_of_which_a_part_may_be_missing_is_not_asked_for() -> None:
    findings = marked("a", "Edema", "left", LEFT), marked("b", "Edema", "left", LEFT)
    truth = Annotations("test", findings, ("bad",), frozenset({("a", "right")}))
    assert [one.image for one in questions_of(truth)] == ["a", "b"]
    assert [one.image for one in questions_of(truth, "simple")] == ["b"]


def test_two_sizes_of_one_image_are_refused() -> None:
    findings = marked("a", "Edema", "left", LEFT), marked("a", "Edema", "right", LEFT, size=(9, 9))
    with pytest.raises(InputError, match="gives image a two sizes"):
        questions_of(Annotations("test", findings))


def test_other_prompts_are_refused() -> None:
    truth = Annotations("test", (marked("a", "Edema", "left", LEFT),))
    with pytest.raises(InputError, match="'report'"):
        questions_of(truth, "report")


@pytest.mark.parametrize(
    ("patients", "unit", "columns"),
    [
        (("p", "p"), "patients", ["p", "p"]),
        ((None, None), "images", ["a", "b"]),
        (("p", None), "patients, and images where none is named", ["p", "b"]),
    ],
)
def test_the_unit_of_intervals(patients: tuple[str | None, ...], unit: str, columns: list[str]) -> None:
    findings = tuple(
        marked(image, "Edema", "left", LEFT, patient=patient) for image, patient in zip("ab", patients, strict=True)
    )
    asked = questions_of(Annotations("test", findings))
    assert unit_of(asked) == unit and [one.described()["patient"] for one in asked] == columns
