from __future__ import annotations

from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrtutor.encoders.features import TextFeatures
from cxrtutor.encoders.pieces import Pieces
from cxrtutor.encoders.text import Layout, Pooling, TextEncoder, minilm_folder, text_encoder
from cxrtutor.errors import InputError

REPORTS = [
    ["Small left pleural effusion.", "No pneumothorax."],
    [],
    ["No pneumothorax.", "", "...", "The heart is normal; ground-glass opacity of 1.5 cm at the right base."],
    ["No pneumothorax."],
]
LONGEST = 17  # words of the third report
OF_CLS = Pooling(layers=1, words="sum", sentences="cls", report="sentences")


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return text_encoder("minilm")


@pytest.fixture(scope="module")
def whole_reports() -> TextEncoder:
    return text_encoder("minilm", context="report")


def hidden(encoder: TextEncoder, text: str, layers: int = 1) -> tuple[list[str], Tensor]:
    """The pieces of a text and their vectors, computed as plainly as can be."""
    encoding = encoder.pieces.tokenizer.encode(text)
    with torch.no_grad():
        states = encoder.network(torch.tensor([encoding.ids]), output_hidden_states=True).hidden_states
    return encoding.tokens, sum(states[-layers:])[0]


def spelled(text: str) -> bool:
    return any(character.isalnum() for character in text)


def by_loops(encoder: TextEncoder, reports: list[list[str]]) -> list[tuple[list[Tensor], list[Tensor], Tensor]]:
    """Words, sentences and report of each of some reports, by loops over the network's own states."""
    pooling, whole = encoder.pooling, encoder.pieces.context == "report"
    results = []
    for report in reports:
        words, sentences, cls = [], [], torch.zeros(encoder.dim)
        texts = [text for text in report if spelled(text)]
        for passage in [texts] if whole and texts else [[text] for text in texts]:
            tokens, vectors = hidden(encoder, " ".join(passage), pooling.layers)
            cls = vectors[0]
            at = 1
            for text in passage:
                count = len(encoder.pieces.tokenizer.encode(text).tokens) - 2
                of_sentence: list[list[Tensor]] = []
                for token, vector in zip(tokens[at : at + count], vectors[at : at + count], strict=True):
                    if token.startswith("##"):
                        of_sentence[-1].append(vector)
                    elif spelled(token):
                        of_sentence.append([vector])
                own = [sum(pieces) if pooling.words == "sum" else sum(pieces) / len(pieces) for pieces in of_sentence]
                first, end = (at, at + count) if whole else (0, len(tokens))  # [CLS] and [SEP] are a lone sentence's
                sentence = {
                    "pieces": vectors[first:end].mean(0),
                    "words": sum(own) / len(own),
                    "cls": cls,
                }[pooling.sentences]
                words += own
                sentences.append(sentence)
                at += count
        nothing = torch.zeros(encoder.dim)
        in_all = {
            "sentences": sum(sentences, nothing) / max(len(sentences), 1),
            "words": sum(words, nothing) / max(len(words), 1),
            "padded-words": sum(words, nothing) / encoder.pieces.limit,
            "cls": cls,
        }[pooling.report]
        results.append((words, sentences, in_all))
    return results


