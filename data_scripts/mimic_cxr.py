"""Prepare MIMIC-CXR: frontal films with their reports, for pre-training.

**What it is.** 377,110 radiographs of 227,835 studies at one hospital in Boston, with the reports that were written on
them, de-identified, and 14 labels that a program read off each report. About 243,000 films are frontal; those whose
`ViewPosition` is neither PA nor AP are skipped, and counted.

**How to obtain it.** Access is credentialed: on https://physionet.org register, complete the CITI course that the site
names, and sign the data use agreements of `mimic-cxr-jpg` (the images, about 560 GB) and `mimic-cxr` (the reports, one
file of about 140 MB). This script downloads nothing. FOLDER is then MIMIC-CXR-JPG 2.1.0 and holds

- `mimic-cxr-2.0.0-metadata.csv.gz`, `mimic-cxr-2.0.0-split.csv.gz`, `mimic-cxr-2.0.0-chexpert.csv.gz`
  (or `negbio`): release 2.1.0 kept these names
- `mimic-cxr-2.1.0-test-set-labeled.csv`, for `--radiologists` alone: labels that radiologists gave 687 test studies
- `files/p10/p10000032/s50414267/*.jpg`: the images

and REPORTS is the folder in which `mimic-cxr-reports.zip` was unpacked: `files/p10/p10000032/s50414267.txt`. Both may
be one folder.

**What may be done with it.** The agreement forbids to pass it on, in our form too; nothing that is prepared from it may
be published.

**What to hold out.** A model that is to be measured on MS-CXR must not have seen its images. With `--hold-out` and a
file of MS-CXR, all images of its patients go to the split "held-out"; with `--hold-out-by image` only its images do, as
in BioViL's paper, and other films of the same patients stay in training. All else keeps MIMIC-CXR's own split.

**An example.**

    python data_scripts/mimic_cxr.py ~/data/mimic-cxr-jpg ~/data/mimic-cxr \\
        --hold-out ~/data/ms-cxr/MS_CXR_Local_Alignment_v1.1.0.csv --output data/mimic-cxr --workers 8

By estimate it takes 35 GB of disk at the default side of 512 pixels, half with `--encoding jpeg`, and hours for the
images; the tables are read in a minute. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.mimic_cxr import MimicCxr


def main(
    folder: Annotated[Path, typer.Argument(help="MIMIC-CXR-JPG.")],
    reports: Annotated[Path, typer.Argument(help="MIMIC-CXR, where mimic-cxr-reports.zip was unpacked.")],
    output: Output,
    labeler: Annotated[Literal["chexpert", "negbio"], typer.Option(help="Whose labels of the reports.")] = "chexpert",
    radiologists: Annotated[
        bool,
        typer.Option(
            "--radiologists", metavar="", help="Labels of mimic-cxr-2.1.0-test-set-labeled.csv, where it has any."
        ),
    ] = False,
    hold_out: Annotated[Path | None, typer.Option(help="A file of MS-CXR (CSV or JSON) to hold out.")] = None,
    hold_out_by: Annotated[
        Literal["patient", "image"], typer.Option(help="All films of its patients, or its films alone.")
    ] = "patient",
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = MimicCxr(folder, reports, labeler, radiologists, hold_out, hold_out_by)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
