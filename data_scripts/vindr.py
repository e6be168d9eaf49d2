"""Prepare VinDr-CXR: frontal films with 22 findings in boxes, and 6 diagnoses, by several radiologists.

**What it is.** 18,000 radiographs of two hospitals in Hanoi. Of the 15,000 to train on, each was read by three
radiologists, who often differ; of the 3,000 tests, each by five, who agreed on one answer. No reports.

**How to obtain it.** Access is credentialed: on https://physionet.org register, complete the CITI course that the site
names, and sign the data use agreement of `vindr-cxr`. This script downloads nothing. The folder then holds

- `annotations/annotations_train.csv`, `annotations_test.csv`: a row for every box
- `annotations/image_labels_train.csv`, `image_labels_test.csv`: a row for every image and reader
- `train/<image_id>.dicom`, `test/<image_id>.dicom`

Or give the folder of VinBigData's challenge, https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection
(`train.csv`, `train/<image_id>.dicom`): the same training images, with 14 findings. Copies of it in other sizes or as
pictures will not do, unless they are as large as the DICOM files: the boxes are in pixels of those.

**What may be done with it.** PhysioNet's agreement and Kaggle's rules forbid to pass it on, in our form too; nothing
that is prepared from it may be published.

**Readers.** A finding is there if at least `--agreement` readers of an image drew it (2, if you do not say otherwise);
its boxes are those of all who drew it. A label that so many gave is 1, one that nobody gave 0, what lies between is -1.

**Splits.** The owner's, train and test. Images of the challenge are split 70/15/15 by a hash of their names: no
patient is named, and one may be on both sides.

**An example.**

    python data_scripts/vindr.py ~/data/vindr-cxr/1.0.0 --only test --output data/vindr-test

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.vindr import VinDr


def main(
    folder: Annotated[Path, typer.Argument(help="PhysioNet's folder, or that of Kaggle's challenge.")],
    output: Output,
    agreement: Annotated[int, typer.Option(min=1, help="How many readers must have seen a finding.")] = 2,
    only: Annotated[
        Literal["train", "test"] | None, typer.Option(help="One part of PhysioNet's set.", show_default=False)
    ] = None,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = VinDr(folder, agreement, only)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
