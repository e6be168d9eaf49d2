"""Prepare COVIDx: frontal films of several public collections, as normal, pneumonia or COVID-19.

**What it is.** About 30,000 radiographs that the authors of COVID-Net put together from public collections (RSNA,
RICORD, Cohen's, SIRM and others). One label an image, no reports: it tests what an encoder's features are good for.

**How to obtain it.** https://github.com/lindawangg/COVID-Net, `docs/COVIDx.md`: download the collections that it names,
each from its own owner and under its own terms, and run the notebook that puts them together. FOLDER holds

- `train_COVIDx9A.txt`, `test_COVIDx9A.txt`: lines of patient, file, class and source; name other lists with `--release`
- `train/`, `test/`: the images

**What may be done with it.** Each collection has its own licence, and some forbid to pass it on; nothing that is
prepared from it may be published.

**Splits.** The owner's training and test images. MGCA takes a tenth of the training images for validation: with
`--validation-images`, that many become validation, all images of patients drawn by a hash of their names.

**An example.**

    python data_scripts/covidx.py ~/data/covidx --validation-images 3000 --output data/covidx

By estimate it takes half an hour on two cores and 5 GB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.covidx import Covidx


def main(
    folder: Annotated[Path, typer.Argument(help="With the lists, and the folders train and test.")],
    output: Output,
    release: Annotated[str, typer.Option(help="Of the lists: train_COVIDx<release>.txt.")] = "9A",
    validation_images: Annotated[int, typer.Option(min=0, help="Training images for validation.")] = 0,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = Covidx(folder, release, validation_images)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
