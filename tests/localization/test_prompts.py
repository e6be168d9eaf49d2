import pytest

from cxrtutor.data.study import Finding
from cxrtutor.errors import InputError
from cxrtutor.localization.prompts import asking

EFFUSION = Finding("pleural effusion", "small left pleural effusion")


def test_the_two_ways_of_the_paper():
    assert asking("precise")(EFFUSION) == "small left pleural effusion"
    assert asking("simple")(EFFUSION) == "Findings suggesting pleural effusion."


def test_a_function_is_a_way_to_ask():
    assert asking(lambda finding: finding.name.upper())(EFFUSION) == "PLEURAL EFFUSION"


def test_an_unknown_way_is_refused():
    with pytest.raises(InputError, match="precise, simple"):
        asking("vague")
