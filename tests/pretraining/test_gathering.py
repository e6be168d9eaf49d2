"""Two processes that gather learn what one process holding all pairs would."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from cxrtutor.alignment import GlobalAlignment, PairedFeatures, TransportAlignment
from cxrtutor.alignment.alignment import Reconstruction
from cxrtutor.encoders.features import ImageFeatures, TextFeatures
from cxrtutor.pretraining.gathering import gather_pairs


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


def one_of_two(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    weight = torch.tensor(0.7, requires_grad=True)
    pairs = gather_pairs(pairs_of(example(), slice(2 * rank, 2 * rank + 2), weight))
    loss = loss_of(pairs)
    loss.backward()
    # Data-parallel training averages the processes' gradients.
    dist.all_reduce(weight.grad)
    held = {name: None if value is None else value.detach() for name, value in tensors_of(pairs).items()}
    torch.save({"loss": loss.detach(), "gradient": weight.grad / 2, "held": held}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_pitfall_8_loss_and_averaged_gradient_equal_those_of_one_process(tmp_path: Path) -> None:
    weight = torch.tensor(0.7, requires_grad=True)
    whole = pairs_of(example(), slice(0, 4), weight)
    expected = loss_of(whole)
    expected.backward()
    mp.spawn(one_of_two, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["loss"], expected.detach())
        torch.testing.assert_close(found["gradient"], weight.grad)
        held = tensors_of(whole)
        assert found["held"].keys() == held.keys()
        assert {name for name, value in held.items() if value is None} == {".image.shallow", ".text.words"}
        for name in held.keys() - {".image.shallow", ".text.words"}:
            assert torch.equal(found["held"][name], held[name]), name


def test_one_process_gets_its_own_pairs_back() -> None:
    pairs = pairs_of(example(), slice(0, 4), torch.tensor(1.0))
    assert gather_pairs(pairs) is pairs