def assert_same(first: TextFeatures, second: TextFeatures) -> None:
    for name, value in vars(first).items():
        other = getattr(second, name)
        assert value is other is None or torch.equal(value, other), name


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Equal but for the rounding to half precision."""
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=2e-3)


def test_the_weights_are_the_published_ones():
    digest = sha256((minilm_folder() / "model.safetensors").read_bytes()).hexdigest()
    assert digest == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_minilm_is_pooled_as_it_was_trained(minilm: TextEncoder):
    features = minilm([["No pneumothorax."]])
    tokens, vectors = hidden(minilm, "No pneumothorax.")
    assert tokens == ["[CLS]", "no", "p", "##ne", "##um", "##otho", "##ra", "##x", ".", "[SEP]"]
    assert_near(features.sentences[0, 0], vectors.mean(0))
    assert_near(features.words[0, 0], vectors[1])
    assert_near(features.words[0, 1], vectors[2:8].mean(0))
    assert torch.equal(features.report, features.sentences[:, 0])


def test_the_papers_pooling(minilm: TextEncoder):
    """Last four layers summed, a word the sum of its pieces, sentence and report the mean of their words."""
    pooling = Pooling(layers=4, words="sum", sentences="words", report="words")
    features = text_encoder("minilm", pooling=pooling)([["No pneumothorax.", "Clear."]])
    _, vectors = hidden(minilm, "No pneumothorax.", layers=4)
    words = torch.stack([vectors[1], vectors[2:8].sum(0)])
    torch.testing.assert_close(features.words[0, :2], words, atol=1e-2, rtol=2e-3)
    torch.testing.assert_close(features.sentences[0, 0], words.mean(0), atol=1e-2, rtol=2e-3)
    torch.testing.assert_close(features.report[0], features.words[0, :3].mean(0))


POOLINGS = [
    ("sentence", Pooling(layers=1, words="mean", sentences="pieces", report="sentences")),
    ("sentence", Pooling(layers=2, words="sum", sentences="cls", report="words")),
    ("sentence", Pooling(layers=6, words="mean", sentences="words", report="padded-words")),
    ("report", Pooling(layers=4, words="sum", sentences="words", report="padded-words")),
    ("report", Pooling(layers=1, words="mean", sentences="pieces", report="cls")),
    ("report", Pooling(layers=4, words="sum", sentences="words", report="cls")),
]


@pytest.fixture(params=POOLINGS, ids=lambda choice: "-".join(map(str, (choice[0], *vars(choice[1]).values()))))
def pooled_otherwise(minilm: TextEncoder, request: pytest.FixtureRequest) -> TextEncoder:
    """MiniLM's network with each of the `POOLINGS`."""
    context, pooling = request.param
    encoder = TextEncoder("minilm", minilm.network, False, Pieces(minilm.pieces.tokenizer, 97, context), pooling)
    encoder.block = 2  # much less to compute
    return encoder


def test_every_pooling_is_the_loops(pooled_otherwise: TextEncoder):
    encoder, pooling = pooled_otherwise, pooled_otherwise.pooling
    features = encoder(REPORTS)
    for row, (words, sentences, report) in enumerate(by_loops(encoder, REPORTS)):
        found = features.words[row, features.word_mask[row]], features.sentences[row, features.sentence_mask[row]]
        for unit, expected in zip(found, (words, sentences), strict=True):
            assert len(unit) == len(expected)
            for one, other in zip(unit, expected, strict=True):
                torch.testing.assert_close(one, other, atol=2e-3 * pooling.layers, rtol=2e-3)
        torch.testing.assert_close(features.report[row], report, atol=2e-3 * pooling.layers, rtol=2e-3)
    assert not features.report[1].any()


def test_no_pooling_depends_on_company(pooled_otherwise: TextEncoder):
    together, alone = pooled_otherwise(REPORTS), pooled_otherwise(REPORTS[:1])
    assert torch.equal(alone.words[0], together.words[0, : alone.words.shape[1]])
    assert torch.equal(alone.sentences[0], together.sentences[0, : alone.sentences.shape[1]])
    torch.testing.assert_close(alone.report[0], together.report[0])


def test_no_pooling_makes_something_of_nothing(pooled_otherwise: TextEncoder):
    features = pooled_otherwise([[], ["..."], ["", " "]])
    for value in (features.words, features.sentences, features.report):
        assert not value.any()


def test_words_are_found_again_in_their_sentences(minilm: TextEncoder, whole_reports: TextEncoder):
    for encoder in (minilm, whole_reports):
        features = encoder(REPORTS)
        assert features.word_span.shape == (4, LONGEST, 2)
        assert (features.word_span[~features.word_mask] == -1).all()
        words = [
            REPORTS[2][sentence][start:end]
            for sentence, (start, end) in zip(features.word_sentence[2], features.word_span[2], strict=True)
        ]
        assert " ".join(words) == "No pneumothorax The heart is normal ground glass opacity of 1 5 cm at the right base"


