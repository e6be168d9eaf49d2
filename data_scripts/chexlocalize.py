"""Prepare CheXlocalize: films of CheXpert with ten findings drawn by radiologists.

**What it is.** CheXpert's 234 validation and 668 test images, with masks of ten findings (atelectasis, edema, support
devices ...) on every frontal one that shows any. An image that no mask names shows none of the ten; where its label
says otherwise, it is skipped. No reports. Lateral films are skipped, and counted.

**How to obtain it.** On https://stanfordaimi.azurewebsites.net register, accept the research use agreement of
CheXlocalize and follow the link that is given then. This script downloads nothing. FOLDER holds

- `CheXlocalize/gt_segmentations_val.json`, `CheXlocalize/gt_segmentations_test.json`: the masks
- `CheXpert/val_labels.csv`, `CheXpert/test_labels.csv`: the labels
- `CheXpert/val/patient64541/study1/view1_frontal.jpg` and so on, and `CheXpert/test/` alike

**What may be done with it.** The agreement allows research and forbids to pass it on; nothing that is prepared from it
may be published.

**Splits.** The owner's validation images, on which thresholds are chosen, and test images.

**An example.**

    python data_scripts/chexlocalize.py ~/data/chexlocalize --output data/chexlocalize

By estimate it takes a few minutes and 150 MB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.chexlocalize import Chexlocalize


def main(
    folder: Annotated[Path, typer.Argument(help="With the folders CheXlocalize and CheXpert.")],
    output: Output,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = Chexlocalize(folder)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
