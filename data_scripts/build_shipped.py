"""Build what travels with the package: train the small model, choose twelve test studies, write both into it.

    python data_scripts/build_shipped.py

Takes the time of one training. Run it when the recipe, the teaching set or the model's form has changed; a test says
so.
"""

import json
import shutil
from collections.abc import Sequence

from cxrtutor import shipped, store
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.sets import open_studies
from cxrtutor.data.study import Study
from cxrtutor.data.teaching.lesion import FINDINGS
from cxrtutor.methods.config import load_config
from cxrtutor.pretraining.loop import pretrain, run_key

RECIPE = "configs/teaching/lsm.yaml"
STUDIES = 12


def chosen(studies: Sequence[Study]) -> list[Study]:
    """The first study for each finding in turn, again and again, none twice: every finding is among them."""
    taken: dict[str, Study] = {}
    while len(taken) < STUDIES:
        for name in FINDINGS[: STUDIES - len(taken)]:
            study = next(s for s in studies if s.id not in taken and name in {finding.name for finding in s.findings})
            taken[study.id] = study
    return list(taken.values())


def main() -> None:
    """Train, choose, write."""
    config = load_config(RECIPE)
    run = pretrain(config)
    test = open_studies(config.data.set, "test", config.data.edition)
    studies = chosen(test)
    for old in ("model", "studies"):
        shutil.rmtree(shipped.FOLDER / old, ignore_errors=True)
    shutil.copytree(run.folder / "model", shipped.FOLDER / "model")
    folder = shipped.FOLDER / "studies"
    shard = shard_path(folder, "test", 0)
    write_shard(shard, studies)
    ids = [study.id for study in studies]
    write_card(
        folder,
        [shard],
        {"from": test.card["key"], "ids": ids},
        name="twelve studies of the teaching set",
        version=test.card["version"],
        licence=test.card["licence"],
        redistribution=test.card["redistribution"],
    )
    whole = config.model_dump(mode="json")
    origin = {"recipe": RECIPE, "config": whole, "run": run_key(config), **run.result, "studies": ids}
    store.write_file(shipped.FOLDER / "origin.json", json.dumps(origin, indent=1) + "\n")
    size = sum(path.stat().st_size for path in shipped.FOLDER.rglob("*") if path.suffix != ".py" and path.is_file())
    print(f"{len(studies)} studies and the model are in {shipped.FOLDER}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
