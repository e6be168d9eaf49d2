"""An experiments' file beside its recipes, as configs/ has it, of runs that take a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from small_runs import recipe


def write_experiments(folder: Path, data: Path, **changes: Any) -> Path:
    """Two runs with two seeds each; `changes` replace keys of the experiment."""
    for method in ("lsm", "convirt"):
        path = folder / "recipes" / f"{method}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(recipe(data, method, epochs=1)))
    experiment = {
        "runs": {
            "lsm": {"config": "recipes/lsm.yaml"},
            "without local": {"config": "recipes/convirt.yaml", "changes": {"optimization.learning_rate": 0.02}},
        },
        "seeds": [0, 5],
    }
    path = folder / "experiments.yaml"
    path.write_text(yaml.safe_dump({"local": experiment | changes}))
    return path
