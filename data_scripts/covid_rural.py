"""Prepare COVID Rural: films of patients with COVID-19, with their opacities drawn.

**What it is.** 221 frontal radiographs of a rural population in Arkansas (the collection COVID-19-AR of TCIA), in which
opacities were drawn, pixel by pixel. It tests models on a hospital and a disease that they have not seen; published
evaluations ask for "Findings suggesting pneumonia.".

**How to obtain it.** It is public: `git clone https://github.com/haimingt/opacity_segmentation_covid_chest_X_ray`
(811 MB). FOLDER is its folder `covid_rural_annot` and holds

- `jpgs/COVID-19-AR-16406488_01-08-2012-XR.jpg` and so on: the images
- `pngs_masks/`: a mask of the same name and size for each

**What may be done with it.** The repository states no licence for the masks, so that nothing that is prepared from it
may be published. The images themselves are TCIA's.

**Splits.** All images are for testing. LoVT's lists (CSV files with a column `ID`) can be given with `--train`,
`--validation` and `--test`; images that are in none of them are skipped. Or give a list of your own with `--splits`.

**Reports.** `covid_rural_radiologist_notes.csv` becomes the reports where it is clear which of its columns names the
image and which is the note. Otherwise there are none, and the summary says so.

**An example.**

    python data_scripts/covid_rural.py ~/data/covid_rural_annot --output data/covid-rural

By estimate it takes a minute and 50 MB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.covid_rural import CovidRural

List = Annotated[Path | None, typer.Option(help="A list of images of this split (column ID).", show_default=False)]


def main(
    folder: Annotated[Path, typer.Argument(help="covid_rural_annot.")],
    output: Output,
    train: List = None,
    validation: List = None,
    test: List = None,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    lists = {"train": train, "validation": validation, "test": test}
    source = CovidRural(folder, {split: path for split, path in lists.items() if path})
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
