"""Prepare ChestX-Det: frontal films with thirteen findings outlined.

**What it is.** 3,578 radiographs of NIH's ChestX-ray14, in which three radiologists outlined 13 findings: 9,639 boxes,
each with a contour. 611 films are normal. No reports.

**How to obtain it.** No registration: `--download` fetches it into the folder. Or put there yourself

- `ChestX_Det_train.json` and `ChestX_Det_test.json` from https://github.com/Deepwise-AILab/ChestX-Det-Dataset
- the images, unpacked there, of http://resource.deepwise.com/ChestX-Det/train_data.zip and
  http://resource.deepwise.com/ChestX-Det/test_data.zip

The files have names of their own, so that neither their patients are known nor which of NIH's images they are.

**What may be done with it.** The annotations are under Apache-2.0, the images those of the NIH (free with attribution,
as far as is known; read its terms). Until you have, what is prepared here counts as not to be published.

**Splits.** The owner's: 3,025 images to train on, 553 for testing.

**An example.**

    python data_scripts/chestx_det.py ~/data/chestx-det --output data/chestx-det

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.chestx_det import ChestXDet
from cxrtutor.data.sources.chestx_det import download as fetch_all


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of both lists and of the images.")],
    output: Output,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch lists and images into FOLDER, where they are not there.")
    ] = False,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    if download:
        fetch_all(folder)
    run(ChestXDet(folder), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
