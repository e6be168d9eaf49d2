"""Prepare NIH ChestX-ray14: frontal films with labels read off their reports, and boxes in a few of them.

**What it is.** 112,120 radiographs of 30,805 patients of the NIH Clinical Center, with 14 labels that a program read
off their reports (which were not published), and 984 boxes of 8 findings in 880 of them, drawn by a radiologist.

**How to obtain it.** No registration. From https://nihcc.app.box.com/v/ChestXray-NIHCC, or Kaggle's copy of it
(nih-chest-xrays/data), take into one folder (45 GB)

- `Data_Entry_2017_v2020.csv`, or `Data_Entry_2017.csv` as it was called before: labels, patients, views
- `BBox_List_2017.csv`: the boxes
- `train_val_list.txt` and `test_list.txt`: the owner's splits
- the images, unpacked: `images/*.png`, or `images_001/images/*.png` to `images_012/images/*.png`

**What may be done with it.** Any use, with a reference to the paper and to the NIH Clinical Center, as far as is known;
read the terms that come with it. Until you have, what is prepared here counts as not to be published.

**Splits.** The owner's list of tests is "test". Of the patients of `train_val`, one in eight is for validation, by a
hash, which makes about 70, 10 and 20 %. The boxes call "Infiltrate" what the labels call "Infiltration".

**What the boxes say.** An image counts as annotated where every one of its labels has a box. Where a label has none,
nobody knows where that is.

**An example.**

    python data_scripts/nih.py ~/data/nih --boxes-only --output data/nih-boxes

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.nih import Nih


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of tables, lists and images.")],
    output: Output,
    boxes_only: Annotated[
        bool, typer.Option("--boxes-only", metavar="", help="Prepare the 880 images with boxes alone.")
    ] = False,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    run(Nih(folder, boxes_only), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
