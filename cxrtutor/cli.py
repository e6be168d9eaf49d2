"""The command line: the course's package without a notebook.

Heavy rooms are imported inside the commands, so that `cxrtutor --help` answers at once.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import InputError, first_process, told_in_words
from .store import write_file

if TYPE_CHECKING:
    from .data.annotations import Annotations
    from .data.dataset import StudyDataset
    from .evaluation.measurements import Measurements
    from .evaluation.tables import ResultTable
    from .localization.protocols import PerFinding, Protocol
    from .methods.config import DataConfig
    from .methods.model import AlignedModel
    from .transfer.representation import Representation

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
readers_app = typer.Typer(no_args_is_help=True, help="Results of the reader study.")
app.add_typer(readers_app, name="readers")
clinic_app = typer.Typer(no_args_is_help=True, help="The bug clinic: tests that find planted bugs.")
app.add_typer(clinic_app, name="clinic")
class_app = typer.Typer(no_args_is_help=True, help="What a class needs, made from the book.")
app.add_typer(class_app, name="class")

AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON object instead of text, for other programs.")
]
Group = Annotated[
    str | None,
    typer.Option(
        help="A group's name: it is given six of the ten patients, the same on every machine. By default all.",
        show_default=False,
    ),
]
Save = Annotated[
    Path | None, typer.Option(help="Also write every sample's measurements here (JSON).", show_default=False)
]


def main() -> None:
    """Run the command line (see `errors.told_in_words` for its exit status)."""
    with told_in_words():
        app()


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
        str,
        typer.Option(
            help="'full' (4,500 studies), 'quick' (600, for trying things out), or 'other-room' (1,700 taken in "
            "another room, to train on)."
        ),
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


@data_app.command("deidentify")
def data_deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A DICOM file, or a folder of them.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to write; for a folder, a folder to put files into.")
    ],
    as_json: AsJson = False,
) -> None:
    """Copy radiographs without anything that names the patient, the hospital or the day.

    Only what shows the film is kept: pixels, scale, windows, spacing, modality, view. Files of a folder are named by
    their new UIDs, since old names often hold the patient's number. No file is overwritten, and OUT must lie apart from
    IN, so that originals and copies are never mixed. What is written *in* a picture is not found: look at every film
    before you pass it on.
    """
    from tqdm import tqdm

    from .data.deidentify import check_apart, deidentify, write_dicom

    written, refused = [], []
    if not source.is_dir():
        write_dicom(out, deidentify(source))
        written.append(out)
    else:
        check_apart(source, out)
        for path in tqdm(sorted(path for path in source.rglob("*") if path.is_file()), unit="file", disable=None):
            try:
                film = deidentify(path)
                write_dicom(named := out / f"{film.SOPInstanceUID}.dcm", film)
                written.append(named)
            except InputError as error:
                refused.append(str(error))
    if as_json:
        _print_json({"written": [str(path) for path in written], "refused": refused})
    else:
        typer.echo("\n".join([f"{len(written)} written to {out}, {len(refused)} refused", *refused]))
    if refused:
        raise typer.Exit(2)


@app.command()
def report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A report as text, or '-' for standard input.", allow_dash=True)
    ],
    as_json: AsJson = False,
) -> None:
    """Read a report: its sections, its sentences, and which findings each names, denies or doubts.

    Sentences are those of FINDINGS and IMPRESSION. The findings are told by rules that know the usual words alone; not
    for clinical use.
    """
    from .data.annotations import read_text
    from .data.mentions import mentions
    from .data.reports import parse_report

    text = typer.get_text_stream("stdin", errors="replace").read() if str(file) == "-" else read_text(file)
    read = parse_report(text)
    told = [(sentence.text, mentions(sentence.text)) for sentence in read.sentences]
    if as_json:
        sentences = [{"text": words, "mentions": [vars(one) for one in found]} for words, found in told]
        _print_json({"sections": dict(read.sections), "sentences": sentences})
        return
    for name, body in read.sections.items():
        typer.echo(f"{name.upper()}: {' '.join(body.split())}")
    typer.echo()
    for number, (words, found) in enumerate(told, start=1):
        typer.echo(f"{number:3}  {words}" + (f"  [{'; '.join(map(str, found))}]" if found else ""))


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
    devices: Annotated[
        int | None,
        typer.Option(
            help="Processes or GPUs that share a batch, on each machine; as many as torchrun or srun started, or 1.",
            show_default=False,
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(help="Machines; as many as torchrun or srun started processes on, or 1.", show_default=False),
    ] = None,
    accelerator: Annotated[str, typer.Option(help="'cpu', 'cuda' or 'auto'.")] = "auto",
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Save after so many steps: the most that an interruption costs ...")
    ] = 50,
    checkpoint_minutes: Annotated[float, typer.Option(min=0, help="... and after so many minutes.")] = 10.0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the log for TensorBoard too, into the run's folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pre-train a model as a recipe says, or find it where it was trained before.

    Prints the run's folder, which `localize` and `evaluate` take. An interrupted run is resumed by the same command,
    with as many processes or with others. SIGTERM and SIGUSR1 end it in good order: with status 143, after the step
    that is under way, which is saved.
    """
    from .methods.config import load_config
    from .pretraining.loop import pretrain as train

    run = train(
        load_config(config, _changes(change or [])),
        devices=devices,
        nodes=nodes,
        accelerator=accelerator,
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=checkpoint_minutes,
        tensorboard=tensorboard,
    )
    if not first_process():
        return
    if as_json:
        _print_json({"folder": str(run.folder), **run.result})
    else:
        typer.echo(f"The run is in {run.folder}")
        typer.echo(f"{run.result['step']} steps, {run.result['seconds']:.0f} s, loss {run.result['loss']:.3f}")


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(help="A recipe, such as configs/paper/afloc.yaml.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value of the recipe: `--set compute.piece=16`. May be repeated."),
    ] = None,
    gpu: Annotated[
        str,
        typer.Option(
            help="v100-32, t4-16, a100-40, a100-80, rtx3090-24, rtx4090-24, l4-24, h100-80, h200-141; 'cpu' for this "
            "machine without one."
        ),
    ] = "a100-80",
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    studies: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training studies; by default those of the recipe's set or, where it is not there, MIMIC-CXR's.",
            show_default=False,
        ),
    ] = None,
    images_per_second: Annotated[
        float | None,
        typer.Option(min=0.001, help="Of all GPUs together, where a run's log says it.", show_default=False),
    ] = None,
    pieces: Annotated[int, typer.Option(min=8, help="Word pieces of a long report.")] = 112,
    as_json: AsJson = False,
) -> None:
    """Say what a run will take before it is started: memory of each GPU, time, and what to do where it does not fit.

    A few small steps of the recipe are measured here, on the CPU and with random weights, and scaled up.
    """
    from .methods.config import load_config
    from .pretraining.planner import plan as planned

    made = planned(
        load_config(config, _changes(change or [])),
        gpu=gpu,
        gpus=gpus,
        nodes=nodes,
        studies=studies,
        images_per_second=images_per_second,
        pieces=pieces,
    )
    if as_json:
        _print_json(made.as_dict())
    else:
        typer.echo(str(made))


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
    split: Annotated[str, typer.Option("--set", help="Which split of the data: test, unseen, shifted ...")] = "test",
    data: Annotated[
        Path | None,
        typer.Option(
            help="A prepared set's folder, to measure on other data than the run's own (the scripts in data_scripts "
            "prepare MS-CXR, RSNA and more).",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="afloc, afloc-skipping-empty, biovil, medklip, chexlocalize, top-5-percent, best (an upper bound); "
            "chexlocalize-tuned and chexlocalize-gated, whose thresholds are chosen on the data's validation split."
        ),
    ] = "afloc",
    prompts: Annotated[
        str,
        typer.Option(help="'precise' (a lesion's phrase), 'simple' (its category), 'described' (its look), 'report'."),
    ] = "precise",
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Also measure a location prior, shuffled prompts, chance, and Grad-CAM of a classifier trained on the "
            "labels of the data's training split (a minute, once).",
        ),
    ] = False,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure a trained model: IoU, Dice, CNR and pointing, by finding and overall, with 95 % intervals.

    Under chexlocalize-gated every annotated film is also asked for what it does not show, where a mask scores 0.
    """
    from .data.sets import open_studies
    from .evaluation.evaluate import evaluate as measure
    from .evaluation.tables import ResultTable
    from .evaluation.tuning import tune
    from .localization.protocols import protocol_named
    from .methods.config import DataConfig
    from .pretraining.run import Run

    trained = Run.open(run)
    measured_on = trained.config.data if data is None else DataConfig(set=str(data))
    model, chosen, tuned = trained.model(), protocol_named(protocol), {}
    if chosen.untuned:
        validation = open_studies(measured_on.set, "validation", measured_on.edition)
        chosen = tune(model, model.image_source(validation), validation, chosen, prompts)
        tuned = _tuned(chosen.thresholds)
    absent = list(tuned) if chosen.over == "all" else []
    studies = open_studies(measured_on.set, split, measured_on.edition)
    measured = measure(model, model.image_source(studies), studies, chosen, prompts, absent)
    if save:
        measured.save(save)
    beside, left_out = _controls(model, measured_on, studies, chosen, prompts, absent) if controls else ({}, {})
    table = ResultTable({trained.config.method: measured, **beside})
    by_finding = measured.by_finding()
    if as_json:
        rows = {
            name: {metric: _defined(vars(cell)) for metric, cell in cells.items()}
            for name, cells in table.intervals.items()
        }
        overall = rows.pop(trained.config.method)
        findings = json.loads(by_finding.to_json(orient="index"))
        undefined = {metric: int(count) for metric, count in measured.undefined().items()}
        about = {"data": measured_on.set, "split": split, "protocol": protocol, "prompts": prompts}
        if tuned:
            about["tuned"] = tuned
        if controls:
            about |= {"controls": rows, "left_out": left_out}
        _print_json({**about, "overall": overall, "by_finding": findings, "undefined": undefined})
    else:
        typer.echo(f"{table}\n\n{by_finding.round(3).to_string()}")
        for name, reason in left_out.items():
            typer.echo(f"\nWithout the row '{name}': {reason}")
        if tuned:
            typer.echo("\nChosen on the validation split:")
        for finding, choice in tuned.items():
            typer.echo(f"  {finding}: " + ", ".join(f"{name} {value:.3g}" for name, value in choice.items()))


def _controls(
    model: AlignedModel,
    data: DataConfig,
    studies: StudyDataset,
    protocol: Protocol,
    prompts: str,
    absent: Sequence[str],
) -> tuple[dict[str, Measurements], dict[str, str]]:
    """The controls' rows, and for those that this set cannot have, why."""
    from .data.sets import open_studies
    from .evaluation.controls import CONTROLS, control_rows
    from .localization.protocols import PerFinding

    images = model.image_source(studies)
    training = open_studies(data.set, "train", data.edition) if "train" in studies.card["splits"] else None
    tuned = isinstance(protocol.thresholds, PerFinding)
    validation = open_studies(data.set, "validation", data.edition) if tuned else None
    rows, left_out = {}, {}
    for name in CONTROLS:
        asked = {"absent": absent, "validation": validation, "names": [name]}
        try:
            rows |= control_rows(model, images, studies, training, protocol, prompts, **asked)
        except InputError as error:
            left_out[name] = str(error)
    return rows, left_out


