from __future__ import annotations

import re
import string
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from cxrtutor.encoders.pieces import Context, Passage, Pieces
from cxrtutor.encoders.text import minilm_folder
from cxrtutor.errors import InputError

TOKENIZER = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
TOKENIZER.no_truncation()
TOKENIZER.no_padding()

SENTENCES = st.lists(
    st.sampled_from(["", "...", "No effusion.", "Pneumothorax", "A 1.5 cm ground-glass opacity, left."]), max_size=6
)


def pieces(limit: int = 256, context: Context = "report") -> Pieces:
    return Pieces(TOKENIZER, limit, context)


def spelled(passage: Passage) -> list[tuple[str, int, int]]:
    tokens = map(TOKENIZER.id_to_token, passage.ids)
    return list(zip(tokens, passage.words.tolist(), passage.sentences.tolist(), strict=True))


def test_words_are_without_punctuation_and_know_their_sentence():
    [passage] = pieces().passages([("Ground-glass.", "Opacity: 2 cm")])
    assert spelled(passage) == [
        ("[CLS]", -1, -1),
        ("ground", 0, 0),
        ("-", -1, 0),
        ("glass", 1, 0),
        (".", -1, 0),
        ("op", 2, 1),
        ("##ac", 2, 1),
        ("##ity", 2, 1),
        (":", -1, 1),
        ("2", 3, 1),
        ("cm", 4, 1),
        ("[SEP]", -1, -1),
    ]
    assert passage.word_sentence.tolist() == [0, 0, 1, 1, 1]
    assert passage.word_span.tolist() == [[0, 6], [7, 12], [0, 7], [9, 10], [11, 13]]


def test_a_sentence_by_itself_owns_the_special_pieces():
    [passage] = pieces(context="sentence").passages([("No effusion.",)])
    assert passage.sentences.tolist() == [0] * len(passage.ids)


@given(st.lists(st.text(string.ascii_letters + string.digits + " \n.,;-_/()'", max_size=30), max_size=4))
def test_spans_are_the_words_characters(sentences: list[str]):
    [passage] = pieces().passages([tuple(sentences)])
    found = [[] for _ in sentences]
    for sentence, (start, end) in zip(passage.word_sentence, passage.word_span, strict=True):
        found[sentence].append(sentences[sentence][start:end])
    assert found == [re.findall("[a-zA-Z0-9]+", sentence) for sentence in sentences]


@given(st.text(max_size=30))
def test_spans_lie_in_the_text_and_in_order(sentence: str):
    [passage] = pieces().passages([(sentence,)])
    edges = passage.word_span.ravel().tolist()
    assert edges == sorted(edges)
    assert all(any(map(str.isalnum, sentence[start:end])) for start, end in passage.word_span)


@given(SENTENCES)
def test_a_report_is_cut_like_its_joined_text(sentences: list[str]):
    [passage] = pieces().passages([tuple(sentences)])
    spoken = [sentence for sentence in sentences if any(map(str.isalnum, sentence))]
    assert passage.ids.tolist() == TOKENIZER.encode(" ".join(spoken)).ids
    assert passage.sentence_mask.tolist() == [sentence in spoken for sentence in sentences]


@given(SENTENCES, st.integers(3, 20))
def test_what_is_kept_fits_and_is_the_beginning(sentences: list[str], limit: int):
    whole = pieces().passages([tuple(sentences)])[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = pieces(limit).passages([tuple(sentences)])[0]
    assert len(kept.ids) <= limit
    inner = len(kept.ids) - 2
    assert kept.ids[:-1].tolist() == whole.ids[: inner + 1].tolist()
    assert bool(caught) == (len(kept.ids) < len(whole.ids))
    words = len(kept.word_sentence)
    assert kept.word_sentence.tolist() == whole.word_sentence[:words].tolist()
    if not caught:
        assert kept.sentence_mask.tolist() == whole.sentence_mask.tolist()


def test_a_report_ends_with_its_last_whole_sentence_that_fits():
    report = ("No effusion.", "Clear lungs, normal heart and normal bones.", "No mass.")
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 8 word pieces"):
        long, short = pieces(limit=8).passages([report, ("No mass.",)])
    assert long.sentence_mask.tolist() == [True, False, False]
    assert short.sentence_mask.tolist() == [True]


def test_a_first_sentence_that_is_too_long_ends_with_a_whole_word():
    with pytest.warns(UserWarning):
        [passage] = pieces(limit=6).passages([("Large left pneumothorax.", "No mass.")])
    assert [token for token, *_ in spelled(passage)] == ["[CLS]", "large", "left", "[SEP]"]
    assert passage.sentence_mask.tolist() == [True, False]


def test_a_word_longer_than_the_limit_is_cut():
    with pytest.warns(UserWarning):
        [passage] = pieces(limit=4).passages([("Pneumothorax.",)])
    assert spelled(passage) == [("[CLS]", -1, -1), ("p", 0, 0), ("##ne", 0, 0), ("[SEP]", -1, -1)]
    assert passage.word_span.tolist() == [[0, 3]]  # what was read of it


@pytest.mark.parametrize("prompt", ["", "  \n", "...", "?!"])
def test_a_prompt_without_words_is_refused(prompt: str):
    with pytest.raises(InputError, match="has no words"):
        pieces().check_prompt(prompt)


def test_an_overlong_prompt_is_refused_with_its_length_and_the_limit():
    pieces(limit=8).check_prompt("pneumothorax")  # six pieces and two special ones
    with pytest.raises(InputError, match="has 7 word pieces; the encoder takes 6"):
        pieces(limit=8).check_prompt("pneumothorax left")
