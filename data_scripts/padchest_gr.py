"""Prepare PadChest-GR: reports whose sentences are linked to boxes.

**What it is.** 4,555 studies of a hospital in Alicante, with reports in Spanish and English as lists of sentences:
7,037 positive ones, with boxes where a box can say it, and 3,422 negative ones. Besides the teaching set it is the only
one in which it is known which sentence speaks of what. English sentences are prepared.

**How to obtain it.** Sign the research use agreement at https://bimcv.cipf.es/bimcv-projects/padchest-gr, and put into
one folder

- `grounded_reports_20240819.json`: sentences, labels and boxes
- `master_table.csv`, unpacked from its archive: patients and splits
- the images of `Padchest_GR_files`, 36 GB in 37 parts (`cat PadChest_GR.zip.* > PadChest_GR.zip`, then unpack it): in
  the folder or below it, at any depth

**What becomes of it.** A positive sentence with boxes is a finding. One without is a label alone, and then the image
does not count as annotated: it shows something of which nobody said where. `extra_boxes`, which a second reader drew
for a part of the sentences, are left out.

**What may be done with it.** The agreement allows research, and no passing on; nothing that is prepared from it may be
published.

**Splits.** The owner's: train, validation, test.

**An example.**

    python data_scripts/padchest_gr.py ~/data/padchest-gr --output data/padchest-gr

By estimate it takes half an hour on two cores and 1 GB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.padchest_gr import PadChestGr


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of the JSON file, the table and the images.")],
    output: Output,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    run(PadChestGr(folder), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
