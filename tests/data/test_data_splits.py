from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.splits import SHARES, hashed_split, read_splits
from cxrtutor.errors import InputError


def test_a_patient_is_in_the_same_split_everywhere_and_always():
    assert [hashed_split(name) for name in ("a", "b", "c", "p10000032", "")] == [
        "validation",
        "train",
        "train",
        "train",
        "test",
    ]
    assert hashed_split("a", {"x": 1.0}) == "x"


def test_shares_come_out():
    counts = Counter(hashed_split(f"patient-{number}") for number in range(20_000))
    for split, share in SHARES.items():
        assert counts[split] / 20_000 == pytest.approx(share, abs=0.012)
    counts = Counter(hashed_split(f"patient-{number}", {"a": 0.5, "b": 0.5}) for number in range(4000))
    assert counts["a"] / 4000 == pytest.approx(0.5, abs=0.03)


@given(st.text())
def test_every_name_has_a_split(name):
    assert hashed_split(name) in SHARES
    assert hashed_split(name, {"a": 0.1, "b": 0.2}) in ("a", "b")  # shares that do not reach 1


def test_a_list_is_read_with_the_owners_words_in_ours(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("split,note,id\nvalid,x,a\n test ,y,b\nMine,,c\ntest,again,b\n")
    assert read_splits(path) == {"a": "validation", "b": "test", "c": "mine"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id\na\n", "no column 'split'"),
        ("id,split\na,\n", "line 2: split is blank"),
        ("id,split\n,test\n", "line 2: id is blank"),
        ("id,split\na,train\nb,test\na,test\n", "line 4: a is in 'test' here and in 'train' above"),
    ],
)
def test_a_list_that_cannot_be_used_is_told(tmp_path, text, words):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_splits(path)
    assert str(path) in str(error.value)
