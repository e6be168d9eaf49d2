"""Two processes that gather learn what one process holding all pairs would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from alignment.batches import attended, paired
from alignment.objectives import OBJECTIVES
from small_runs import use_small_text_encoder
from torch import Tensor
from whole_methods import NAMES, assert_same, batch, loss_and_gradients, training

from cxrtutor.alignment import (
    GlobalAlignment,
    LocalAlignment,
    MaskedContrast,
    PairedFeatures,
    PatchReconstruction,
    PrototypeAlignment,
    TokenAlignment,
    TransportAlignment,
)
from cxrtutor.alignment.alignment import Objective, Reconstruction
from cxrtutor.encoders.features import ImageFeatures, TextFeatures
from cxrtutor.pretraining.gathering import PADDED, gather_pairs, join_pairs


def example() -> dict[str, Tensor]:
    """Four pairs; the first two reports have at most two sentences, the last two up to three, and so with words."""
    random = torch.Generator().manual_seed(0)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]]).bool()
    visible = torch.rand(4, 3, 3, generator=random) < 0.5
    return {
        "deep": torch.randn(4, 8, 3, 3, generator=random),
        "final": torch.randn(4, 8, 2, 2, generator=random),
        "sentences": torch.randn(4, 3, 8, generator=random) * mask[..., None],
        "sentence_mask": mask,
        "report": torch.randn(4, 8, generator=random),
        "attention": torch.rand(4, 3, 3, generator=random),
        "visible": visible,
        "word_attention": torch.rand(4, 3, generator=random) * mask,
        "whole": torch.randn(4, 8, generator=random),
        "predicted": torch.randn(4, 9, 5, generator=random),
        "pixels": torch.randn(4, 9, 5, generator=random),
    }


def pairs_of(values: dict[str, Tensor], rows: slice, weight: Tensor) -> PairedFeatures:
    """Rows of the example, padded no longer than they need, all scaled by a shared `weight`."""
    mask = values["sentence_mask"][rows]
    longest = int(mask.sum(1).max())
    final = values["final"][rows] * weight
    image = ImageFeatures(
        shallow=None,
        deep=values["deep"][rows] * weight,
        final=final,
        pooled=final.mean((2, 3)),
        attention=values["attention"][rows],
        visible=values["visible"][rows],
    )
    text = TextFeatures(
        words=None,
        word_mask=mask[:, :longest],
        word_sentence=torch.where(mask, 0, -1)[:, :longest],
        word_span=torch.where(mask[..., None], torch.tensor([3, 5]), -1)[:, :longest],
        sentences=values["sentences"][rows, :longest] * weight,
        sentence_mask=mask[:, :longest],
        report=values["report"][rows] * weight,
        word_attention=values["word_attention"][rows, :longest],
    )
    reconstruction = Reconstruction(
        predicted=values["predicted"][rows] * weight,
        pixels=values["pixels"][rows],
        hidden=~values["visible"][rows].flatten(1),
    )
    return PairedFeatures(image, text, values["whole"][rows], reconstruction)


def loss_of(pairs: PairedFeatures) -> Tensor:
    error = pairs.reconstruction.predicted - pairs.reconstruction.pixels
    decoded = error.square().mean(2)[pairs.reconstruction.hidden].mean()
    return GlobalAlignment(temperature=0.1)(pairs).loss + TransportAlignment()(pairs).loss + decoded


def tensors_of(part: object, name: str = "") -> dict[str, Tensor | None]:
    """All that pairs hold, by dotted name."""
    if not is_dataclass(part):
        return {name: part}
    return {
        key: value for f in fields(part) for key, value in tensors_of(getattr(part, f.name), f"{name}.{f.name}").items()
    }


def example_step(rank: int) -> dict[str, Any]:
    """What one of two processes holds of the example once it is gathered, and the loss and gradient of it."""
    weight = torch.tensor(0.7, requires_grad=True)
    pairs = gather_pairs(pairs_of(example(), slice(2 * rank, 2 * rank + 2), weight))
    loss = loss_of(pairs)
    loss.backward()
    # Data-parallel training averages the processes' gradients.
    dist.all_reduce(weight.grad)
    held = {name: None if value is None else value.detach() for name, value in tensors_of(pairs).items()}
    return {"loss": loss.detach(), "gradient": weight.grad / 2, "held": held}


CASES: dict[str, Callable[[], Objective]] = {
    **OBJECTIVES,
    "learnt temperature": lambda: GlobalAlignment(learnable=True),
    "reports on pooled images": lambda: LocalAlignment("report", "pooled"),
    "tokens by attention": TokenAlignment,
    "prototypes of tokens": lambda: PrototypeAlignment(8, 5, frozen_epochs=0, of="tokens"),
    "frozen prototypes": lambda: PrototypeAlignment(8, 5, frozen_epochs=1),
    "contrast by integrity": lambda: MaskedContrast(stop_gradient=False),
    "patch reconstruction": PatchReconstruction,
}
HIDDEN_IN_PART = {
    name
    for name in CASES
    if name.startswith(("tokens", "contrast", "patch")) or name.endswith(("transport", "of tokens"))
}
"""The cases that are given images that are hidden in part."""

SENTENCES = (4, 1, 0, 2, 3, 1)
"""Of every report: one process has the longer ones and one without any, the other the shorter."""

PIECES = (None, 2)


def joint(name: str, seed: int) -> PairedFeatures:
    """All pairs of one step of a case."""
    pairs = attended(paired(SENTENCES, dtype=torch.float64, seed=seed))
    if name not in HIDDEN_IN_PART:
        return pairs
    random = torch.Generator().manual_seed(seed)
    count, side = len(SENTENCES), pairs.image.deep.shape[2]
    visible = torch.rand(count, side, side, generator=random) < 0.6
    predicted, pixels = torch.randn(2, count, side * side, 4, generator=random, dtype=torch.float64)
    whole = torch.randn(count, pairs.image.pooled.shape[1], generator=random, dtype=torch.float64)
    decoded = Reconstruction(predicted, pixels, ~visible.flatten(1))
    return PairedFeatures(replace(pairs.image, visible=visible), pairs.text, whole, decoded)


def rows_of(part: Any, rows: Sequence[int]) -> Any:
    """Some pairs as leaves of their own, whose text is padded no longer than they need."""
    if is_dataclass(part):
        taken = type(part)(**{each.name: rows_of(getattr(part, each.name), rows) for each in fields(part)})
        return trimmed(taken) if isinstance(taken, TextFeatures) else taken
    return None if part is None else part.detach()[list(rows)]


def trimmed(text: TextFeatures) -> TextFeatures:
    longest = {unit: max(1, int(getattr(text, f"{unit}_mask").sum(1).max())) for unit in ("word", "sentence")}
    short = {
        name: getattr(text, name)[:, : longest["sentence" if name.startswith("sentence") else "word"]]
        for name in PADDED
        if getattr(text, name) is not None
    }
    return replace(text, **short)


def rows_of_process(rank: int | None) -> list[int]:
    """What one of two processes sees of a batch; None for one process, that sees it in the order of the gathered."""
    return list(range(len(SENTENCES)))[rank::2] if rank is not None else [*rows_of_process(0), *rows_of_process(1)]


def objective_steps(name: str, rank: int | None = None) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Three steps of an objective: the loss, and the gradients of features (of its own pairs) and parameters."""
    torch.manual_seed(0)
    objective = CASES[name]().double()
    processes = 1 if rank is None else 2
    steps = []
    for seed in range(3):
        pairs = rows_of(joint(name, seed), rows_of_process(rank))
        features = {
            n: t.requires_grad_() for n, t in tensors_of(pairs).items() if t is not None and t.dtype.is_floating_point
        }
        learnt = dict(objective.named_parameters())
        objective.zero_grad()
        loss = objective(gather_pairs(pairs)).loss
        loss.backward()
        if rank is not None:
            for parameter in learnt.values():
                dist.all_reduce(parameter.grad)
        found = {n: p.grad / processes for n, p in {**features, **learnt}.items() if p.grad is not None}
        with torch.no_grad():
            for each, parameter in learnt.items():
                parameter -= 0.3 * found[each]
        steps.append((loss.detach(), found))
    return steps


