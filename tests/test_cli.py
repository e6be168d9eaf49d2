"""The command line: what it prints where, what it writes, and with which exit status it ends."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_type_hints

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from benchmark.small_experiments import write_experiments
from data.truth_layouts import (
    CHEXPERT,
    DICOM,
    Marked,
    chexlocalize_annotations,
    chexlocalize_segmentations,
    ms_cxr_csv,
    rectangle,
    salient_points,
    written,
)
from evaluation.readers import FILMS, answered, file_of, follower, truthful
from PIL import Image
from small_runs import COUNTS, STEPS, recipe, small_config, small_set, use_small_text_encoder
from transfer.small_tasks import small_teaching_set

import cxrtutor
from cxrtutor import cli, guard, store
from cxrtutor.data.images import read_image
from cxrtutor.data.sources.pydicom_radiograph import radiograph_path
from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.errors import InputError
from cxrtutor.evaluation.controls import CONTROLS
from cxrtutor.evaluation.measurements import METRICS, Measurements
from cxrtutor.localization.protocols import PROTOCOLS
from cxrtutor.methods.registry import METHODS, method


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The one JSON object, which is all that stands in standard output."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture
def cxrtutor_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`cxrtutor ARGUMENTS`, within this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["cxrtutor", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Ended(int(end.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def small_text_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)


class Told:
    """A model that sees what it is told to: `see` makes the similarity map of a letterboxed image."""

    image_size = 128

    def __init__(self, see: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.see = see

    def encode_images(self, images: torch.Tensor) -> ImageFeatures:
        maps = self.see(images)
        return ImageFeatures(shallow=None, deep=None, final=maps, pooled=maps.mean((2, 3)))

    def similarity_maps(self, features: ImageFeatures, prompts: list[str]) -> torch.Tensor:
        return features.final[:, 0]


def brightness(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(images, 4)


def upper_right(images: torch.Tensor) -> torch.Tensor:
    maps = torch.zeros(len(images), 1, 16, 16)
    maps[:, :, 3, 11] = 1
    return maps


@pytest.fixture
def sees_brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_model", lambda run: Told(brightness))


class TestHelp:
    @pytest.mark.parametrize(
        ("command", "says"),
        [
            ([], "Find lesions in chest radiographs"),
            (["data"], "Make the data"),
            (["data", "make"], "--edition"),
            (["methods"], "List the methods"),
            (["report"], "Read a report"),
            (["pretrain"], "--set"),
            (["localize"], "--prompt"),
            (["evaluate"], "--protocol"),
            (["minimal-pairs"], "Chance is .5"),
            (["transfer"], "NIH ChestX-ray14"),
            (["experiments"], "--records"),
            (["benchmark"], "--no-run"),
            (["guard"], "DICOM files"),
            (["data", "deidentify"], "the patient"),
            (["readers", "merge"], "Merge the results of a class"),
        ],
    )
    def test_every_command_has_a_manual(self, cxrtutor_: Callable[..., Ended], command: list[str], says: str) -> None:
        ended = cxrtutor_(*command, "--help")
        assert ended.status == 0 and not ended.err
        assert says in ended.out

    def test_the_manual_lists_every_command(self, cxrtutor_: Callable[..., Ended]) -> None:
        text = cxrtutor_("--help").out
        assert all(
            name in text
            for name in (
                "data",
                "pretrain",
                "localize",
                "evaluate",
                "minimal-pairs",
                "transfer",
                "experiments",
                "benchmark",
                "guard",
            )
        )

    def test_version(self, cxrtutor_: Callable[..., Ended]) -> None:
        assert cxrtutor_("--version") == Ended(0, f"cxrtutor {cxrtutor.__version__}\n", "")

    def test_an_unknown_command_is_a_fault_of_the_caller(self, cxrtutor_: Callable[..., Ended]) -> None:
        ended = cxrtutor_("locate")
        assert ended.status == 2 and "No such command" in ended.err and not ended.out


class TestTheInstalledProgram:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("cxrtutor")
        return subprocess.run([program, *arguments], capture_output=True, text=True)

    def test_what_can_be_mended_ends_with_status_2_and_no_traceback(self) -> None:
        ended = self.run("pretrain", "nowhere.yaml")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "Error: There is no configuration at nowhere.yaml. The recipes of the course are in configs/.\n"
        )

    def test_version(self) -> None:
        assert self.run("--version").stdout == f"cxrtutor {cxrtutor.__version__}\n"

    @pytest.mark.slow
    def test_nothing_but_json_is_in_standard_output(self, data: Path, tmp_path: Path, home: Path) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(recipe(data, precision="bf16-mixed")))
        ended = self.run("pretrain", str(path), "--set", "optimization.epochs=1", "--json", "--accelerator", "cpu")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["step"] == STEPS // 4


@pytest.mark.slow
class TestDataMake:
    def test_the_quick_edition_is_made_and_found_again(
        self, cxrtutor_: Callable[..., Ended], shared_home: Path
    ) -> None:
        answer = cxrtutor_("data", "make", "--edition", "quick", "--json").json
        assert answer["splits"] == {"train": 360, "validation": 60, "test": 100, "unseen": 40, "shifted": 40}
        assert Path(answer["folder"]).is_relative_to(shared_home)
        again = cxrtutor_("data", "make", "--edition", "quick")
        assert again.out.splitlines() == [
            f"The teaching set (quick) is in {answer['folder']}",
            "train 360, validation 60, test 100, unseen 40, shifted 40",
        ]


def test_an_edition_that_there_is_not(cxrtutor_: Callable[..., Ended]) -> None:
    ended = cxrtutor_("data", "make", "--edition", "huge")
    assert ended.status == 2
    assert ended.err == "Error: The teaching set has no edition 'huge'. It has: full, quick, other-room.\n"


class TestReport:
    TEXT = " FINDINGS: A small left effusion.\n No pneumothorax.\n IMPRESSION: 1. Possible pneumonia.\n"

    def test_sections_sentences_and_what_they_say(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        path = tmp_path / "report.txt"
        path.write_text(self.TEXT)
        assert cxrtutor_("report", path).out.splitlines() == [
            "FINDINGS: A small left effusion. No pneumothorax.",
            "IMPRESSION: 1. Possible pneumonia.",
            "",
            "  1  A small left effusion.  [pleural effusion (left)]",
            "  2  No pneumothorax.  [pneumothorax (denied)]",
            "  3  Possible pneumonia.  [pneumonia (doubted)]",
        ]

    def test_standard_input_as_json(self, cxrtutor_: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(self.TEXT.encode() + b"\xff")))
        read = cxrtutor_("report", "-", "--json").json
        assert list(read["sections"]) == ["findings", "impression"]
        (first, *_) = read["sentences"]
        told = {"finding": "pleural effusion", "span": [13, 21], "negated": False, "uncertain": False, "side": "left"}
        assert first == {"text": "A small left effusion.", "mentions": [told]}

    def test_a_file_that_is_missing(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        ended = cxrtutor_("report", tmp_path / "absent.txt")
        assert ended.status == 2 and "absent.txt" in ended.err


@pytest.mark.usefixtures("small_text_encoder", "home")
class TestMethods:
    def test_every_method_is_a_line(self, cxrtutor_: Callable[..., Ended]) -> None:
        lines = cxrtutor_("methods").out.splitlines()
        assert [line.split()[0] for line in lines] == list(METHODS)
        assert "words attending to regions (Huang et al., ICCV 2021)" in lines[list(METHODS).index("gloria")]

    def test_as_json(self, cxrtutor_: Callable[..., Ended]) -> None:
        listed = cxrtutor_("methods", "--json").json
        assert {name: (entry["summary"], entry["paper"]) for name, entry in listed.items()} == {
            name: (entry.summary, entry.paper) for name, entry in METHODS.items()
        }


class TestPretrainAndEvaluate:
    @pytest.fixture
    def config(self, data: Path, tmp_path: Path) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(recipe(data)))
        return path

    def test_from_a_recipe_to_numbers(self, cxrtutor_: Callable[..., Ended], config: Path, tmp_path: Path) -> None:
        changes = ("--set", "optimization.epochs=2", "--set", "optimization.learning_rate = 1e-3")
        trained = cxrtutor_("pretrain", config, *changes, "--json").json
        assert trained["step"] == STEPS // 2
        asked = json.loads((Path(trained["folder"]) / "config.json").read_text())
        assert asked["optimization"]["learning_rate"] == 0.001
        again = cxrtutor_("pretrain", config, *changes)
        assert again.out.startswith(f"The run is in {trained['folder']}\n6 steps, ")

        saved = tmp_path / "measured.json"
        measured = cxrtutor_("evaluate", trained["folder"], "--set", "test", "--save", saved, "--json").json
        assert (measured["split"], measured["protocol"], measured["prompts"]) == ("test", "afloc", "precise")
        samples = Measurements.load(saved)
        assert set(samples.rows.study) == {f"test-{index}" for index in range(COUNTS["test"])}
        for metric in METRICS:
            cell = measured["overall"][metric]
            assert cell["low"] <= cell["value"] <= cell["high"]
            assert cell["value"] == pytest.approx(samples.macro()[metric], abs=1e-3)
        assert set(measured["by_finding"]) == {"mass", "effusion"}
        text = cxrtutor_("evaluate", trained["folder"], "--prompts", "simple", "--protocol", "chexlocalize").out
        assert "protocol chexlocalize" in text and "IoU" in text and "mass" in text

    def test_a_run_is_planned_before_it_is_started(self, cxrtutor_: Callable[..., Ended], config: Path) -> None:
        asked = ("plan", config, "--gpu", "l4-24", "--gpus", 2, "--nodes", 2, "--studies", 800, "--pieces", 40)
        made = cxrtutor_(*asked, "--images-per-second", 16, "--json").json
        assert (made["devices"], made["steps_per_epoch"], made["seconds_per_step"]) == (4, 100, 0.5)
        assert made["fits"] and made["total"] == sum(made["memory"].values())
        told = cxrtutor_(*asked, "--set", "optimization.batch_size=4").out
        assert told.startswith("lsm on 4 x L4 24 GB, 32-true\n") and "it fits" in told and "200 steps" in told
        unfit = cxrtutor_("plan", config, "--gpus", 3)
        assert unfit.status == 2 and "cannot be shared evenly" in unfit.err

    def test_a_protocol_that_cuts_by_finding_is_tuned_on_validation(
        self, cxrtutor_: Callable[..., Ended], config: Path
    ) -> None:
        run = cxrtutor_("pretrain", config, "--set", "optimization.epochs=1", "--json").json["folder"]
        gated = cxrtutor_("evaluate", run, "--protocol", "chexlocalize-gated", "--prompts", "simple", "--json").json
        assert set(gated["tuned"]) == {"mass", "effusion"}
        assert all(0.2 <= choice["threshold"] <= 0.7 for choice in gated["tuned"].values())
        text = cxrtutor_("evaluate", run, "--protocol", "chexlocalize-tuned").out
        assert "protocol chexlocalize-tuned" in text and "validation split:\n  effusion: threshold 0." in text

    def test_other_data_than_the_run_s_own(self, cxrtutor_: Callable[..., Ended], config: Path, tmp_path: Path) -> None:
        run = cxrtutor_("pretrain", config, "--set", "optimization.epochs=1", "--json").json["folder"]
        elsewhere = small_set(tmp_path / "elsewhere", {"test": 5})
        measured = cxrtutor_("evaluate", run, "--data", elsewhere, "--controls", "--json").json
        assert measured["data"] == str(elsewhere) and measured["by_finding"]["mass"]["samples"] == 5
        assert set(measured["controls"]) == {"shuffled prompt", "chance"}
        assert all("no training split" in reason for reason in measured["left_out"].values())
        ended = cxrtutor_("evaluate", run, "--data", tmp_path / "nowhere")
        assert ended.status == 2 and "no prepared set" in ended.err

    def test_the_manual_knows_every_protocol(self) -> None:
        protocol = get_type_hints(cli.evaluate, include_extras=True)["protocol"]
        assert all(re.search(rf"(^| ){name}[ ,;]", protocol.__metadata__[0].help) for name in PROTOCOLS)

    def test_controls_stand_beside_the_run(self, cxrtutor_: Callable[..., Ended], config: Path, home: Path) -> None:
        run = cxrtutor_("pretrain", config, "--set", "optimization.epochs=1", "--json").json["folder"]
        plain = cxrtutor_("evaluate", run, "--json").json
        measured = cxrtutor_("evaluate", run, "--controls", "--json").json
        assert tuple(measured["controls"]) == CONTROLS and measured["left_out"] == {}
        assert measured["overall"] == plain["overall"] and "controls" not in plain
        for cells in measured["controls"].values():
            assert cells["iou"]["low"] <= cells["iou"]["value"] <= cells["iou"]["high"]
        assert len({cells["iou"]["value"] for cells in measured["controls"].values()}) == len(CONTROLS)
        text = cxrtutor_("evaluate", run, "--controls", "--prompts", "report").out
        assert all(f"\n{name}  " in text for name in CONTROLS if name != "shuffled prompt")
        assert "\nshuffled prompt " not in text
        assert "Without the row 'shuffled prompt': A report is one prompt for all findings of its study" in text

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("epochs", "--set epochs: write it as key=value, such as --set optimization.epochs=2."),
            ("optimization.epoch=2", "optimization.epoch: unknown key; did you mean 'epochs'?"),
            ("method.name=lsm", "method.name: 'method' is a value and has no keys below it."),
            ("seed=[", "--set seed=[: the value cannot be read"),
            ("optimization.epochs=many", "optimization.epochs: Input should be a valid integer"),
            ("method=lms", "There is no method 'lms'. Did you mean 'lsm'?"),
            ("alignment.warmth=1", "warmth: unknown key"),
            ("data.set=nowhere", "There is no prepared set in nowhere"),
        ],
    )
    def test_what_cannot_be_trained(
        self, cxrtutor_: Callable[..., Ended], config: Path, change: str, message: str
    ) -> None:
        ended = cxrtutor_("pretrain", config, "--set", change)
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("Error: ") and message in ended.err

    def test_a_loss_that_is_no_number_is_to_be_mended(self, cxrtutor_: Callable[..., Ended], config: Path) -> None:
        ended = cxrtutor_("pretrain", config, "--set", "optimization.learning_rate=1e30")
        assert ended.status == 2 and "Lower optimization.learning_rate" in ended.err

    def test_an_interrupted_run_says_how_to_go_on(
        self, cxrtutor_: Callable[..., Ended], config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cxrtutor.pretraining import loop

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(loop._Trainer, "_save_checkpoint", interrupted)
            patch.setattr(loop._Trainer, "_validation_loss", interrupted)
            ended = cxrtutor_("pretrain", config)
        assert ended.status == 130
        assert ended.err.endswith("What was finished is kept; the same command goes on from there.\n")
        assert cxrtutor_("pretrain", config, "--json").json["step"] == STEPS

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--set", "unseen"], "has no split 'unseen'. It has: train, validation, test."),
            (["--protocol", "mine"], "There is no protocol 'mine'. Choose one of: afloc"),
            (["--prompts", "rude"], "There are no prompts 'rude'. Choose one of: precise, simple"),
        ],
    )
    def test_what_cannot_be_measured(
        self, cxrtutor_: Callable[..., Ended], config: Path, options: list[str], message: str
    ) -> None:
        run = cxrtutor_("pretrain", config, "--set", "optimization.epochs=1", "--json").json["folder"]
        ended = cxrtutor_("evaluate", run, *options)
        assert (ended.status, ended.out) == (2, "")
        assert message in ended.err

    def test_a_run_that_there_is_not(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        ended = cxrtutor_("evaluate", tmp_path / "nowhere")
        assert ended.status == 2 and "nowhere: no run." in ended.err

    @pytest.mark.usefixtures("small_text_encoder")
    def test_minimal_pairs(self, cxrtutor_: Callable[..., Ended], config: Path) -> None:
        # A seed of its own: runs of other tests are kept in the same folder, and have another text encoder.
        short = ("--set", "optimization.epochs=1", "--set", "seed=9")
        run = cxrtutor_("pretrain", config, *short, "--json").json["folder"]
        asked = ("minimal-pairs", run, "--edition", "quick")
        answer = cxrtutor_(*asked, "--json").json
        assert set(answer["accuracy"]) == {"side", "negation", "zone", "size", "presence"}
        for cell in answer["accuracy"].values():
            assert 0 <= cell["low"] <= cell["value"] <= cell["high"] <= 1
        sides = answer["accuracy"]["negation"]["by_side"]
        assert sides["affirmed"]["samples"] == sides["denied"]["samples"] == 20
        assert answer["accuracy"]["negation"]["value"] == pytest.approx(
            (sides["affirmed"]["accuracy"] + sides["denied"]["accuracy"]) / 2
        )
        assert set(answer["own_words_minus_other_side_cnr"]) == {"film as it is", "mirrored"}
        text = cxrtutor_(*asked, "--score", "global").out
        assert "by the global score" in text and "affirmed" in text and "mirrored" in text
        ended = cxrtutor_(*asked, "--score", "guess")
        assert ended.status == 2 and "no score 'guess'. Choose one of: presence, global." in ended.err

    def test_experiments_are_run_once(self, cxrtutor_: Callable[..., Ended], data: Path, tmp_path: Path) -> None:
        file = write_experiments(tmp_path, data, seeds=[0])
        first = cxrtutor_("experiments", file, "--records", tmp_path / "records", "--json").json
        assert first["trials"] == 2
        assert [Path(path).is_file() for path in first["written"]] == [True, True]
        again = cxrtutor_("experiments", file, "--records", tmp_path / "records")
        assert again.out == f"0 of 2 records were written to {tmp_path / 'records'}.\n"


@pytest.mark.usefixtures("small_text_encoder", "home")
class TestTransfer:
    @pytest.fixture
    def teaching(self, tmp_path: Path) -> Path:
        return small_teaching_set(tmp_path / "set")

    @pytest.fixture
    def run(self, teaching: Path, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> str:
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(recipe(teaching, epochs=1)))
        return cxrtutor_("pretrain", path, "--json").json["folder"]

    def test_runs_stand_beside_what_they_are_compared_with(
        self, cxrtutor_: Callable[..., Ended], run: str, teaching: Path, tmp_path: Path
    ) -> None:
        asked = ("transfer", "opacity", "random", run, "--data", teaching, "--labels", "0.5", "--labels", "1")
        told = cxrtutor_(*asked, "--draws", "2", "--save", tmp_path / "results.json", "--json").json
        about = {key: told[key] for key in ("task", "data", "split", "shared_films")}
        assert about == {"task": "opacity", "data": "teaching set", "split": "test", "shared_films": []}
        assert list(told["tables"]) == ["opacity, 50 % of labels", "opacity, 100 % of labels"]
        saved = json.loads((tmp_path / "results.json").read_text())
        for title, rows in told["tables"].items():
            random = "random (efficientnet-lite0, 64 pixels)"
            assert list(rows) == [random, "lsm"] and rows[random]["difference"] == {}
            one, other = (rows[name]["overall"]["auroc"]["value"] for name in rows)
            assert rows["lsm"]["difference"]["auroc"]["value"] == pytest.approx(other - one)
            assert {name: len(results) for name, results in saved[title].items()} == dict.fromkeys(
                rows, 2 if "50 %" in title else 1
            )
        text = cxrtutor_(*asked).out
        assert "opacity, 100 % of labels" in text and "Δ AUROC" in text and "MGCA (100% of labels)" in text

    def test_few_examples_words_and_retrieval(
        self, cxrtutor_: Callable[..., Ended], run: str, teaching: Path, tmp_path: Path
    ) -> None:
        few = cxrtutor_("transfer", "few-shot", run, "--on", "unseen", "--data", teaching, "--json").json["tables"]
        assert list(few) == [f"unseen, {k} a class" for k in (1, 4, 16, 64)]
        words = cxrtutor_("transfer", "zero-shot", run, "--data", teaching, "--json").json["tables"]
        assert list(words) == ["findings, asked by sentence"]
        assert 0 <= words["findings, asked by sentence"]["lsm"]["overall"]["auroc"]["value"] <= 1
        found = cxrtutor_("transfer", "retrieval", run, "--data", teaching, "--json").json["tables"]
        assert list(found) == ["image to report", "report to image", "image to image"]
        assert "recall@5" in found["image to report"]["lsm"]["overall"]

        other = Path(run).with_name("other")
        other.symlink_to(run)
        assert cli._by_name([run, "random"]) == {"lsm": run, "random": "random"}
        assert cli._by_name([run, str(other)]) == {f"lsm ({Path(run).name})": run, "lsm (other)": str(other)}
        (elsewhere := tmp_path / "elsewhere").mkdir()
        (namesake := elsewhere / Path(run).name).symlink_to(run)
        assert cli._by_name([run, str(namesake)]) == {f"lsm ({run})": run, f"lsm ({namesake})": str(namesake)}
        with pytest.raises(InputError, match="named twice"):
            cli._by_name([run, f"{run}/"])

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("fndings", "random"), "There is no task 'fndings'. There are: findings, opacity"),
            (("findings",), "Missing argument 'RUN...'"),
            (("findings", "nowhere"), "nowhere: no run."),
            (("zero-shot", "imagenet"), "'imagenet' was never shown a report"),
            (("retrieval", "untrained"), "'untrained' was never shown a report"),
            (("opacity", "random", "--labels", "10"), "A share of 10.0 of the labels cannot be taken"),
            (("opacity", "random", "--labels", "1", "--labels", "nan"), "A share of nan of the labels cannot be taken"),
            (("opacity", "random", "random"), "random is named twice"),
            (("opacity", "random", "--fine-tune"), "opacity has no use for --fine-tune. Options that it has: --labels"),
            (("opacity-boxes", "random", "--decoder", "setr"), "opacity-boxes has no use for --decoder"),
            (("opacity-masks", "random", "--decoder", "u-net"), "There is no decoder 'u-net'. Choose one of: setr"),
            (("opacity-masks", "random", "--on", "findings", "--prompts", "name"), "no use for --on, --prompts."),
            (("few-shot", "random", "--labels", "0.1"), "few-shot has no use for --labels"),
            (("zero-shot", "shipped", "--draws", "1"), "zero-shot has no use for --draws. Options that it has: --on"),
            (("retrieval", "shipped", "--steps", "3"), "retrieval has no use for --steps. Options that it has: none"),
            (("few-shot", "random", "--on", "opacity-masks"), "'opacity-masks' is segmentation"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, cxrtutor_: Callable[..., Ended], teaching: Path, arguments: tuple[str, ...], says: str
    ) -> None:
        ended = cxrtutor_("transfer", *arguments, "--data", teaching)
        assert ended.status == 2 and says in " ".join(ended.err.replace("│", " ").split())
        assert not (store.home() / "transfer").exists(), "nothing is computed before all is checked"

    def test_a_run_s_table_of_outlines_says_how_it_was_made(
        self, cxrtutor_: Callable[..., Ended], run: str, teaching: Path
    ) -> None:
        asked = ("opacity-masks", run, "--data", teaching, "--labels", "1", "--steps", "2", "--fine-tune")
        text = cxrtutor_("transfer", *asked).out
        assert text.startswith("opacity-masks, 100 % of labels, fine-tuned\n\n")
        assert "protocol segmentation by setr" in text


def planted(shape: tuple[int, int], row: int, column: int, reach: int) -> np.ndarray:
    """Dim noise with a bright square around (row, column)."""
    image = np.random.default_rng(0).random(shape) * 0.2
    image[row - reach : row + reach, column - reach : column + reach] = 1.0
    return image


def save(image: np.ndarray, path: Path, bits: int) -> Path:
    scaled = np.rint(image * (2**bits - 1))
    Image.fromarray(scaled.astype(np.uint16 if bits == 16 else np.uint8)).save(path)
    return path


class TestLocalize:
    @pytest.mark.usefixtures("sees_brightness")
    @pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
    @pytest.mark.parametrize(("name", "bits"), [("a.png", 8), ("a.png", 16), ("a.jpg", 8)])
    def test_a_planted_marker_is_shown_where_it_is(
        self, cxrtutor_: Callable[..., Ended], tmp_path: Path, shape: tuple[int, int], name: str, bits: int
    ) -> None:
        row, column = round(0.3 * shape[0]), round(0.7 * shape[1])
        file = save(planted(shape, row, column, reach=20), tmp_path / name, bits)
        answer = cxrtutor_("localize", file, "--prompt", "marker", "--out", tmp_path / "heat.png", "--json").json
        box = answer["box"]
        assert box["y"] + box["height"] / 2 == pytest.approx(row, abs=5)
        assert box["x"] + box["width"] / 2 == pytest.approx(column, abs=5)
        assert (answer["prompt"], answer["protocol"], answer["threshold"]) == ("marker", "afloc", 0.3)
        with Image.open(answer["out"]) as written:
            assert written.size == shape[::-1]
            picture = np.asarray(written).astype(int)
        coloured = np.argwhere(np.ptp(picture, axis=2) > 60)
        np.testing.assert_allclose(coloured.mean(0), (row, column), atol=8)

    def test_a_real_dicom_keeps_size_sides_and_intensities(
        self, cxrtutor_: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cli, "_model", lambda run: Told(upper_right))
        out = tmp_path / "heat.png"
        ended = cxrtutor_(
            "localize", radiograph_path(), "--prompt", "left apical nodule", "--out", out, "--protocol", "chexlocalize"
        )
        assert ended.status == 0 and ended.out.startswith(f"{out} shows where 'left apical nodule' is seen (threshold ")
        pixels = read_image(radiograph_path()).pixels
        picture = np.asarray(Image.open(out))
        assert picture.shape == (*pixels.shape, 3)
        grey = np.rint(pixels * 255).astype(np.uint8)
        touched = (picture != grey[..., None]).any(axis=2)
        assert 0.002 < touched.mean() < 0.05  # elsewhere it is the radiograph, value by value
        side = max(pixels.shape)
        margin = (side - np.array(pixels.shape)) / 2
        centre = np.argwhere(touched).mean(0) + 0.5 + margin
        np.testing.assert_allclose(centre / side, (3.5 / 16, 11.5 / 16), atol=1 / 64)

    @pytest.mark.usefixtures("sees_brightness")
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"image": "nowhere.png"}, "There is no file nowhere.png. Check the path."),
            ({"image": "short.png"}, "short.png is damaged or cut short"),
            ({"image": "words.png"}, "words.png is no image that can be read here"),
            ({"prompt": "  "}, "The prompt is empty. Ask in words"),
            ({"out": "heat.jpg"}, "give --out a name that ends in .png, not 'heat.jpg'"),
            ({"protocol": "mine"}, "There is no protocol 'mine'."),
        ],
    )
    def test_what_cannot_be_localized(
        self,
        cxrtutor_: Callable[..., Ended],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        options: dict[str, str],
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        whole = save(planted((60, 50), 20, 20, 5), tmp_path / "whole.png", 8).read_bytes()
        Path("short.png").write_bytes(whole[: len(whole) // 2])
        Path("words.png").write_text("not a picture")
        given = {"image": "whole.png", "prompt": "mass", "out": "heat.png", "protocol": "afloc"} | options
        image = given.pop("image")
        ended = cxrtutor_("localize", image, *(word for key in given for word in (f"--{key}", given[key])))
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("Error: ") and message in ended.err
        assert not Path(given["out"]).exists()

    @pytest.mark.usefixtures("small_text_encoder")
    def test_a_prompt_longer_than_the_model_reads(
        self, cxrtutor_: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = method("lsm").model(small_config(tmp_path)).eval()
        monkeypatch.setattr(cli, "_model", lambda run: model)
        file = save(planted((60, 50), 20, 20, 5), tmp_path / "a.png", 8)
        ended = cxrtutor_("localize", file, "--prompt", "effusion " * 300, "--out", tmp_path / "heat.png")
        assert ended.status == 2 and "The prompt has 900 word pieces; the encoder takes 254" in ended.err

    @pytest.mark.parametrize("run", ["nowhere", "unfinished"])
    def test_a_run_without_a_model(self, cxrtutor_: Callable[..., Ended], tmp_path: Path, run: str) -> None:
        (tmp_path / "unfinished").mkdir()
        (tmp_path / "unfinished" / "config.json").write_text("{}")
        file = save(planted((60, 50), 20, 20, 5), tmp_path / "a.png", 8)
        ended = cxrtutor_("localize", file, "--prompt", "mass", "--out", "heat.png", "--run", tmp_path / run)
        assert ended.status == 2 and f"There is no trained model in {tmp_path / run}" in ended.err

    @pytest.mark.usefixtures("sees_brightness")
    def test_names_in_brackets_are_printed_as_they_are(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        file = save(planted((60, 50), 20, 20, 5), tmp_path / "a.png", 8)
        out = tmp_path / "[red]" / "heat.png"
        ended = cxrtutor_("localize", file, "--prompt", "[bold]mass", "--out", out)
        assert ended.out.startswith(f"{out} shows where '[bold]mass' is seen")


class TestEvaluateMaps:
    """In the layouts of MS-CXR and CheXlocalize."""

    @pytest.fixture
    def of_ms_cxr(self, tmp_path: Path) -> list[object]:
        """Two maps that see the box of one phrase only."""
        marks = [Marked(DICOM, "Edema", phrase, (100, 100, 80, 60), (300, 400)) for phrase in ("Mild edema.", "haze")]
        marks.append(Marked("other", "Mass", "a mass", (100, 100, 80, 60), (300, 400)))
        seen = np.zeros((400, 400), np.float32)
        seen[150:210, 100:180] = 1.0  # the square is 50 pixels higher above and below
        (tmp_path / "maps").mkdir()
        np.save(tmp_path / "maps" / f"{DICOM}__mild-edema.npy", seen)
        np.save(tmp_path / "maps" / f"{DICOM}__haze.npy", seen.T)
        np.save(tmp_path / "maps" / "unasked.npy", seen)
        truth = ms_cxr_csv(tmp_path / "MS_CXR_Local_Alignment_v1.1.0.csv", marks)
        return ["evaluate-maps", tmp_path / "maps", "--truth", truth, "--protocol", "afloc"]

    def test_numbers_and_everything_that_was_not_as_it_should_be(
        self, cxrtutor_: Callable[..., Ended], of_ms_cxr: list[object], tmp_path: Path
    ) -> None:
        saved = tmp_path / "out.json"
        ended = cxrtutor_(*of_ms_cxr, "--allow-missing", "--save", saved, "--json")
        found = ended.json
        assert (found["layout"], found["protocol"], found["unit"]) == ("MS-CXR", "afloc", "patients")
        rows = Measurements.load(saved).rows
        assert rows.prompt.tolist() == ["Mild edema.", "haze"] and rows.iou.tolist() == [1.0, pytest.approx(0, abs=0.2)]
        assert found["rows"]["maps"]["overall"]["iou"]["value"] == pytest.approx(rows.iou.mean(), abs=1e-3)
        missing, extra = (
            found["troubles"][key] for key in found["troubles"] if "map, left" in key or "not used" in key
        )
        assert missing == ["other, 'a mass': other__a-mass.npy"] and extra == ["unasked.npy"]
        text = cxrtutor_(*of_ms_cxr, "--allow-missing").out
        assert "protocol afloc" in text and "not used: unasked.npy." in text and "interval over patients)" in text

    def test_a_missing_map_is_an_error(self, cxrtutor_: Callable[..., Ended], of_ms_cxr: list[object]) -> None:
        ended = cxrtutor_(*of_ms_cxr)
        assert ended.status == 2 and "1 of 3 questions have no map" in ended.err and "other__a-mass.npy" in ended.err

    @pytest.mark.parametrize("own", [True, False])
    def test_a_truth_of_one_s_own_may_be_published(
        self, cxrtutor_: Callable[..., Ended], of_ms_cxr: list[object], tmp_path: Path, monkeypatch, own: bool
    ) -> None:
        ledger = tmp_path / "ledger.jsonl"
        monkeypatch.setenv(guard.LEDGER_VARIABLE, str(ledger))
        cxrtutor_(*of_ms_cxr, "--allow-missing", *(["--redistributable"] if own else []))
        assert json.loads(ledger.read_text()) == {"name": "MS-CXR", "redistribution": own}

    def test_a_truth_without_sizes_takes_them_from_the_images(
        self, cxrtutor_: Callable[..., Ended], tmp_path: Path
    ) -> None:
        truth = written(tmp_path / "dev.csv", "image_path,annotation\n08001.jpg,0 5 10 25 40\n08002.jpg,\n")
        seen = np.zeros((60, 50), np.float32)
        seen[10:40, 5:25] = 1
        for folder in ("maps", "dev"):
            (tmp_path / folder).mkdir()
        np.save(tmp_path / "maps" / "08001.npy", seen)
        for image in ("08001", "08002"):
            save(planted((60, 50), 20, 20, 5), tmp_path / "dev" / f"{image}.jpg", 8)
        asked = ["evaluate-maps", tmp_path / "maps", "--truth", truth, "--protocol", "best", "--geometry", "image"]
        ended = cxrtutor_(*asked)
        assert ended.status == 2 and "does not say how large its images are" in ended.err
        found = cxrtutor_(*asked, "--images", tmp_path / "dev", "--json").json
        assert found["layout"] == "Object-CXR" and found["rows"]["maps"]["overall"]["iou"]["value"] == 1

    def test_the_help_says_how_files_are_named(self, cxrtutor_: Callable[..., Ended]) -> None:
        text = " ".join(cxrtutor_("evaluate-maps", "--help").out.split())
        for told in ("<image id>__<slug>.npy", "letterbox: a square map", "of at most 64x64 is a raw patch grid"):
            assert told in text

    def test_humans_are_one_more_row(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        size, box = (120, 150), rectangle((10, 10, 40, 40), (120, 150))
        truth = chexlocalize_segmentations(tmp_path / "gt_segmentations_test.json", {CHEXPERT: {"Edema": box}})
        drawn = {CHEXPERT: {"Edema": [[[20, 10], [59, 10], [59, 49], [20, 49]]]}}
        human = chexlocalize_annotations(tmp_path / "hb_annotations_test.json", size, drawn)
        points = salient_points(tmp_path / "hb_salient_pt_test.json", {CHEXPERT: {"Edema": [[1, 1], [30, 30]]}})
        (tmp_path / "maps").mkdir()
        np.save(tmp_path / "maps" / f"{CHEXPERT}__edema.npy", box.astype(np.float32))
        files = ("--truth", truth, "--human", human, "--points", points)
        maps = ("evaluate-maps", tmp_path / "maps", "--protocol", "chexlocalize", "--geometry", "image")
        rows = cxrtutor_(*maps, *files, "--json").json["rows"]
        assert rows["maps"]["overall"]["iou"]["value"] == 1
        for found in (rows, cxrtutor_("human-benchmark", *files, "--json").json["rows"]):
            overall = found["human benchmark"]["overall"]
            assert (overall["iou"]["value"], overall["pointing"]["value"]) == (pytest.approx(0.6), 1)
        assert overall["iou, true positives"]["value"] == pytest.approx(0.6)
        assert "human benchmark  0.600" in cxrtutor_(*maps, *files).out
        assert "human benchmark  0.600" in cxrtutor_("human-benchmark", *files).out
        assert cxrtutor_(*maps, "--truth", truth, "--points", points).status == 2


class TestReaders:
    def test_files_become_readers_a_class_and_a_row(self, cxrtutor_: Callable[..., Ended], tmp_path: Path) -> None:
        films, out, folder = tmp_path / "films.json", tmp_path / "humans.json", tmp_path / "files"
        FILMS.save(films)
        folder.mkdir()
        file_of(folder, "ada.json", answered(truthful, 1, reader="Ada"))
        file_of(folder, "bo.json", answered(follower, 2, reader="Bo"))
        file_of(folder, "torn.json", '{"format"')
        asked = ("readers", "merge", folder, "--set", films)
        told = cxrtutor_(*asked, "--out", out, "--json").json
        assert set(told["readers"]) == {"Ada", "Bo"} and told["readers"]["Bo"]["followed"] == 1
        assert told["class"]["followed"]["value"] == 0.5
        assert len(told["skipped"]) == 1 and "torn.json: not the results" in told["skipped"][0]
        iou = told["row"]["overall"]["iou"]["value"]
        assert iou > 0.85 and Measurements.load(out).macro().iou == pytest.approx(iou, abs=1e-4)
        text = cxrtutor_(*asked).out
        assert "Left out: " in text and "readers, unaided" in text and "what wrong maps took" in text

    def test_without_one_that_counts_the_reasons_are_told(
        self, cxrtutor_: Callable[..., Ended], tmp_path: Path
    ) -> None:
        path = file_of(tmp_path, "ada.json", answered(truthful))  # of other films than the page's
        ended = cxrtutor_("readers", "merge", path)
        assert ended.status == 2 and "of other films than these" in ended.err and not ended.out
