"""Prepare CheXpert: frontal films with 14 labels that were read off their reports.

**What it is.** 223,414 radiographs of 64,540 patients at Stanford for training and 234 of 200 patients for validation,
whose labels radiologists gave. Labels are 1 present, 0 absent, -1 uncertain; what a report does not mention has none.
No reports. Lateral films are skipped, and counted.

**How to obtain it.** On https://stanfordaimi.azurewebsites.net register, accept the research use agreement of CheXpert
and download it: `CheXpert-v1.0-small` (11 GB, about 390 pixels wide) is enough for 512 pixels and less. This script
downloads nothing. FOLDER holds

- `train.csv`, `valid.csv`
- `train/patient00001/study1/view1_frontal.jpg` and so on, and `valid/` alike

**What may be done with it.** The agreement allows research and forbids to pass it on; nothing that is prepared from it
may be published.

**Splits.** The owner's training and validation images. The labels of the owner's test images came later, so that papers
have their own convention: with `--validation-images 5000`, as MGCA has it, the official validation images are for
testing, and 5,000 training images for validation. MGCA draws these by image; here they are all images of patients drawn
by a hash of their names, so that nobody is on both sides.

**An example.**

    python data_scripts/chexpert.py ~/data/CheXpert-v1.0-small --validation-images 5000 --encoding jpeg \\
        --output data/chexpert

By estimate it takes an hour on two cores and 6 GB of disk. As PNG the small release would take 13 GB, which is more
than it came in, since its images are JPEG; the full one at 512 pixels takes 25 GB as PNG and half as JPEG. Stopped at
any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.chexpert import Chexpert


def main(
    folder: Annotated[Path, typer.Argument(help="CheXpert-v1.0 or CheXpert-v1.0-small.")],
    output: Output,
    validation_images: Annotated[
        int, typer.Option(min=0, help="Training images for validation; the official validation images are tests then.")
    ] = 0,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = Chexpert(folder, validation_images)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
