"""Prepare MS-CXR: phrases of real reports with the boxes that radiologists drew for them.

**What it is.** 1,162 pairs of an image and a phrase ("small left pleural effusion") on images of MIMIC-CXR, with boxes,
in 8 categories. The set that phrases are measured on.

**How to obtain it.** Access is credentialed: on https://physionet.org register, complete the CITI course that the site
names, and sign the data use agreements of `ms-cxr` and of `mimic-cxr-jpg`, which has its images (`mimic-cxr` has their
reports). This script downloads nothing. Needed are

- ANNOTATIONS: `MS_CXR_Local_Alignment_v1.1.0.csv` or `.json`; those of release 0.1 are named `v1.0.0`
- FOLDER: MIMIC-CXR-JPG with `files/p10/p10000032/s50414267/*.jpg`; MS-CXR's own images are enough
- REPORTS, if wanted: the folder in which `mimic-cxr-reports.zip` was unpacked

**What may be done with it.** The agreement forbids to pass it on, in our form too; nothing that is prepared from it may
be published.

**Splits.** Release 1.1.0's own, which are not those of MIMIC-CXR: an image that MIMIC-CXR trains on may be for testing
here, so hold them out there (`python data_scripts/mimic_cxr.py --help`). Release 0.1 has none: all is for testing.

**To measure as the papers do.** Theirs are all 1,162 pairs, and `cxrtutor evaluate --data` takes one split. With
`--all-for-testing` every image is in "test", so that it measures on all of them. Without it, release 1.1.0 is measured
on a part: `--set test`, `--set validation` or `--set train`. `cxrtutor evaluate-maps` takes MS-CXR's own file, and so
all pairs.

**An example.**

    python data_scripts/ms_cxr.py ~/data/ms-cxr/MS_CXR_Local_Alignment_v1.1.0.csv ~/data/mimic-cxr-jpg \\
        ~/data/mimic-cxr --all-for-testing --output data/ms-cxr

By estimate it takes a few minutes and 200 MB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.ms_cxr import MsCxr


def main(
    annotations: Annotated[Path, typer.Argument(help="MS_CXR_Local_Alignment_v1.1.0.csv or .json.")],
    folder: Annotated[Path, typer.Argument(help="MIMIC-CXR-JPG.")],
    output: Output,
    reports: Annotated[
        Path | None, typer.Argument(help="MIMIC-CXR, where mimic-cxr-reports.zip was unpacked.", show_default=False)
    ] = None,
    all_for_testing: Annotated[
        bool, typer.Option("--all-for-testing", metavar="", help='All images in "test", as the papers measure.')
    ] = False,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = MsCxr(annotations, folder, reports, all_for_testing)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
