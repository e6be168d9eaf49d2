"""One door to every set, and the key of what is behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrtutor import store
from cxrtutor.data.sets import open_studies, studies_key
from cxrtutor.errors import InputError


def test_the_teaching_sets_key_is_known_before_the_set_is_made(home: Path) -> None:
    before = studies_key("teaching", "test", "quick")
    assert not home.exists()
    assert before != studies_key("teaching", "train", "quick")
    assert before != studies_key("teaching", "test", "full")


def test_the_key_is_that_of_the_opened_studies(shared_home: Path) -> None:
    assert studies_key("teaching", "test", "quick") == open_studies("teaching", "test", "quick").key


def test_a_prepared_set_is_opened_by_its_folder() -> None:
    from cxrtutor import shipped

    folder = shipped.FOLDER / "studies"
    assert studies_key(str(folder), "test") == open_studies(str(folder), "test").key
    assert store.content_key({"set": shipped.studies().card["key"], "split": "test"}) == studies_key(
        str(folder), "test"
    )


def test_a_folder_without_a_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no prepared set in .*card\.json"):
        open_studies(str(tmp_path), "train")
