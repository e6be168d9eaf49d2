"""Real optimisation steps of a recipe at paper scale, and what they took of the memory of this process.

`python paper_steps.py RECIPE` prints one JSON object. It stands alone, so that the process holds nothing else.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import timm  # noqa: F401  what models would load later on is no memory of theirs
import torch
import transformers.models.bert.modeling_bert  # noqa: F401
from lightning_fabric import Fabric

from cxrtutor.methods.config import RunConfig, load_config
from cxrtutor.methods.registry import method
from cxrtutor.pretraining.example_pairs import example_inputs
from cxrtutor.pretraining.loop import Training
from cxrtutor.pretraining.planner import plan

BATCH, PIECES = 3, 32

CHANGES = {
    "model.image_encoder.pretrained": False,
    "model.text_encoder.pretrained": False,
    "optimization.batch_size": BATCH,
    "optimization.precision": "32-true",
    "compute": {},
}
"""A paper's recipe as it can be run here: with random weights, few pairs at a time, and in float32."""


def main(recipe: Path) -> None:
    config = load_config(recipe, CHANGES)
    before = _memory("VmRSS")
    steps = _steps(config)
    steps["bytes"] = _memory("VmHWM") - before
    gc.collect()
    memory = dict(plan(config, gpu="cpu", pieces=PIECES).memory)
    del memory["context"]  # was there before
    print(json.dumps({**steps, "planned": sum(memory.values())}))


def _steps(config: RunConfig) -> dict:
    """Two steps: gradients and moments of the first are there when the second is at its peak."""
    torch.manual_seed(0)
    recipe, options = method(config.method), config.optimization
    fabric = Fabric(accelerator="cpu", precision=options.precision)
    training = Training(recipe.model(config), recipe.objective(config))
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[options.optimizer]
    optimizer = kind(training.parameters(), lr=options.learning_rate)
    module, optimizer = fabric.setup(training, optimizer)
    encoders = {"image": training.model.image_encoder, "text": training.model.text_encoder}
    first = {name: next(encoder.network.parameters()) for name, encoder in encoders.items()}
    begun = {name: weights.detach().clone() for name, weights in first.items()}
    losses = []
    module.train()
    for pairs in (2, BATCH):
        inputs = example_inputs(training.model, config.data.text, pairs, PIECES)
        loss = module(*inputs)["loss"]
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return {
        "losses": losses,
        "moved": {name: not torch.equal(weights, begun[name]) for name, weights in first.items()},
        "parameters": {
            name: sum(p.numel() for p in encoder.network.parameters()) for name, encoder in encoders.items()
        },
    }


def _memory(kind: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at most since it began. (`getrusage` begins with its parent's.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(kind)).split()[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