def method_step(name: str, piece: int | None, rank: int | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """A whole method's loss and its parameters' gradients, which data-parallel training averages."""
    given = training(name, piece)
    module = given if rank is None else torch.nn.parallel.DistributedDataParallel(given)
    return loss_and_gradients(given, batch(given, rows_of_process(rank)), module)


def one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    use_small_text_encoder(pytest.MonkeyPatch())
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {
        "example": example_step(rank),
        "objectives": {name: objective_steps(name, rank) for name in CASES},
        "methods": {(name, piece): method_step(name, piece, rank) for name in NAMES for piece in PIECES},
    }
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What both of two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(one_of_two, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.slow
class TestTwoProcessesAreAsOne:
    def test_pitfall_8_loss_and_averaged_gradient_of_an_example(self, processes: list[dict[str, Any]]) -> None:
        weight = torch.tensor(0.7, requires_grad=True)
        whole = pairs_of(example(), slice(0, 4), weight)
        expected = loss_of(whole)
        expected.backward()
        for found in (process["example"] for process in processes):
            torch.testing.assert_close(found["loss"], expected.detach())
            torch.testing.assert_close(found["gradient"], weight.grad)
            held = tensors_of(whole)
            assert found["held"].keys() == held.keys()
            assert {name for name, value in held.items() if value is None} == {".image.shallow", ".text.words"}
            for name in held.keys() - {".image.shallow", ".text.words"}:
                assert torch.equal(found["held"][name], held[name]), name

    @pytest.mark.parametrize("name", CASES)
    def test_in_every_objective(self, processes: list[dict[str, Any]], name: str) -> None:
        for rank, process in enumerate(processes):
            for found, expected in zip(process["objectives"][name], objective_steps(name), strict=True):
                torch.testing.assert_close(found[0], expected[0], rtol=1e-8, atol=0)
                assert found[1].keys() == expected[1].keys() and expected[1]
                for part, gradient in expected[1].items():
                    mine = part_of_process(gradient, rank, found[1][part].shape) if part.startswith(".") else gradient
                    torch.testing.assert_close(found[1][part], mine, rtol=1e-6, atol=1e-10)

    @pytest.mark.parametrize("piece", PIECES)
    @pytest.mark.parametrize("name", NAMES)
    def test_in_every_method(self, processes: list[dict[str, Any]], name: str, piece: int | None) -> None:
        expected = method_step(name, piece=None)
        for process in processes:
            assert_same(process["methods"][name, piece], expected)


def part_of_process(gradient: Tensor, rank: int, shape: torch.Size) -> Tensor:
    """Of the gradient of all pairs that of one process's, whose reports are shorter; what is cut off must be zero."""
    mine = gradient.chunk(2)[rank]
    kept = mine[tuple(slice(0, length) for length in shape)]
    assert kept.abs().sum() == pytest.approx(mine.abs().sum().item())
    return kept


def test_joined_parts_are_the_whole_again() -> None:
    values, weight = example(), torch.tensor(1.0)
    whole = tensors_of(pairs_of(values, slice(0, 4), weight))
    joined = tensors_of(join_pairs([pairs_of(values, slice(0, 1), weight), pairs_of(values, slice(1, 4), weight)]))
    assert joined.keys() == whole.keys()
    assert all(value is joined[name] is None or torch.equal(joined[name], value) for name, value in whole.items())


def test_one_process_gets_its_own_pairs_back() -> None:
    pairs = pairs_of(example(), slice(0, 4), torch.tensor(1.0))
    assert gather_pairs(pairs) is pairs
