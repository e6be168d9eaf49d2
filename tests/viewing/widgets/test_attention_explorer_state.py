"""What the attention explorer hands to its module, and what it refuses. `tests/browser` drives the module itself."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from cxrtutor.errors import InputError
from cxrtutor.localization.attention import ReportAttention
from cxrtutor.viewing.widgets.attention_explorer import AttentionExplorer

IMAGE = np.full((8, 8), 0.5, np.float32)
MAPS = {
    "words": np.random.default_rng(0).random((4, 3, 5), dtype=np.float32),
    "sentences": np.random.default_rng(1).random((3, 2, 2), dtype=np.float32),
}
ATTENTION = ReportAttention(("Left mass.", "No edema.", "Stable."), MAPS, (((0, 4), (5, 9)), ((3, 8),), ((0, 6),)))


def disc(row: int) -> np.ndarray:
    truth = np.zeros((8, 8), bool)
    truth[row] = True
    return truth


def decoded(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_maps_and_words_arrive_as_they_were():
    values = json.loads(json.dumps(AttentionExplorer(IMAGE, ATTENTION).page_values()))
    for unit, maps in MAPS.items():
        sent = values["maps"][unit]
        assert np.array_equal(decoded(sent["values"], "<f4").reshape(-1, sent["rows"], sent["columns"]), maps)
    assert [sentence["words"] for sentence in values["sentences"]] == [[[0, 4], [5, 9]], [[3, 8]], [[0, 6]]]
    assert values["unit"] == "words"


def test_a_truth_that_several_sentences_share_travels_once():
    explorer = AttentionExplorer(IMAGE, ATTENTION, [disc(2), None, disc(2)])
    assert [sentence["truth"] for sentence in explorer.sentences] == [0, None, 0]
    [mask] = explorer.truths
    assert np.array_equal(np.unpackbits(decoded(mask, "u1")).reshape(8, 8), disc(2))
    both = AttentionExplorer(IMAGE, ATTENTION, [disc(2), disc(5), disc(2)])
    assert [sentence["truth"] for sentence in both.sentences] == [0, 1, 0] and len(both.truths) == 2


def test_the_payload_is_small():
    image = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    words = ReportAttention(
        ("Mass " * 60,), {"words": np.ones((60, 16, 16), np.float32)}, (tuple((5 * k, 5 * k + 4) for k in range(60)),)
    )
    assert len(json.dumps(AttentionExplorer(image, words).page_values())) < 130_000


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((IMAGE + 1, ATTENTION), {}, r"float in \[0, 1\]"),
        ((IMAGE * np.nan, ATTENTION), {}, "without NaN"),
        ((IMAGE, ATTENTION, [None]), {}, "1 truths for 3 sentences"),
        ((IMAGE, ATTENTION, [None, np.zeros((8, 7), bool), None]), {}, r"truth of sentence 1 has shape \(8, 7\)"),
        ((IMAGE, ATTENTION), {"unit": "report"}, "no maps of 'report'; there are those of words, sentences"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        AttentionExplorer(*arguments, **options)
