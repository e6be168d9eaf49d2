"""Prepare SIIM-ACR Pneumothorax: frontal films with masks of pneumothorax.

**What it is.** 12,047 radiographs of NIH's ChestX-ray14, in 2,669 of which radiologists outlined a pneumothorax. No
reports: it measures where a model looks, down to the pixel.

**How to obtain it.** With a Kaggle account, accept the rules at
https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation and download the images with `stage_2_train.csv`; older
copies call the table `train-rle.csv`. Given to this script are

- TABLE: that file, a row for every mask, -1 where there is no pneumothorax
- IMAGES: the folder with `<ImageId>.dcm`, in folders of folders (`<study>/<series>/`) or not; PNG files with the same
  names will do, whatever their size

**What may be done with it.** The rules of the competition allow research and teaching, and no passing on; nothing that
is prepared from it may be published.

**Splits.** The owner published masks for the training images alone. They are split 70/15/15 by a hash of the image's
name: the set names no patient, and no list is known to us that does. So one patient may be in training and in testing.
Or give a list of your own with `--splits`.

**An example.**

    python data_scripts/siim.py ~/data/siim/stage_2_train.csv ~/data/siim/dicom-images-train \\
        --output data/siim

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.siim import Siim


def main(
    table: Annotated[Path, typer.Argument(help="stage_2_train.csv or train-rle.csv.")],
    images: Annotated[Path, typer.Argument(help="The folder of images, at any depth.")],
    output: Output,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    run(Siim(table, images), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