def _tuned(thresholds: PerFinding) -> dict[str, dict[str, float]]:
    """What was chosen for each finding; a gate that lets everything pass is none."""
    chosen = {finding: {"threshold": value} for finding, value in thresholds.thresholds.items()}
    for finding, gate in (thresholds.gates or {}).items():
        if math.isfinite(gate):
            chosen[finding]["gate"] = gate
    return chosen


@app.command()
def evaluate_maps(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of heat maps: .npy or grey .png files.")],
    truth: Annotated[
        Path,
        typer.Option(
            help="The truth in its owner's layout: MS-CXR (CSV, JSON), RSNA stage 2 (CSV, also as MedKLIP lists it), "
            "COVID Rural (folder of masks), CheXlocalize (segmentations, annotations), SIIM-ACR (CSV), "
            "NIH ChestX-ray14 (boxes), COCO JSON; and, with --images, VinDr-CXR (boxes, also as Kaggle lists them), "
            "Object-CXR (CSV), PadChest-GR (JSON), ChestX-Det (JSON)."
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the set's images, at any depth, for a truth that does not say how large they are.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="afloc (an empty mask scores 0), afloc-skipping-empty (it is left out, as in AFLoc's code), biovil, "
            "medklip, chexlocalize, top-5-percent, best (an upper bound). Tuned protocols need a validation split: "
            "`evaluate` has them."
        ),
    ] = "afloc",
    prompts: Annotated[
        str, typer.Option(help="What the maps were asked for: 'precise' (each phrase) or 'simple' (each category).")
    ] = "precise",
    geometry: Annotated[
        str, typer.Option(help="Which part of its image a map covers: letterbox, stretch or image; see above.")
    ] = "letterbox",
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file with the columns file (relative to DIR), image and prompt, in place of file names.",
            show_default=False,
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", metavar="", help="Leave out questions without a map, and say how many.")
    ] = False,
    redistributable: Annotated[
        bool,
        typer.Option(
            "--redistributable",
            metavar="",
            help="The truth is your own and may be published: a notebook that runs this is not marked as restricted.",
        ),
    ] = False,
    side: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Shrink larger images to this longer side first. AFLoc's figures were measured at 224; whole images "
            "take about a second each.",
            show_default=False,
        ),
    ] = None,
    human: Annotated[
        Path | None,
        typer.Option(help="CheXlocalize's hb_segmentations or hb_annotations, for a row more.", show_default=False),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="CheXlocalize's hb_salient_pt, for its hit rate.", show_default=False)
    ] = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure a folder of heat maps that any model made: `cxrtutor evaluate-maps DIR --truth FILE --protocol afloc`.

    Prints IoU, Dice, CNR and pointing, by finding and overall. To stand beside AFLoc's published figures of MS-CXR:
    `--truth MS_CXR_Local_Alignment_v1.1.0.csv --protocol afloc-skipping-empty --side 224`.

    **Names.** One file a question: `<image id>__<slug>.npy` (or `.png`), or `<image id>.npy` where the truth asks one
    question to the image. The image id is the image's file name without suffix (MS-CXR: the dicom_id). The slug is the
    phrase, with `--prompts simple` the category: in lower case, every run of characters other than a-z and 0-9 replaced
    by one `-`, none at the ends, of which the first 120 characters count ("Mild edema, left." is `mild-edema-left`).
    Boxes of one image and phrase are united. Two phrases that make one name are an error; use `--manifest` then.

    **Geometry.** `letterbox`: a square map over the smallest square around the image, which lies in its centre, as a
    model gives it whose input was padded to a square (19x19, 14x14 and 224x224 alike). `stretch`: a map over the whole
    image, which was stretched to the map's shape. `image`: a map of the image's own pixels. A map of a crop is none of
    these: put it on the image's pixels, with NaN around it, and say `image`.

    **State.** A map of at most 64x64 is a raw patch grid, and the whole protocol applies: afloc smooths it (sigma 1.5
    cells), enlarges it, leaves out the margin, stretches it and cuts it. A larger map, or one of geometry `image`, has
    pixels: it is taken as smoothed already, and only margin, stretching and cuts apply; if yours was only enlarged,
    save the grid instead. Save maps as they are before a margin is cut.

    **Unit.** Protocols that stretch maps do not mind it. biovil cuts at 0.1 to 0.5 of the values as saved: give
    cosines. medklip takes the softmax of a grid itself; a map of pixels has to hold shares of attention times the
    number of cells. Neither takes a PNG.

    **Nothing to say.** NaN marks pixels that are not judged; a map that is constant, infinite or all NaN, or a patch
    grid with any NaN, is an empty prediction.

    Whatever is missing, not used, not judged or unreadable is counted and named; a map that is missing or has the wrong
    shape is an error.
    """
    from .data.truth_files import read_truth
    from .evaluation.human_benchmark import METRICS
    from .evaluation.map_files import evaluate_maps as measure_maps
    from .evaluation.tables import ResultTable

    if points and not human:
        raise InputError("--points are those of the human benchmark: give --human too.")
    annotations = read_truth(truth, images=images, redistribution=redistributable)
    found = measure_maps(
        folder,
        annotations,
        protocol,
        prompts=prompts,
        geometry=geometry,
        manifest=manifest,
        allow_missing=allow_missing,
        side=side,
    )
    measured, notes = found.measurements, [*found.notes]
    if save:
        measured.save(save)
    table = ResultTable({folder.resolve().name: measured}, unit=found.unit)
    if human:
        drawn, problems = _humans(annotations, human, points, protocol)
        notes += problems
        rows = {folder.resolve().name: measured, "human benchmark": drawn}
        table = ResultTable(rows, METRICS, unit=found.unit)
    if as_json:
        about = {"layout": annotations.layout, "protocol": measured.protocol, "prompts": prompts, "geometry": geometry}
        troubles = {what: list(names) for what, names in found.troubles.items()}
        _print_json({**about, "unit": found.unit, **_numbers(table), "troubles": troubles, "notes": notes})
    else:
        typer.echo("\n".join([f"{table}\n\n{measured.by_finding().round(3).to_string()}\n", *notes]))


@app.command()
def human_benchmark(
    truth: Annotated[Path, typer.Option(help="CheXlocalize's gt_segmentations or gt_annotations (JSON).")],
    human: Annotated[Path, typer.Option(help="Its hb_segmentations or hb_annotations (JSON).")],
    points: Annotated[
        Path | None, typer.Option(help="Its hb_salient_pt (JSON), for the hit rate.", show_default=False)
    ] = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure CheXlocalize's human benchmark as if it were a method, by finding and overall, with 95 % intervals.

    `iou` counts every film that shows the finding; `iou, true positives` only those where something was drawn too;
    `iou, all` also those where something was drawn and nothing is. Pointing is the hit rate: any salient point inside.
    """
    from .data.truth_files import read_truth
    from .evaluation.human_benchmark import ALL, METRICS, TRUE_POSITIVES
    from .evaluation.tables import ResultTable

    annotations = read_truth(truth)
    drawn, notes = _humans(annotations, human, points, "chexlocalize")
    notes = [*annotations.problems, *notes]
    if save:
        drawn.save(save)
    table = ResultTable({"human benchmark": drawn}, (*METRICS, TRUE_POSITIVES, ALL))
    if as_json:
        _print_json({**_numbers(table), "notes": notes})
    else:
        by_finding = drawn.by_finding().drop(columns="cnr").round(3)
        typer.echo("\n".join([f"{table}\n\n{by_finding.to_string()}", *notes]))


