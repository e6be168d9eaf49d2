"""Choices are made on the validation split."""

import pytest

from cxrtutor.errors import InputError
from cxrtutor.evaluation.splits import check_validation


@pytest.mark.parametrize("split", ["validation", "val", "valid"])
def test_the_validation_split_by_any_of_its_names(split):
    check_validation(split, "tuning")


@pytest.mark.parametrize("split", ["test", "train", None])
def test_any_other_split_is_refused(split):
    with pytest.raises(InputError, match=f"Tuning takes the validation split; this is {split!r}"):
        check_validation(split, "tuning")
