"""Every recipe at paper scale takes real steps here, in few pairs, and the planner knows beforehand what they take."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = sorted(Path("configs/paper").glob("*.yaml"))

RESNET_50, VIT_B_16, BERT_BASE = 23_508_032, 85_798_656, 108_891_648
"""Parameters without heads: of torchvision's and timm's networks, and of BERT-base (uncased) without its pooler."""

# One thread and one arena; large blocks go back to the system as soon as they are freed.
QUIET = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**20)}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read where Linux tells it")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains_in_the_memory_that_is_planned(recipe: Path) -> None:
    program = [sys.executable, str(Path(__file__).with_name("paper_steps.py")), str(recipe)]
    ended = subprocess.run(program, env={**os.environ, **QUIET}, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    steps = json.loads(ended.stdout)
    image = VIT_B_16 if recipe.stem in ("mgca", "mlip") else RESNET_50
    assert steps["parameters"] == {"image": image, "text": BERT_BASE}
    assert steps["moved"] == {"image": True, "text": True}
    assert all(math.isfinite(loss) for loss in steps["losses"])
    print(f"{recipe.stem}: {steps['bytes'] / 2**30:.2f} GiB, planned {steps['planned'] / 2**30:.2f}")
    assert steps["planned"] == pytest.approx(steps["bytes"], rel=0.2)
