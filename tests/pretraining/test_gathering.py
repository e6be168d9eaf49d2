"""Two processes that gather learn what one process holding all pairs would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from cxrtutor.alignment import GlobalAlignment, PairedFeatures, SentenceAlignment
from cxrtutor.encoders.features import ImageFeatures, TextFeatures
from cxrtutor.pretraining.gathering import gather_pairs


def example() -> dict[str, Tensor]:
    """Four pairs; the first two reports have at most two sentences, the last two up to three."""
    random = torch.Generator().manual_seed(0)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]]).bool()
    return {
        "deep": torch.randn(4, 8, 3, 3, generator=random),
        "final": torch.randn(4, 8, 2, 2, generator=random),
        "sentences": torch.randn(4, 3, 8, generator=random) * mask[..., None],
        "sentence_mask": mask,
        "report": torch.randn(4, 8, generator=random),
    }


def pairs_of(values: dict[str, Tensor], rows: slice, weight: Tensor) -> PairedFeatures:
    """Rows of the example, padded no longer than they need, all scaled by a shared `weight`."""
    mask = values["sentence_mask"][rows]
    longest = int(mask.sum(1).max())
    final = values["final"][rows] * weight
    image = ImageFeatures(None, values["deep"][rows] * weight, final, final.mean((2, 3)))
    count = len(mask)
    text = TextFeatures(
        words=None,
        word_mask=torch.zeros(count, 0, dtype=torch.bool),
        word_sentence=torch.zeros(count, 0, dtype=torch.long),
        word_span=torch.zeros(count, 0, 2, dtype=torch.long),
        sentences=values["sentences"][rows, :longest] * weight,
        sentence_mask=mask[:, :longest],
        report=values["report"][rows] * weight,
    )
    return PairedFeatures(image, text)


def loss_of(pairs: PairedFeatures) -> Tensor:
    return GlobalAlignment(temperature=0.1)(pairs).loss + SentenceAlignment()(pairs).loss


def one_of_two(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    weight = torch.tensor(0.7, requires_grad=True)
    loss = loss_of(gather_pairs(pairs_of(example(), slice(2 * rank, 2 * rank + 2), weight)))
    loss.backward()
    # Data-parallel training averages the processes' gradients.
    dist.all_reduce(weight.grad)
    torch.save({"loss": loss.detach(), "gradient": weight.grad / 2}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_pitfall_8_loss_and_averaged_gradient_equal_those_of_one_process(tmp_path: Path) -> None:
    weight = torch.tensor(0.7, requires_grad=True)
    expected = loss_of(pairs_of(example(), slice(0, 4), weight))
    expected.backward()
    mp.spawn(one_of_two, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["loss"], expected.detach())
        torch.testing.assert_close(found["gradient"], weight.grad)


def test_one_process_gets_its_own_pairs_back() -> None:
    pairs = pairs_of(example(), slice(0, 4), torch.tensor(1.0))
    assert gather_pairs(pairs) is pairs