def test_masks_and_zeros(minilm: TextEncoder, whole_reports: TextEncoder):
    for encoder in (minilm, whole_reports):
        features = encoder(REPORTS)
        assert features.words.shape == (4, LONGEST, encoder.dim)
        assert features.word_mask.sum(1).tolist() == [6, 0, LONGEST, 2]
        assert features.word_sentence[0].tolist() == [0, 0, 0, 0, 1, 1] + [-1] * (LONGEST - 6)
        assert features.word_sentence[2].tolist() == [0, 0] + [3] * (LONGEST - 2)
        assert features.sentence_mask.int().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0]]
        assert torch.equal(features.words.any(-1), features.word_mask)
        assert torch.equal(features.sentences.any(-1), features.sentence_mask)
        assert not features.report[1].any()
        expected = features.sentences.sum(1) / features.sentence_mask.sum(1, keepdim=True).clamp(min=1)
        torch.testing.assert_close(features.report, expected)


@pytest.mark.parametrize("reports", [[[]], [[""]], [[], ["."]]])
def test_nothing_but_empty_reports(minilm: TextEncoder, whole_reports: TextEncoder, reports: list[list[str]]):
    for encoder in (minilm, whole_reports):
        features = encoder(reports)
        assert features.words.shape == (len(reports), 1, encoder.dim)
        assert not features.word_mask.any()
        assert not features.sentence_mask.any()
        assert not features.report.any()
        assert features.report.isfinite().all()


def test_company_and_padding_change_nothing(minilm: TextEncoder, whole_reports: TextEncoder):
    for encoder in (minilm, whole_reports):
        together = encoder(REPORTS)
        for row, report in enumerate(REPORTS):
            alone = encoder([report])
            words, sentences = alone.words.shape[1], alone.sentences.shape[1]
            assert torch.equal(alone.words[0], together.words[row, :words])
            assert torch.equal(alone.sentences[0], together.sentences[row, :sentences])
            torch.testing.assert_close(alone.report[0], together.report[row])


def test_a_repeated_sentence_is_encoded_once(minilm: TextEncoder, monkeypatch: pytest.MonkeyPatch):
    seen = []
    encode_blocks = TextEncoder.encode_blocks
    monkeypatch.setattr(TextEncoder, "encode_blocks", lambda self, p: seen.append(len(p)) or encode_blocks(self, p))
    features = minilm(REPORTS)
    assert seen == [5]  # of seven sentences
    assert torch.equal(features.sentences[0, 1], features.sentences[3, 0])


def test_order_survives_the_sorting_by_length(minilm: TextEncoder):
    """More sentences than a block holds, of many lengths, in no order."""
    lengths = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 21), 2))
    sentences = [" ".join(["left"] * count) + f" {number}" for number, count in enumerate(lengths)]
    features = minilm([sentences])
    assert torch.bincount(features.word_sentence[0]).tolist() == (lengths + 1).tolist()
    for index in (0, 7, 39):
        assert torch.equal(features.sentences[0, index], minilm([[sentences[index]]]).sentences[0, 0])


def test_context_is_what_a_word_can_see(minilm: TextEncoder, whole_reports: TextEncoder):
    reports = [["Left effusion.", "It is large."], ["Right nodule.", "It is large."]]
    singly, together = minilm(reports), whole_reports(reports)
    assert torch.equal(singly.sentences[0, 1], singly.sentences[1, 1])
    assert not torch.allclose(together.sentences[0, 1], together.sentences[1, 1], atol=0.01)
    tokens, vectors = hidden(minilm, "Left effusion. It is large.")
    where = tokens.index("large")
    assert_near(together.words[0, 4], vectors[where])
    assert_near(together.sentences[0, 1], vectors[where - 2 : where + 2].mean(0))


def test_meaning_survives(minilm: TextEncoder):
    """A synonym is nearer than another disease: the weights are the trained ones, and so is the vocabulary."""
    report = minilm([["pleural effusion"], ["fluid around the lung"], ["broken rib"]]).report
    effusion, fluid, rib = torch.nn.functional.normalize(report, dim=1)
    assert effusion @ fluid > effusion @ rib + 0.1


