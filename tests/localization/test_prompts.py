import numpy as np
import pytest

from cxrtutor.data.study import Finding, Report, Sentence, Study
from cxrtutor.errors import InputError
from cxrtutor.localization.prompts import asking

EFFUSION = Finding("pleural effusion", "small left pleural effusion")
REPORT = Report({}, (Sentence("Small left effusion."), Sentence("No pneumothorax.")))
STUDY = Study("1", "1", np.zeros((4, 4), np.float32), REPORT, (EFFUSION,))


def test_the_two_ways_of_the_paper():
    assert asking("precise")(STUDY)(EFFUSION) == "small left pleural effusion"
    assert asking("simple")(STUDY)(EFFUSION) == "Findings suggesting pleural effusion."


def test_a_description_does_without_the_name():
    assert asking("described")(STUDY)(EFFUSION) == "Fluid above the diaphragm."
    assert asking("described")(STUDY)(Finding("hernia", "hernia")) is None


def test_a_report_asks_for_all_at_once():
    assert asking("report")(STUDY)(EFFUSION) == "Small left effusion. No pneumothorax."


def test_a_function_is_a_way_to_ask():
    assert asking(lambda finding: finding.name.upper())(STUDY)(EFFUSION) == "PLEURAL EFFUSION"


def test_an_unknown_way_is_refused():
    with pytest.raises(InputError, match="precise, simple, described, report"):
        asking("vague")
