from __future__ import annotations

from pathlib import Path

from data.test_all_sets import SETS as TESTED

from cxrtutor.data.sources.registry import SETS

SCRIPTS = Path(__file__).parents[3] / "data_scripts"


def test_every_set_has_a_script_and_is_tested_by_it():
    scripts = {path.stem for path in SCRIPTS.glob("*.py") if "prepare_command" in path.read_text()}
    assert set(SETS) == scripts == set(TESTED)


def test_names_are_distinct_and_access_is_told():
    abouts = [source.about for source in SETS.values()]
    assert len({about.name for about in abouts}) == len(SETS)
    assert all(about.access and about.licence and about.version for about in abouts)
