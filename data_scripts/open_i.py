"""Prepare Open-I: frontal films of Indiana University with their reports.

**What it is.** 7,470 radiographs of 3,955 examinations with their reports, de-identified (`XXXX` stands for a word that
was taken out), and headings that people indexed the reports by. About half of the films are lateral and are skipped.

**How to obtain it.** Reports and films need no registration, the table of views a Kaggle account. From
https://openi.nlm.nih.gov/imgs/collections come `NLMCXR_reports.tgz` (1 MB) and `NLMCXR_png.tgz` (more than 1 GB);
`--download` fetches and unpacks both. FOLDER then holds

- `ecgen-radiology/`: the reports, `1.xml` to `3999.xml`
- `NLMCXR_png/`: the films, such as `CXR1_1_IM-0001-3001.png` (any other folder will do)

Neither tells which films are frontal. `indiana_projections.csv` of
https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university does, which is not fetched for you: sign in to
Kaggle, download it, and put it into FOLDER or give it with `--projections`.

**What may be done with it.** CC BY-NC-ND 4.0: no commercial use, and no passing on of changed copies; nothing that is
prepared from it may be published.

**Splits.** The owner has none. The films are split 70/15/15 by a hash of the examination. Or give a list of your own
with `--splits`.

**An example.**

    python data_scripts/open_i.py ~/data/open-i --download --output data/open-i

Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.open_i import OpenI
from cxrtutor.data.sources.open_i import download as fetch_all


def main(
    folder: Annotated[Path, typer.Argument(help="Where ecgen-radiology and the films are.")],
    output: Output,
    projections: Annotated[
        Path | None,
        typer.Option(help="Kaggle's table of views; FOLDER/indiana_projections.csv by default.", show_default=False),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch reports and films into FOLDER, where they are not there.")
    ] = False,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    if download:
        fetch_all(folder)
    source = OpenI(folder, projections or folder / "indiana_projections.csv")
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
