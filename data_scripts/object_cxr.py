"""Prepare Object-CXR: frontal films with foreign objects marked, such as buttons, necklaces and zips.

**What it is.** 9,000 radiographs of township hospitals in China; in half of them radiologists marked foreign objects
within the lungs by rectangles, ellipses or polygons (support devices were left out). No reports.

**How to obtain it.** No registration. From https://academictorrents.com/details/fdc91f11d7010f7259a05403fc9d00079a09f5d5
take `train.csv`, `dev.csv`, `train.zip` (12.1 GB) and `dev.zip` (1.5 GB) into one folder and unpack the archives there.
The tables name the size of no image; it is read from each file.

**What may be done with it.** No licence was found with it. So nothing that is prepared from it may be published.

**Splits.** The owner's: `train.csv` is "train", `dev.csv` is "validation". The annotations of the challenge's own 1,000
test images were not given out.

**An example.**

    python data_scripts/object_cxr.py ~/data/object-cxr --output data/object-cxr

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.object_cxr import ObjectCxr


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of both tables and of the images.")],
    output: Output,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    run(ObjectCxr(folder), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
