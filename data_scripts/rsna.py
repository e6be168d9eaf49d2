"""Prepare the RSNA Pneumonia Detection Challenge: frontal films with boxes around lung opacities.

**What it is.** 26,684 radiographs of NIH's ChestX-ray14, in which radiologists drew 9,555 boxes around opacities that
may be pneumonia, on 6,012 films. No reports: it measures where a model looks.

**How to obtain it.** With a Kaggle account, accept the rules at
https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge/data, download the archive (about 4 GB) and
unpack it. The folder then holds

- `stage_2_train_labels.csv`: a row for every box
- `stage_2_detailed_class_info.csv`: lung opacity, normal, or neither
- `stage_2_train_images/`: one DICOM file an image

None of these tells whom an image shows. RSNA published a file that names the NIH's image, and so the NIH's patient, of
every image, `pneumonia-challenge-dataset-mappings_2018.json` (from the challenge's page on
https://www.rsna.org). Give it with `--mappings`.

**What may be done with it.** The challenge's rules allow research and teaching, and no passing on; nothing that is
prepared from it may be published.

**Splits.** The challenge published labels for its training images alone. With `--mappings` they are split 70/15/15 by
a hash of the NIH's patient, and nobody is on both sides. Without it the hash is of the image's name, and one patient
may be in training and in testing: give it if you train or tune on these images. With `--medklip`, the images of
MedKLIP's table alone are prepared, all for testing. Or give a list of your own with `--splits`.

**An example.**

    python data_scripts/rsna.py ~/data/rsna --mappings ~/data/rsna/pneumonia-challenge-dataset-mappings_2018.json \\
        --output data/rsna

By estimate it takes about 10 minutes on two cores and 4 GB of disk. Stopped at any point, the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start
from cxrtutor.data.sources.rsna import Rsna


def main(
    folder: Annotated[Path, typer.Argument(help="What Kaggle's archive unpacked to.")],
    output: Output,
    medklip: Annotated[Path | None, typer.Option(help="MedKLIP's table (columns ID, boxes, classes).")] = None,
    mappings: Annotated[
        Path | None,
        typer.Option(help="pneumonia-challenge-dataset-mappings_2018.json, to split by the NIH's patients."),
    ] = None,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    source = Rsna(folder, medklip, mappings)
    run(source, output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


if __name__ == "__main__":
    start(main, __doc__)
