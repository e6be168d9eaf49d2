"""A model card says no more than its measurements."""

import math

import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrtutor.evaluation.bootstrap import Interval, interval
from cxrtutor.evaluation.measurements import Measurements
from cxrtutor.evaluation.model_card import Claim, ModelCard


def claim(low, high, at_least=0.8, what="It finds effusions"):
    return Claim(what, Interval((low + high) / 2, low, high), at_least)


def test_what_an_interval_allows_to_say():
    assert claim(0.8, 0.9).verdict == "holds"
    assert claim(0.79, 0.9).verdict == "not shown"
    assert claim(0.6, 0.8).verdict == "not shown"
    assert claim(0.6, 0.79).verdict == "fails"
    assert claim(math.nan, math.nan).verdict == "not shown"


def hits(*values):
    """Of one patient each."""
    about = [{"study": f"s{k}", "patient": f"p{k}", "pointing": value} for k, value in enumerate(values)]
    same = {"finding": "mass", "lesions": "mass", "prompt": "mass"}
    return interval(Measurements(pd.DataFrame(about).assign(**same), "afloc", "own"), "pointing")


def test_who_all_fared_alike_show_nothing():
    assert [Claim("It hits", hits(*values), 0.8).verdict for values in ([1], [1, 1], [0])] == ["not shown"] * 3
    assert Claim("It hits", hits(*[1] * 60, 0), 0.8).verdict == "holds"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_patients_never_turn_holds_into_fails(a, b, c):
    """An interval within another one can settle what was open, and never overturn what was settled."""
    low, middle, high = sorted((a, b, c))
    assume(middle < high)
    wide, narrow = claim(low, high).verdict, claim(middle, high).verdict
    assert wide == "not shown" or wide == narrow


def card(*claims):
    return ModelCard("A model", {"Made of": "films."}, "4 patients.", claims, {"On patients": "nobody has tried."})


def test_the_card_sorts_its_claims_and_leaves_no_empty_heading():
    good, bad = claim(0.9, 0.95), claim(0.1, 0.2, what="It finds nodules")
    text = card(good, bad).to_markdown()
    assert text.index("*Shown.*") < text.index(str(good)) < text.index("*Shown not to hold.*") < text.index(str(bad))
    assert "*Not shown.*" not in text
    assert text.startswith("**A model**\n\n*Made of.* films.\n\n*Measured on.* 4 patients.\n\n*Shown.*\n\n- It finds")
    assert text.endswith("*Not to be used*\n\n- On patients: nobody has tried.\n")
    assert card()._repr_markdown_() == card().to_markdown()


def test_a_claim_says_its_number_and_its_limit():
    assert str(claim(0.5, 0.7)) == "It finds effusions: 0.600 (0.500 to 0.700), wanted 0.8"


def test_other_measurements_make_another_card():
    home, away = card(claim(0.9, 0.95)), card(claim(0.5, 0.6))
    assert [one.what for one in home.by_verdict()["holds"]] == [one.what for one in away.by_verdict()["fails"]]
