"""What the scripts in `data_scripts` share: options, the way they are run, and what they say at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import told_in_words
from .preparation import SMALLEST_SIDE, prepare
from .source import Source

Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to prepare into: new, or begun by this command.")
]
Side = Annotated[
    int, typer.Option(min=SMALLEST_SIDE, help="Longer side of the images in pixels; smaller ones stay as they are.")
]
Encoding = Annotated[
    Literal["png", "jpeg"],
    typer.Option(help="How images are kept: png keeps all 8 bits, jpeg takes half the room."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that read and scale; one a core.")]
Splits = Annotated[
    Path | None,
    typer.Option(
        help="Your own splits: a CSV file with the columns id and split. An id is the image's, as `StudyDataset.ids()` "
        "gives it (MIMIC-CXR's dicom_id), letter for letter. Images not in it are skipped; held-out ones stay so."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON object instead of text, for other programs.")
]


def start(command: Callable[..., None], about: str | None) -> None:
    """Run a script's one command.

    Exit status: 0 well, 2 something to mend in what was given, 130 interrupted.

    Args:
        command: whose parameters are the script's arguments and options.
        about: the script's docstring, which is its help.
    """
    app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, add_completion=False)
    app.command(help=about, no_args_is_help=True)(command)
    with told_in_words():
        app()


def run(
    source: Source,
    output: Path,
    *,
    side: int = 512,
    encoding: str = "png",
    workers: int = 2,
    splits: Path | None = None,
    as_json: bool = False,
) -> None:
    """Prepare a set and print its summary.

    Raises:
        InputError: see `preparation.prepare`.
    """
    folder = prepare(source, output, side=side, encoding=encoding, workers=workers, splits=splits)
    summary = json.loads((folder / "summary.json").read_text())
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **summary}))
        return
    in_splits = ", ".join(f"{split} {count:,}" for split, count in summary["splits"].items())
    typer.echo(f"{summary['name']}: {summary['kept']:,} of {summary['listed']:,} images are in {folder}")
    typer.echo(f"Splits ({summary['split_by']}): {in_splits}")
    for reason, count in summary["skipped"].items():
        typer.echo(f"Skipped, {reason}: {count:,}")
    for what, count in summary["reports"].items():
        typer.echo(f"Kept, {what}: {count:,}")
    if summary["problems"]:
        typer.echo(f"Problems in the tables: {len(summary['problems']):,}, such as: {summary['problems'][0]}")
    told = {"skipped": "skipped.csv", "reports": "without-report.csv", "problems": "summary.json"}
    if files := [str(folder / file) for what, file in told.items() if summary[what]]:
        typer.echo(f"Each is named in {' and '.join(files)}.")
