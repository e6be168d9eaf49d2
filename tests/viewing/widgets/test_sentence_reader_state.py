"""What the sentence widget hands to its module. `tests/browser` drives the module itself."""

from __future__ import annotations

import json
import re

from cxrtutor.viewing.widgets.sentence_reader import SentenceReader


def test_the_page_is_given_the_sentence_the_examples_and_the_rules() -> None:
    values = json.loads(json.dumps(SentenceReader("No mass.", ["A nodule."]).page_values()))
    assert (values["sentence"], values["examples"]) == ("No mass.", ["A nodule."])
    assert {"term", "cue", "stop", "side"} <= set(values["rules"]["patterns"])
    assert len(values["rules"]["findings"]) == values["rules"]["patterns"]["term"].count("(?<t")


def test_no_pattern_is_one_that_a_page_cannot_read() -> None:
    for pattern in SentenceReader("").rules["patterns"].values():
        assert not re.search(r"\(\?P|\\[AZ]|\(\?[aiLmsux]", pattern)
