"""The command line: the course's package without a notebook.

Heavy rooms are imported inside the commands, so that `cxrtutor --help` answers at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import InputError

if TYPE_CHECKING:
    from .localization.protocols import PerFinding
    from .methods.model import AlignedModel

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Find lesions in chest radiographs with models that were never shown where they are. "
    "For learning and research; not for clinical use.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make the data that the course runs on.")
app.add_typer(data_app, name="data")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, for other programs.")]
INTERRUPTED = 130
"""Typer's exit status after Ctrl-C."""


def main() -> None:
    """Run the command line. Exit status: 0 well, 1 a fault of ours (with a traceback), 2 something to mend in what was
    given (a learning rate at which the loss is no longer a number among them), 130 interrupted."""
    try:
        app()
    except (InputError, FloatingPointError) as error:
        typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(error, err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("Interrupted. What was finished is kept; the same command goes on from there.", err=True)
        raise


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"cxrtutor {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _print_json(values: dict[str, Any]) -> None:
    typer.echo(json.dumps(values, allow_nan=False))


def _defined(numbers: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN; what is undefined is null."""
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}


@data_app.command("make")
def data_make(
    edition: Annotated[
        str, typer.Option(help="'full' (4,500 studies) or 'quick' (600, for trying things out).")
    ] = "full",
    workers: Annotated[int, typer.Option(min=1, help="Processes; each takes about 0.9 GB of memory.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Make the teaching set: real anatomy, simulated disease, known truth.

    It is written once into the cache folder (`CXRTUTOR_HOME`, or the user's cache). An interrupted run goes on where it
    stopped; a finished one is found and nothing is done.
    """
    from .data.teaching.make import make_teaching_set

    folder = make_teaching_set(edition, workers=workers)
    card = json.loads((folder / "card.json").read_text())
    if as_json:
        _print_json({"folder": str(folder), "splits": card["splits"]})
    else:
        typer.echo(f"The teaching set ({edition}) is in {folder}")
        typer.echo(", ".join(f"{split} {count}" for split, count in card["splits"].items()))


@app.command()
def methods(as_json: AsJson = False) -> None:
    """List the methods: what a recipe's `method` may say, and where each comes from."""
    from .methods.registry import METHODS

    if as_json:
        _print_json({name: {"summary": entry.summary, "paper": entry.paper} for name, entry in METHODS.items()})
        return
    width = max(map(len, METHODS))
    for name, entry in METHODS.items():
        typer.echo(f"{name:{width}}  {entry.summary} ({entry.paper})")


@app.command()
def pretrain(
    config: Annotated[Path, typer.Argument(help="A recipe, such as configs/teaching/lsm.yaml.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value of the recipe: `--set optimization.epochs=2`. May be repeated."),
    ] = None,
    devices: Annotated[int, typer.Option(help="Processes or GPUs that share a batch.")] = 1,
    accelerator: Annotated[str, typer.Option(help="'cpu', 'cuda' or 'auto'.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Pre-train a model as a recipe says, or find it where it was trained before.

    Prints the run's folder, which `localize` and `evaluate` take. An interrupted run is resumed by the same command.
    """
    from .methods.config import load_config
    from .pretraining.loop import pretrain as train

    run = train(load_config(config, _changes(change or [])), devices=devices, accelerator=accelerator)
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # one of several processes, of which the first speaks
    if as_json:
        _print_json({"folder": str(run.folder), **run.result})
    else:
        typer.echo(f"The run is in {run.folder}")
        typer.echo(f"{run.result['step']} steps, {run.result['seconds']:.0f} s, loss {run.result['loss']:.3f}")


def _changes(given: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs; a value is read as YAML would read it.

    Raises:
        InputError: a pair has no `=`, or its value is not YAML.
    """
    import yaml

    changes = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: write it as key=value, such as --set optimization.epochs=2.")
        try:
            changes[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {pair}: the value cannot be read ({error}).") from error
    return changes


@app.command()
def localize(
    image: Annotated[Path, typer.Argument(help="A frontal chest radiograph: DICOM, PNG, JPEG or TIFF, any bit depth.")],
    prompt: Annotated[str, typer.Option(help="What to look for, in words: 'small left pleural effusion'.")],
    out_path: Annotated[Path, typer.Option("--out", help="Where to write the image with the heat map over it (PNG).")],
    run: Annotated[
        Path | None,
        typer.Option(help="A run's folder; by default the small model shipped with the course.", show_default=False),
    ] = None,
    protocol: Annotated[str, typer.Option(help="How the map is made: afloc, biovil, medklip, chexlocalize.")] = "afloc",
    threshold: Annotated[
        float | None,
        typer.Option(help="Where the map is cut, in the protocol's units; by default its own.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model where in a radiograph it sees what the prompt describes.

    A model always points somewhere, whether or not the finding is present. Not for clinical use.
    """
    from .data.images import read_image
    from .localization.localize import localize as locate
    from .viewing.overlay import write_overlay

    file = read_image(image)
    found = locate(_model(run), file.pixels, prompt, protocol, threshold)
    write_overlay(out_path, file.pixels, found)
    if as_json:
        box = found.box and found.box._asdict()
        asked = {"prompt": prompt, "protocol": found.protocol, "threshold": found.threshold}
        _print_json({"out": str(out_path), **asked, "box": box})
    else:
        typer.echo(f"{out_path} shows where '{prompt}' is seen (threshold {found.threshold:g}).")


def _model(run: Path | None) -> AlignedModel:
    from .methods.model import AlignedModel

    if run is None:
        from .shipped import model

        return model()
    folder = run / "model" if (run / "model").is_dir() else run
    return AlignedModel.from_pretrained(folder)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `pretrain` printed it.")],
    split: Annotated[
        str, typer.Option("--set", help="Which split of the run's data: test, unseen, shifted ...")
    ] = "test",
    protocol: Annotated[
        str,
        typer.Option(
            help="afloc, afloc-skipping-empty, biovil, medklip, chexlocalize, top-5-percent, best (an upper bound); "
            "chexlocalize-tuned and chexlocalize-gated, whose thresholds are chosen on the run's validation split."
        ),
    ] = "afloc",
    prompts: Annotated[
        str, typer.Option(help="'precise' (each lesion's phrase), 'simple' (its category), 'report'.")
    ] = "precise",
    save: Annotated[
        Path | None, typer.Option(help="Also write every sample's measurements here (JSON).", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a trained model: IoU, Dice, CNR and pointing, by finding and overall, with 95 % intervals.

    Under chexlocalize-gated every annotated film is also asked for what it does not show, where a mask scores 0.
    """
    from .data.sets import open_studies
    from .evaluation.evaluate import evaluate as measure
    from .evaluation.tables import LocalizationTable
    from .evaluation.tuning import tune
    from .localization.protocols import protocol_named
    from .pretraining.run import Run

    trained = Run.open(run)
    model, chosen, tuned = trained.model(), protocol_named(protocol), {}
    if chosen.untuned:
        validation = open_studies(trained.config.data.set, "validation", trained.config.data.edition)
        chosen = tune(model, model.image_source(validation), validation, chosen, prompts)
        tuned = _tuned(chosen.thresholds)
    absent = list(tuned) if chosen.over == "all" else []
    studies = open_studies(trained.config.data.set, split, trained.config.data.edition)
    measured = measure(model, model.image_source(studies), studies, chosen, prompts, absent)
    if save:
        measured.save(save)
    table = LocalizationTable({trained.config.method: measured})
    by_finding = measured.by_finding()
    if as_json:
        overall = {metric: _defined(vars(cell)) for metric, cell in table.intervals[trained.config.method].items()}
        findings = json.loads(by_finding.to_json(orient="index"))
        undefined = {metric: int(count) for metric, count in measured.undefined().items()}
        about = {"split": split, "protocol": protocol, "prompts": prompts}
        if tuned:
            about["tuned"] = tuned
        _print_json({**about, "overall": overall, "by_finding": findings, "undefined": undefined})
    else:
        typer.echo(f"{table}\n\n{by_finding.round(3).to_string()}")
        if tuned:
            typer.echo("\nChosen on the validation split:")
        for finding, choice in tuned.items():
            typer.echo(f"  {finding}: " + ", ".join(f"{name} {value:.3g}" for name, value in choice.items()))


def _tuned(thresholds: PerFinding) -> dict[str, dict[str, float]]:
    """What was chosen for each finding; a gate that lets everything pass is none."""
    chosen = {finding: {"threshold": value} for finding, value in thresholds.thresholds.items()}
    for finding, gate in (thresholds.gates or {}).items():
        if math.isfinite(gate):
            chosen[finding]["gate"] = gate
    return chosen


@app.command()
def experiments(
    file: Annotated[Path, typer.Argument(help="The file that lists the experiments.")] = Path(
        "configs/experiments.yaml"
    ),
    records: Annotated[Path, typer.Option(help="Where their records lie.")] = Path("chapters/records"),
    as_json: AsJson = False,
) -> None:
    """Run every recorded experiment of the chapters whose record is missing or outdated (minutes each)."""
    from .benchmark.experiments import load_experiments
    from .benchmark.records import run_missing

    trials = [trial for group in load_experiments(file).values() for trial in group]
    written = run_missing(trials, records)
    if as_json:
        _print_json({"trials": len(trials), "written": [str(path) for path in written]})
    else:
        typer.echo(f"{len(written)} of {len(trials)} records were written to {records}.")