def test_gradients_reach_a_trainable_encoder():
    encoder = text_encoder("minilm", trainable=True, pretrained=False)
    features = encoder(REPORTS)
    (features.words.square().mean() + features.report.square().mean()).backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert encoder.network.embeddings.word_embeddings.weight.grad.any()


def test_only_the_last_layers_are_trained():
    encoder = text_encoder("minilm", trainable=True, trainable_layers=2, pretrained=False).train()
    network = encoder.network
    fixed, trained = [network.embeddings, *network.encoder.layer[:4]], list(network.encoder.layer[4:])
    below = []
    network.encoder.layer[3].register_forward_hook(lambda module, given, output: below.append(output))
    encoder(REPORTS).report.square().mean().backward()
    assert below
    assert not any(output.requires_grad for output in below)
    assert all(parameter.grad is None for part in fixed for parameter in part.parameters())
    assert all(parameter.grad is not None for part in trained for parameter in part.parameters())
    dropout = {part: any(m.training for m in part.modules() if isinstance(m, nn.Dropout)) for part in fixed + trained}
    assert [*dropout.values()] == [False] * 5 + [True] * 2
    assert {key.split(".")[3] for key in encoder.changeable_state()} == {"4", "5"}
    assert not encoder.eval().training


def test_all_layers_but_not_the_embeddings():
    encoder = text_encoder("minilm", trainable=True, trainable_layers=6, pretrained=False)
    assert not any(parameter.requires_grad for parameter in encoder.network.embeddings.parameters())
    assert all(parameter.requires_grad for parameter in encoder.network.encoder.parameters())


def test_a_trainable_encoder_computes_what_a_frozen_one_does(minilm: TextEncoder):
    trainable = text_encoder("minilm", trainable=True).eval()
    with torch.no_grad():
        assert_near(trainable(REPORTS).words, minilm(REPORTS).words)


def test_bio_clinical_bert_has_the_papers_settings():
    encoder = text_encoder("bio-clinical-bert", pretrained=False)
    assert encoder.dim == 768
    assert encoder.pieces.limit == 97
    assert encoder.pooling == Pooling(layers=4, words="sum", sentences="words", report="words")
    assert encoder([["No effusion."]]).sentences.shape == (1, 1, 768)


def test_the_papers_limit_ends_a_long_report_with_a_whole_sentence():
    """A report as hospitals write them, with breaks in its lines, of more pieces than the encoder takes."""
    encoder = text_encoder("bio-clinical-bert", pretrained=False, context="report")
    encoder.block = 1  # much less to compute
    report = [
        "PA and lateral views of the chest\nprovided.  Lung volumes are low.",
        "There is a moderate left pleural effusion\nwith associated compressive atelectasis.",
        "No pneumothorax.",
    ]
    with pytest.warns(UserWarning, match="1 of 1 texts are longer than the 97 word pieces"):
        long = encoder([report * 4])
    kept = int(long.sentence_mask.sum())
    assert long.sentence_mask[0].tolist() == [True] * kept + [False] * (12 - kept)
    pieces = [len(encoder.pieces.tokenizer.encode(text).ids) - 2 for text in report * 4]
    assert sum(pieces[:kept]) <= 95 < sum(pieces[: kept + 1])
    torch.testing.assert_close(encoder([(report * 4)[:kept]]).report, long.report)


def test_the_same_twice(minilm: TextEncoder):
    assert_same(minilm(REPORTS), minilm(REPORTS))
    again = text_encoder("minilm")
    assert again.identity() == minilm.identity()
    assert_same(again(REPORTS), minilm(REPORTS))


def test_the_identity_holds_every_setting(minilm: TextEncoder, whole_reports: TextEncoder):
    others = [
        text_encoder("minilm", limit=32),
        text_encoder("minilm", pooling=Pooling(layers=1, words="sum", sentences="pieces", report="sentences")),
    ]
    identities = [encoder.identity() for encoder in (minilm, whole_reports, *others)]
    assert all(a != b for index, a in enumerate(identities) for b in identities[:index])


