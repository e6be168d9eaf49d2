"""Sentences as word pieces, with the word and the sentence that every piece belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int
from tokenizers import Encoding, Tokenizer

from ..errors import InputError

Context = Literal["sentence", "report"]
"""What a word can see."""


@dataclass(frozen=True, eq=False)
class SentencePieces:
    """A sentence cut into pieces.

    Attributes:
        ids: the pieces, as numbers in the vocabulary.
        words: the word each piece belongs to, -1 for punctuation.
        spans: where each piece begins and ends (exclusive) in the sentence's text, in characters.
    """

    ids: Int[np.ndarray, " pieces"]
    words: Int[np.ndarray, " pieces"]
    spans: Int[np.ndarray, "pieces 2"]

    @property
    def word_count(self) -> int:
        return int(self.words.max(initial=-1)) + 1

    @property
    def word_spans(self) -> Int[np.ndarray, "words 2"]:
        """Where each word begins and ends: from the start of its first piece to the end of its last."""
        of_words = np.flatnonzero(self.words >= 0)
        first = np.searchsorted(self.words[of_words], np.arange(self.word_count), side="left")
        last = np.searchsorted(self.words[of_words], np.arange(self.word_count), side="right") - 1
        return np.stack([self.spans[of_words[first], 0], self.spans[of_words[last], 1]], axis=1)

    def cut(self, limit: int) -> SentencePieces:
        """The whole words among the first `limit` pieces, or part of the first word where that alone is longer."""
        end = limit
        while end > 0 and self.words[end] >= 0 and self.words[end - 1] == self.words[end]:
            end -= 1
        end = end or limit
        return SentencePieces(self.ids[:end], self.words[:end], self.spans[:end])


@dataclass(frozen=True, eq=False)
class Passage:
    """What goes through the network in one piece: a sentence, or the sentences of a report.

    Attributes:
        ids: the pieces between [CLS] and [SEP], these included.
        words: the word each piece belongs to, -1 for [CLS], [SEP] and punctuation.
        sentences: the sentence each piece belongs to, -1 for none.
        word_sentence: the sentence each word stands in.
        word_span: where each word begins and ends (exclusive) in its sentence's text, in characters.
        sentence_mask: False for a sentence that has no words, or that was left out as too long.
    """

    ids: Int[np.ndarray, " pieces"]
    words: Int[np.ndarray, " pieces"]
    sentences: Int[np.ndarray, " pieces"]
    word_sentence: Int[np.ndarray, " words"]
    word_span: Int[np.ndarray, "words 2"]
    sentence_mask: Bool[np.ndarray, " sentences"]


@dataclass(frozen=True)
class Pieces:
    """Cuts text into word pieces.

    A word is what white space or punctuation bounds ("ground-glass" is two) and holds a letter or a digit; punctuation
    is given to the network and is no word.

    Attributes:
        tokenizer: with its vocabulary.
        limit: the most pieces a passage may have, [CLS] and [SEP] included.
        context: with "sentence", [CLS] and [SEP] count as pieces of the one sentence between them, as sentence encoders
            are trained; with "report" they belong to none.
    """

    tokenizer: Tokenizer
    limit: int
    context: Context

    def passages(self, passages: Sequence[tuple[str, ...]]) -> list[Passage]:
        """Every passage cut into pieces.

        Where a passage is too long, the sentences from the first that does not fit on are left out (their mask is
        False), with a warning. A first sentence that is too long by itself is cut after the last word that fits.
        """
        texts = list(dict.fromkeys(sentence for passage in passages for sentence in passage))
        pieces = dict(zip(texts, self._cut(texts), strict=True))
        room = self.limit - 2
        long = 0
        result = []
        for passage in passages:
            sentences = [pieces[sentence] for sentence in passage]
            fitting = _fitting(sentences, room)
            long += any(kept is not given for kept, given in zip(fitting, sentences, strict=True) if given.word_count)
            result.append(self._passage(fitting))
        if long:
            warnings.warn(
                f"{long} of {len(passages)} texts are longer than the {self.limit} word pieces the encoder takes; "
                "the sentences from there on were left out.",
                stacklevel=2,
            )
        return result

    def check_prompt(self, prompt: str) -> None:
        """Make sure that a prompt can be encoded whole.

        Raises:
            InputError: the prompt holds no word, or more pieces than the encoder takes.
        """
        [pieces] = self._cut([prompt])
        if not pieces.word_count:
            raise InputError(f"The prompt {prompt!r} has no words. Name a finding, such as 'left pleural effusion'.")
        if len(pieces.ids) + 2 > self.limit:
            raise InputError(
                f"The prompt has {len(pieces.ids)} word pieces; the encoder takes {self.limit - 2}. Shorten it. "
                f"It begins: {prompt[:60]!r}."
            )

    def _cut(self, sentences: list[str]) -> list[SentencePieces]:
        encodings = self.tokenizer.encode_batch(sentences, add_special_tokens=False)
        return [_sentence_pieces(*pair) for pair in zip(sentences, encodings, strict=True)]

    def _passage(self, sentences: Sequence[SentencePieces | None]) -> Passage:
        first, last = (self.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        own = 0 if self.context == "sentence" and sentences[0] is not None else -1
        ids, words, owners = [np.array([first])], [np.array([-1])], [np.array([own])]
        spans = [np.zeros((0, 2), dtype=np.int64)]
        word_sentence: list[int] = []
        for index, sentence in enumerate(sentences):
            if sentence is None:
                continue
            ids.append(sentence.ids)
            words.append(np.where(sentence.words < 0, -1, sentence.words + len(word_sentence)))
            owners.append(np.full(len(sentence.ids), index))
            spans.append(sentence.word_spans)
            word_sentence += [index] * sentence.word_count
        return Passage(
            ids=np.concatenate([*ids, [last]]),
            words=np.concatenate([*words, [-1]]),
            sentences=np.concatenate([*owners, [own]]),
            word_sentence=np.array(word_sentence, dtype=np.int64),
            word_span=np.concatenate(spans),
            sentence_mask=np.array([sentence is not None for sentence in sentences], dtype=bool),
        )


def _sentence_pieces(text: str, encoding: Encoding) -> SentencePieces:
    spelled: dict[int, bool] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        spelled[word] = spelled.get(word, False) or any(map(str.isalnum, text[start:end]))
    number = {word: index for index, word in enumerate(word for word, is_word in spelled.items() if is_word)}
    words = [number.get(word, -1) for word in encoding.word_ids]
    return SentencePieces(
        np.array(encoding.ids, dtype=np.int64),
        np.array(words, dtype=np.int64),
        np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2),
    )


def _fitting(sentences: Sequence[SentencePieces], room: int) -> list[SentencePieces | None]:
    """The sentences as they go into `room` pieces; None for those without words and those that are left out."""
    fitting: list[SentencePieces | None] = []
    used, full = 0, False
    for sentence in sentences:
        kept = None
        if sentence.word_count and not full:
            full = used + len(sentence.ids) > room
            kept = sentence if not full else sentence.cut(room) if not used else None
        fitting.append(kept if kept and kept.word_count else None)
        used += len(kept.ids) if kept else 0
    return fitting