@readers_app.command("merge")
def readers_merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="What readers downloaded, or folders of such files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the readers' first round here as measurements (JSON), to stand beside methods in tables.",
            show_default=False,
        ),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(
            "--set",
            help="The films that were read (`ReadingSet.save`); by default those of the book's page.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Merge the results of a class in the reader study: a table of readers, the class, and a human benchmark row.

    Left out, each with the reason: files that cannot be read, were not finished, were changed by hand or are of other
    films; a second file of one run; and of two runs under one nickname the later, whose reader had seen the answers.
    Intervals of the class are over films and readers.
    """
    from .evaluation.human_benchmark import METRICS
    from .evaluation.measurements import average_runs
    from .evaluation.reader_study import ESTIMATES, merge
    from .evaluation.reading_set import ReadingSet
    from .evaluation.tables import ResultTable
    from .shipped import reading_set

    merged = merge(files, reading_set() if films is None else ReadingSet.load(films))
    row, found, table = merged.measured(), merged.intervals(), merged.table()
    if out:
        average_runs(row.results).save(out)
    benchmark = ResultTable({"readers, unaided": row}, METRICS)
    if as_json:
        readers = {name: _defined(one) for name, one in table.to_dict(orient="index").items()}
        whole = {name: _defined(vars(cell)) for name, cell in found.items()}
        _print_json(
            {
                "readers": readers,
                "class": whole,
                "row": _intervals(benchmark)["readers, unaided"],
                "skipped": list(merged.skipped),
            }
        )
        return
    typer.echo(f"{table.round(3).T.to_string()}\n\nAll {len(table)} readers (95 % interval over films and readers)\n")
    for name, cell in found.items():
        typer.echo(f"{name:16} {cell}  {ESTIMATES[name]}")
    skipped = [f"Left out: {reason}" for reason in merged.skipped]
    typer.echo("\n".join(["", str(benchmark), *skipped]))


def _humans(truth: Annotations, human: Path, points: Path | None, protocol: str) -> tuple[Measurements, list[str]]:
    """What people drew, measured, and what could not be read of it."""
    from .data.sources.chexlocalize import read_salient_points
    from .data.truth_files import read_truth
    from .evaluation.human_benchmark import measure_humans

    drawn, marked = read_truth(human), read_salient_points(points) if points else None
    problems = [*drawn.problems, *(marked.problems if marked else ())]
    return measure_humans(truth, drawn, marked, protocol), problems


def _numbers(table: ResultTable) -> dict[str, Any]:
    """Every row of a table as JSON has it: overall with intervals, by finding, and how many samples are undefined."""
    rows = {}
    for name, measured in table.methods.items():
        rows[name] = {
            "overall": {metric: _defined(vars(cell)) for metric, cell in table.intervals[name].items()},
            "by_finding": json.loads(measured.by_finding().to_json(orient="index")),
            "undefined": {metric: int(count) for metric, count in measured.undefined().items()},
        }
    return {"rows": rows}


@app.command()
def transfer(
    task: Annotated[
        str,
        typer.Argument(
            help="findings, opacity, unseen (linear probes); pneumothorax-masks, opacity-masks (segmentation); "
            "opacity-boxes, object-boxes (detection); few-shot, zero-shot, retrieval."
        ),
    ],
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Folders of runs, or 'shipped' for the course's small model; and to compare with, 'random' (a network "
            "of random weights), 'imagenet' (trained on photographs), 'untrained' (that under LSM's heads, which "
            "nothing has trained): of the network and image size of the first run's folder here, else of the course's. "
            "Each row is compared with the first.",
        ),
    ],
    data: Annotated[
        str, typer.Option(help="'teaching', or the folder of a prepared set that fits the task.")
    ] = "teaching",
    edition: Annotated[str, typer.Option(help="Of the teaching set: 'full' or 'quick'.")] = "full",
    labels: Annotated[
        list[float] | None,
        typer.Option(
            help="The share of the labels that a head is trained on; may be repeated. By default 0.01, 0.1 and 1.",
            show_default=False,
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1, help="How often a share is drawn and a head is trained. By default once.", show_default=False
        ),
    ] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", metavar="", help="Train the network too, in segmentation and detection.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of training in segmentation and detection, a batch of 16 each; by default the hundred or so that "
            "suit the teaching set. Larger sets need thousands.",
            show_default=False,
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            help="Of segmentation: 'unet' over bare CNNs, or 'setr' over any maps. By default the one that suits all "
            "rows.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            help="The task of few-shot and zero-shot: 'findings' (by default), 'opacity' or 'unseen'.",
            show_default=False,
        ),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            help="How zero-shot asks: 'name', 'sentence' (by default), 'description', 'ensemble', 'name or no', "
            "'sentence or no'.",
            show_default=False,
        ),
    ] = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a representation is worth for tasks that it was not trained for, on the data's test split.

    A small head is trained over the frozen network, and over the heads that pre-training trained where it left the
    network as it was. Results are kept, and found again. Below them stand published figures of the same kind of task.

    **Data.** CheXpert, MIMIC-CXR and NIH ChestX-ray14 fit findings; RSNA Pneumonia fits opacity, opacity-masks and
    opacity-boxes; COVIDx fits unseen; SIIM-ACR Pneumothorax and ChestX-Det fit pneumothorax-masks; Object-CXR fits
    object-boxes.

    **Films that sets share.** RSNA Pneumonia, SIIM-ACR Pneumothorax and ChestX-Det were taken from NIH ChestX-ray14,
    and COVIDx holds films of RSNA Pneumonia: results on two of them are not independent.
    """
    from .data.sources.overlaps import shared_films
    from .transfer.comparisons import comparison, retrieval_comparisons, zero_shot_comparison
    from .transfer.tasks import TASKS, open_split, set_name
    from .transfer.transfer import check

    name = (on or "findings") if task in ("few-shot", "zero-shot") else task
    if name not in TASKS and task != "retrieval":
        others = "few-shot, zero-shot and retrieval"
        raise InputError(f"There is no task {name!r}. There are: {', '.join(TASKS)}, {others}.")
    amount = {"labels": labels, "draws": draws, "on": on, "prompts": prompts}
    how = {"fine_tune": fine_tune, "steps": steps, "decoder": decoder}
    _refuse_unused(task, task if task in _USED else TASKS[task].kind, amount | how)
    rows, where = _by_name(runs), {"data": data, "edition": edition}
    if task in ("retrieval", "zero-shot"):
        models = {row: _with_words(run) for row, run in rows.items()}
        if task == "retrieval":
            tables = retrieval_comparisons(models, **where)
        else:
            way = prompts or "sentence"
            tables = {f"{name}, asked by {way}": zero_shot_comparison(name, models, prompts=way, **where)}
    else:
        shares = {f"{100 * share:g} % of labels": {"labels": share} for share in labels or (0.01, 0.1, 1.0)}
        amounts = {f"{k} a class": {"shots": k} for k in (1, 4, 16, 64)} if task == "few-shot" else shares
        for one in amounts.values():
            check(TASKS[name], **one, **how)
        networks, asked = _networks(rows), {"draws": draws or 1, **how, **where}
        tuned = ", fine-tuned" if fine_tune else ""
        tables = {f"{name}, {said}{tuned}": comparison(name, networks, **one, **asked) for said, one in amounts.items()}
    if save:
        results = {title: _results(table) for title, table in tables.items()}
        write_file(save, json.dumps(results, separators=(",", ":"), allow_nan=False) + "\n")
    studies = open_split(data, "test", edition)
    shown = set_name(studies.card)
    if as_json:
        about = {"task": task, "data": shown, "split": studies.split, "shared_films": shared_films([shown])}
        _print_json({**about, "tables": {title: _intervals(table) for title, table in tables.items()}})
    else:
        told = [f"{title}\n\n{table}" for title, table in tables.items()]
        typer.echo("\n\n".join([*told, *shared_films([shown])]))


_USED = {
    "few-shot": ("draws", "on"),
    "zero-shot": ("on", "prompts"),
    "retrieval": (),
    "classification": ("labels", "draws"),
    "segmentation": ("labels", "draws", "fine_tune", "steps", "decoder"),
    "detection": ("labels", "draws", "fine_tune", "steps"),
}
"""Which options of `transfer` a task, or a kind of task, uses beside those that all use."""


def _refuse_unused(task: str, kind: str, options: Mapping[str, Any]) -> None:
    """Refuse what was asked for and would change nothing."""
    if unused := [_flag(option) for option, value in options.items() if value and option not in _USED[kind]]:
        used = ", ".join(map(_flag, _USED[kind])) or "none of this kind"
        raise InputError(f"{task} has no use for {', '.join(unused)}. Options that it has: {used}.")


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


_WITHOUT_WORDS = ("random", "imagenet", "untrained")
_NO_FOLDERS = (*_WITHOUT_WORDS, "shipped")


def _by_name(runs: Sequence[str]) -> dict[str, str]:
    """What was asked for by the names of its rows: a run's method, with its folder where two have one method."""
    from .pretraining.run import Run

    if twice := _several(run if run in _NO_FOLDERS else os.path.abspath(run) for run in runs):
        raise InputError(f"{twice[0]} is named twice, and would be compared with itself. Name it once.")
    methods = {run: run if run in _NO_FOLDERS else Run.open(run).config.method for run in runs}
    shared = _several(methods.values())
    names = {run: f"{one} ({Path(run).name})" if one in shared else one for run, one in methods.items()}
    alike = _several(names.values())
    return {f"{methods[run]} ({run})" if one in alike else one: run for run, one in names.items()}


def _several(names: Iterable[str]) -> list[str]:
    return [name for name, number in Counter(names).items() if number > 1]


def _networks(rows: Mapping[str, str]) -> dict[str, Representation]:
    """The representations of the rows; those to compare with are of the network and image size of the first folder."""
    from .pretraining.run import Run
    from .transfer.representation import named

    folders = [run for run in rows.values() if run not in _NO_FOLDERS]
    like = Run.open(folders[0]).config.model if folders else None
    networks = {row: named(run, like) for row, run in rows.items()}
    return {one.name if rows[row] in _WITHOUT_WORDS else row: one for row, one in networks.items()}


def _with_words(run: str) -> AlignedModel:
    if run in _WITHOUT_WORDS:
        raise InputError(f"{run!r} was never shown a report and cannot be asked in words. Give a run, or 'shipped'.")
    return _model(None if run == "shipped" else Path(run))


def _intervals(table: ResultTable) -> dict[str, Any]:
    """Every row of a table as JSON has it, with its paired difference to the first."""
    return {
        name: {
            "overall": {metric: _defined(vars(cell)) for metric, cell in cells.items()},
            "difference": {metric: _defined(vars(d)) for metric, d in table.differences.get(name, {}).items()},
            "samples": table.methods[name].samples,
        }
        for name, cells in table.intervals.items()
    }


def _results(table: ResultTable) -> dict[str, list[Any]]:
    """Every repeat of every row, sample by sample."""
    return {
        name: [one.to_json() for one in getattr(found, "results", [found])] for name, found in table.methods.items()
    }


@app.command("minimal-pairs")
def minimal_pairs(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `pretrain` printed it.")],
    edition: Annotated[
        str, typer.Option(help="Of the teaching set: 'full' (600 test patients) or 'quick' (100).")
    ] = "full",
    score: Annotated[
        str,
        typer.Option(
            help="What decides: 'presence' (the highest smoothed similarity of the map) or 'global' (the whole film "
            "with the sentence as a report)."
        ),
    ] = "presence",
    as_json: AsJson = False,
) -> None:
    """Ask a model which of two statements that differ in one fact is true, and what tells it left from right.

    The pairs are of the teaching set's test patients: side, negation, zone, size, and one film with and without the
    lesion. Chance is .5. Then films and mirrored films are asked in the report's own words and with left and right
    exchanged.
    """
    from .evaluation.bootstrap import interval
    from .evaluation.laterality import mirror_test, own_words_win
    from .evaluation.minimal_pairs import measure_pairs
    from .evaluation.minimal_pairs import minimal_pairs as make_pairs
    from .evaluation.presence_scores import SCORES

    if score not in SCORES:
        raise InputError(f"There is no score {score!r}. Choose one of: {', '.join(SCORES)}.")
    model = _model(run)
    pairs = make_pairs(edition)
    measured = measure_pairs(model, pairs, model.image_source(pairs.studies), model.image_source(pairs.twins), score)
    heard = {fact: interval(one, "accuracy") for fact, one in measured.items()}
    halves = {fact: one.by_finding()[["accuracy", "samples"]] for fact, one in measured.items()}
    mirror = own_words_win(mirror_test(model, pairs.studies))
    if as_json:
        facts = {
            fact: {**_defined(vars(cell)), "by_side": json.loads(halves[fact].to_json(orient="index"))}
            for fact, cell in heard.items()
        }
        gains = {film: _defined(vars(gain)) for film, gain in mirror.items()}
        _print_json({"edition": edition, "score": score, "accuracy": facts, "own_words_minus_other_side_cnr": gains})
        return
    typer.echo(f"Which of two is true, by the {score} score (95 % interval over patients; chance .5)\n")
    for fact, cell in heard.items():
        sides = ", ".join(f"{side} {row.accuracy:.2f} of {row.samples:.0f}" for side, row in halves[fact].iterrows())
        typer.echo(f"{fact:9} {cell}  {sides}")
    typer.echo("\nOwn words minus left and right exchanged, CNR:\n")
    for film, gain in mirror.items():
        typer.echo(f"{film:15} {gain}")


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


@app.command()
def benchmark(
    file: Annotated[Path, typer.Argument(help="What to report, such as configs/benchmark/teaching.yaml.")],
    out: Annotated[Path, typer.Option(help="The folder of the report.")] = Path("_build/benchmark"),
    records: Annotated[
        Path | None,
        typer.Option(help="Where records of new runs go; by default a folder in the cache.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that run trials; they share the cores.")] = 1,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Whether to run what no record holds, or to report what there is.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare methods: run what is missing, and write a report (HTML, Markdown, CSV).

    What is recorded is read, all else is trained, measured and recorded. Stopped at any point, the same command goes
    on. Sets that are not prepared on this machine are left out by name.
    """
    from . import store
    from .benchmark.benchmark import load_benchmark
    from .benchmark.report import BenchmarkReport

    asked = load_benchmark(file)
    folder = store.home() / "records" if records is None else records
    written = asked.complete(folder, workers) if run else []
    made = BenchmarkReport(asked, asked.records(folder))
    files = made.write(out)
    if as_json:
        names = [str(path) for path in files]
        _print_json({"files": names, "run": len(written), "records": len(made.records), "left_out": made.left_out})
        return
    typer.echo(f"{len(written)} trials were run, {len(made.records) - len(written)} were recorded before.")
    for reason in made.left_out:
        typer.echo(f"Left out: {reason}")
    typer.echo(f"The report is in {files[0]}, and in {' and '.join(path.name for path in files[1:])} beside it.")


@clinic_app.command("charts")
def clinic_charts(group: Group = None, as_json: AsJson = False) -> None:
    """Print the charts of the bug clinic's patients: what each function promises."""
    from .clinic import ward

    patients = ward(group)
    if as_json:
        _print_json({"patients": [{"number": p.number, "name": p.name, "chart": str(p.chart)} for p in patients]})
    else:
        typer.echo("\n\n".join(patient.chart for patient in patients))


@clinic_app.command("grade")
def clinic_grade(
    file: Annotated[Path, typer.Argument(help="A Python file with test functions.")],
    group: Group = None,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds that a run of a test may compute.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Count the planted bugs that a file of tests finds.

    A test counts if it passes on the healthy functions; a bug is killed if such a test fails on it. Every run has a
    process of its own, so nothing that a test does reaches another one. That guards against accidents and not against
    malice: the file's code runs with your rights.
    """
    from .clinic import grade_file, ward

    grade = grade_file(file, ward(group), limit=limit)
    if as_json:
        _print_json({"file": str(file), "group": group, **grade.to_json()})
    else:
        typer.echo(grade)


Book = Annotated[Path, typer.Option("--book", help="The folder of the book, with `chapters`, `book` and `configs`.")]
Number = Annotated[str, typer.Argument(metavar="N", help="The chapter's number, such as 06.")]


@class_app.command("student")
def class_student(
    book: Book = Path(),
    out: Annotated[Path, typer.Option(help="The folder to write, in place of an earlier one.")] = Path(
        "_build/student"
    ),
    as_json: AsJson = False,
) -> None:
    """Make the students' edition: every solution is replaced by a stub that raises, and by the check it must pass.

    Every cell of it runs, solved or not. Give students the whole folder: its paths and links lead where the book's do.
    """
    from .classroom.editions import make_student_edition

    _print_made("The students' edition", [make_student_edition(book, out)], as_json)


@class_app.command("solutions")
def class_solutions(
    book: Book = Path(),
    out: Annotated[Path, typer.Option(help="The folder to write, in place of an earlier one.")] = Path(
        "_build/solutions"
    ),
    as_json: AsJson = False,
) -> None:
    """Make the teachers' edition: the book's notebooks with every solution open."""
    from .classroom.editions import make_solutions_edition

    _print_made("The teachers' edition", [make_solutions_edition(book, out)], as_json)


@class_app.command("slides")
def class_slides(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="N...", help="Chapters; all if none is named.")] = None,
    book: Book = Path(),
    out: Annotated[Path, typer.Option(help="The folder of the decks.")] = Path("_build/slides"),
    as_json: AsJson = False,
) -> None:
    """Make slides of chapters: reveal.js, from a file, without a network. S opens the speaker's notes.

    Outputs are taken from the book's last build; a chapter that has changed since is run. Whoever tags cells in
    JupyterLab (Slide Type) decides what is shown; of all others the slides are derived.
    """
    from .classroom.slides import make_slides

    _print_made("Slides", make_slides(book, out, numbers or []), as_json)


@class_app.command("assignment")
def class_assignment(
    number: Number,
    group: Annotated[
        str | None,
        typer.Option(help="Groups, such as 3, 1-10 or 1-4,7: each is marked on inputs of its own.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another number, other inputs: take a new one each term.")] = 0,
    book: Book = Path(),
    out: Annotated[
        Path | None, typer.Option(help="nbgrader's course folder. [default: _build/assignments/NN]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an nbgrader assignment of a chapter's exercises, and print the folders to give to students.

    What was handed in and marked in the course folder stays.
    """
    from .classroom.assignments import groups_named, make_assignment

    groups = groups_named(group) if group else [None]
    course = out or _course(number)
    _print_made("To give to students", make_assignment(book, number, course, groups, seed), as_json)


@class_app.command("grade")
def class_grade(
    number: Number,
    student: Annotated[
        list[str] | None, typer.Option(help="Mark this student alone. May be repeated.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="nbgrader's course folder. [default: _build/assignments/NN]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Mark what students handed in, and put their marks into `marks.csv` in the course folder.

    Put a notebook into `submitted/STUDENT/ASSIGNMENT/` there. Marking runs it, with your rights: do it in a container,
    or read it first. The rows of other students and chapters stay in the table.
    """
    import pandas as pd

    from .classroom.nbgrader_course import mark_rows, marked, write_marks

    course = out or _course(number)
    marking = marked(course, number, student)
    rows = mark_rows(marking.marks)
    written = write_marks(course, rows)
    if as_json:
        _print_json({"marks": rows, "refused": marking.refused})
    else:
        refused = [f"\nNot marked: {whose}. {why}" for whose, why in marking.refused.items()]
        table = pd.DataFrame(rows).to_string(index=False)
        typer.echo("\n".join([table, *refused, f"\nWritten to {written}"]))
    if marking.refused:
        raise typer.Exit(2)


@class_app.command("reset")
def class_reset(number: Number, book: Book = Path(), as_json: AsJson = False) -> None:
    """Put a chapter back to what it was. Your version is kept, in the folder `kept`."""
    from .classroom.reset import reset_chapter

    done = reset_chapter(book, number)
    if as_json:
        _print_json({"chapter": str(done.chapter), "kept": str(done.kept) if done.kept else None})
    elif done.kept is None:
        typer.echo(f"{done.chapter} is as it was; nothing was changed.")
    else:
        typer.echo(f"{done.chapter} is as it was. Your version is {done.kept}.")
        typer.echo("If JupyterLab has it open: File > Reload Notebook from Disk.")


@class_app.command("bundle")
def class_bundle(
    repository: Annotated[Path, typer.Option(help="The Git checkout whose last commit goes in.")] = Path(),
    out: Annotated[Path, typer.Option(help="The folder for the bundle.")] = Path("_build"),
    as_json: AsJson = False,
) -> None:
    """Pack the book, the teaching set and its features into one file under 500 MB, which unpacks and checks itself.

    What is missing of the set and the features is made on the way, once. Students run `python cxrtutor-....pyz`, which
    needs nothing but Python, and prints the commands that install it.
    """
    from .classroom.bundle import make_bundle

    made = make_bundle(repository, out)
    if as_json:
        _print_json(made._asdict() | {"file": str(made.file)})
        return
    typer.echo(f"{made.file}: {made.size / 1e6:.0f} MB, {made.files} files, the book as of commit {made.commit[:12]}")
    typer.echo(f"SHA-256 {made.sha256}")


@class_app.command("prepare")
def class_prepare(book: Book = Path(), as_json: AsJson = False) -> None:
    """Make what a class needs in CXRTUTOR_HOME: the teaching set, and the features of its films and reports.

    What is there already is found; a stop loses at most one table of features.
    """
    from .classroom.bundle import class_folders
    from .classroom.chapters import check_is_book

    check_is_book(book)
    _print_made("Ready", list(class_folders(book / "configs" / "teaching")), as_json)


@class_app.command("check")
def class_check(as_json: AsJson = False) -> None:
    """Check whether the course will run here, and how fast.

    Each line is good, or tells what to do: `look` works with a drawback, `mend` does not work. The exit status is 2 if
    something has to be mended. The slowness factor says how many times the minutes of the chapters' cards to count on.
    """
    from .classroom.setup_check import check_setup, passes, table

    lines = check_setup()
    if as_json:
        _print_json({"passes": passes(lines), "lines": [line._asdict() for line in lines]})
    else:
        typer.echo(table(lines))
    if not passes(lines):
        raise typer.Exit(2)


@class_app.command("contents")
def class_contents(book: Book = Path(), as_json: AsJson = False) -> None:
    """Write the table of contents, and the teachers' page of goals and times, anew from the pages' cards."""
    from .classroom.contents import write_pages

    _print_made("Written", write_pages(book), as_json)


def _course(number: str) -> Path:
    return Path("_build/assignments") / number.zfill(2)


def _print_made(what: str, paths: Sequence[Path], as_json: bool) -> None:
    if as_json:
        _print_json({"made": [str(path) for path in paths]})
    else:
        typer.echo("\n".join([f"{what}:", *map(str, paths)]))


@app.command()
def guard(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files, folders, built sites; by default all that git tracks or does not ignore, and _build/html."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that nothing is published that must not be: pages, widgets, notebooks, records, prepared sets.

    Refused are outputs in committed notebooks, whatever was made by a notebook that opened a restricted set, sentences
    of Open-I reports, cards and Parquet files of restricted sets, their owners' files, DICOM files, and a site of which
    it is not known what its chapters opened. Exit status 2 names the file and the reason. What is in a picture, an
    archive or weights is not understood: they are named, so that you can look at them.
    """
    from .guard import check, publishable

    checked = check(paths or publishable())
    if as_json:
        not_understood = {kind: [str(file) for file in files] for kind, files in checked.not_understood.items()}
        _print_json(
            {"checked": dict(checked.counts), "problems": list(checked.problems), "not_understood": not_understood}
        )
    else:
        looked_at = ", ".join(f"{number} {kind}" for kind, number in sorted(checked.counts.items())) or "nothing"
        typer.echo(f"Checked: {looked_at}.")
        if checked.problems:
            typer.echo("\n".join(["Not to be published:", *checked.problems]))
        else:
            typer.echo("Nothing was found that must not be published.")
        if checked.not_understood:
            typer.echo(f"Not understood, so look at them yourself: {checked.left_to_look_at()}.")
    if checked.problems:
        raise typer.Exit(2)