def test_prompts_are_checked(minilm: TextEncoder):
    minilm.prompts(["left pleural effusion"])
    for _ in range(2):  # what was refused is refused again
        with pytest.raises(InputError, match="no words"):
            minilm.prompts(["left pleural effusion", " "])
        with pytest.raises(InputError, match="the encoder takes 254"):
            minilm.prompts(["left " * 255])


class TestRememberedPrompts:
    ASKED = (["a mass", "Small left pleural effusion.", "a mass"], ["edema", "a mass"], [], ["edema"])

    def test_are_what_reports_of_one_sentence_are(self):
        for options in ({}, {"context": "report", "cls_attention": True}, {"pooling": OF_CLS}):
            encoder = text_encoder("minilm", **options)
            for prompts in self.ASKED:
                assert_same(encoder.prompts(prompts), encoder([[prompt] for prompt in prompts]))

    def test_are_read_once(self, monkeypatch: pytest.MonkeyPatch):
        encoder = text_encoder("minilm")
        read = noted_rows(encoder, monkeypatch)
        for prompts in self.ASKED:
            encoder.prompts(prompts)
        assert read == ["a mass", "Small left pleural effusion.", "edema"]

    def test_are_those_asked_for_last(self, monkeypatch: pytest.MonkeyPatch):
        encoder = text_encoder("minilm")
        monkeypatch.setattr(encoder, "remembered", 2)
        read = noted_rows(encoder, monkeypatch)
        for prompts in (["one", "two"], ["one"], ["three"], ["one"], ["two"], ["four", "five", "six"]):
            assert len(encoder.prompts(prompts).report) == len(prompts)
        assert read == ["one", "two", "three", "two", "four", "five", "six"]

    def test_a_trained_encoder_reads_them_anew(self):
        encoder = text_encoder("minilm", trainable=True).eval()
        before = encoder.prompts(["a mass"]).report
        assert before.requires_grad
        with torch.no_grad():
            encoder.network.embeddings.word_embeddings.weight.mul_(2)
        assert not torch.allclose(encoder.prompts(["a mass"]).report, before)


def noted_rows(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that will hold the texts that an encoder cuts to be read."""
    texts: list[str] = []
    cut = encoder.pieces.passages
    pieces = SimpleNamespace(
        passages=lambda given: texts.extend(text for (text,) in given) or cut(given),
        check_prompt=encoder.pieces.check_prompt,
        context=encoder.pieces.context,
    )
    monkeypatch.setattr(encoder, "pieces", pieces)
    return texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "bert"}, "'bert'.*minilm, bio-clinical-bert"),
        ({"name": "minilm", "context": "study"}, "'study'"),
        ({"name": "minilm", "limit": 513}, "limit = 513"),
        ({"name": "minilm", "limit": 2}, "limit = 2"),
        ({"name": "minilm", "trainable_layers": 2}, "trainable_layers is given for a frozen"),
        ({"name": "minilm", "trainable": True, "trainable_layers": 7}, "trainable_layers = 7.* 1 to 6"),
        ({"name": "minilm", "pooling": Pooling(7, "sum", "words", "words")}, "layers = 7.* 1 to 6"),
        ({"name": "minilm", "pooling": Pooling(1, "sum", "words", "cls")}, "report = 'cls'.*context = 'report'"),
        (
            {"name": "minilm", "pooling": Pooling(1, "sum", "cls", "words"), "context": "report"},
            "sentences = 'cls'.*context = 'sentence'",
        ),
    ],
)
def test_impossible_settings_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        text_encoder.__wrapped__(**options)


def test_weights_that_cannot_be_fetched_are_explained(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"Bio_ClinicalBERT.*'minilm'"):
        text_encoder("bio-clinical-bert")


def test_a_layout_finds_the_rows_of_passages():
    spans = np.zeros((5, 2), dtype=np.int64)
    sentences = np.array([0, 0, 0, 1, 1])
    layout = Layout(np.array([0, 2, 2, 5]), np.array([0, 1, 2, 4]), sentences, spans, np.ones(4, dtype=bool))
    assert layout.words_of(np.array([2, 0, 1])).tolist() == [2, 3, 4, 0, 1]
    assert layout.sentences_of(np.array([1, 1, 2])).tolist() == [1, 1, 2, 3]
