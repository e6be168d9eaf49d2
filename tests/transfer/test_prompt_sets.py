"""What words stand for a class."""

import pytest

from cxrtutor.data.prompts import DESCRIPTIONS
from cxrtutor.data.sources import chexpert, covidx, rsna
from cxrtutor.errors import InputError
from cxrtutor.transfer.prompt_sets import WAYS, PromptSet, prompt_set

CHEXPERT = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


@pytest.mark.parametrize(
    ("way", "affirmed", "denied"),
    [
        ("name", ["edema"], None),
        ("sentence", ["Findings suggesting edema."], None),
        ("description", [DESCRIPTIONS["edema"]], None),
        ("ensemble", ["edema", "Findings suggesting edema.", DESCRIPTIONS["edema"]], None),
        ("name or no", ["edema"], ["no edema"]),
        ("sentence or no", ["Findings suggesting edema."], ["No edema."]),
    ],
)
def test_a_way_to_ask(way, affirmed, denied):
    asked = prompt_set(way, ["edema"])
    assert asked == PromptSet(way, {"edema": affirmed}, {"edema": denied} if denied else {})


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("names", [tuple(DESCRIPTIONS), CHEXPERT, (rsna.FINDING,), ("opacity",)])
def test_every_way_has_words_for_the_findings_of_the_sets(way, names):
    sides = prompt_set(way, names).sides(names)
    assert len(sides) == (2 if way.endswith("no") else 1)
    prompts = [prompt for side in sides for group in side for prompt in group]
    assert all(prompts) and not any(name in prompt for prompt in prompts for name in CHEXPERT)
    assert set(CHEXPERT) <= set(chexpert.LABELS)


def test_several_names_stand_for_a_class():
    assert prompt_set("sentence or no", ["opacity"]).sides(["opacity"]) == [
        [("Findings suggesting consolidation.", "Findings suggesting ground-glass opacity.")],
        [("No consolidation.", "No ground-glass opacity.")],
    ]


@pytest.mark.parametrize("way", ["name", "sentence", "description", "ensemble"])
@pytest.mark.parametrize("names", [covidx.CLASSES, ("healthy", "opacity", "viral pneumonia")])
def test_a_healthy_film_is_asked_for_as_reports_speak_of_it(way, names):
    asked = prompt_set(way, names)
    assert not any("suggesting" in prompt or "healthy" in prompt for prompt in asked.affirm[names[0]])
    assert asked.affirm[names[0]] == prompt_set(way, ["No Finding"]).affirm["No Finding"]


def test_labels_are_asked_for_as_words():
    assert prompt_set("name", ["Pleural_Thickening"]).affirm == {"Pleural_Thickening": ["pleural thickening"]}


def test_what_has_no_words():
    with pytest.raises(InputError, match="'normal' has no denial"):
        prompt_set("name or no", covidx.CLASSES)
    with pytest.raises(InputError, match="No description is at hand for Fracture"):
        prompt_set("description", ["Fracture", "Edema"])
    with pytest.raises(InputError, match="no way 'nicely'"):
        prompt_set("nicely", CHEXPERT)


def test_a_prompt_counts_once_and_classes_come_in_the_order_asked_for():
    asked = PromptSet("own", {"a": ["x", "y", "x"], "b": ["z"]})
    assert asked.sides(["b", "a"]) == [[("z",), ("x", "y")]]
    with pytest.raises(InputError, match=r"have none for c\. They have: a, b"):
        asked.sides(["a", "c"])


@pytest.mark.parametrize(
    ("affirm", "deny", "message"),
    [
        ({"a": "word"}, {}, "a list of one or more prompts; given is 'word'"),
        ({"a": []}, {}, "a list of one or more prompts"),
        ({"a": ["x"], "b": ["y"]}, {"a": ["no x"]}, "b has one side only"),
    ],
)
def test_no_prompt_set(affirm, deny, message):
    with pytest.raises(InputError, match=message):
        PromptSet("own", affirm, deny)
