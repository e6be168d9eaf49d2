"""Pre-training: interrupted anywhere it ends as if it had not been, found again it is not repeated, and what cannot go
on says why."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from interruptions import Stopped, assert_same_run, curve, in_new_home, stop_at, stopped_and_resumed, weights
from small_runs import COUNTS, EPOCHS, STEPS, STEPS_PER_EPOCH, recipe, small_config, small_set, use_small_text_encoder

from cxrtutor.alignment import PrototypeAlignment, WeightedSum
from cxrtutor.data.views import training_views
from cxrtutor.encoders.caching import CachedImages, CachedTexts, LiveImages
from cxrtutor.encoders.image import ImageEncoder
from cxrtutor.encoders.text import TextEncoder
from cxrtutor.encoders.weights import fingerprint
from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig, validated
from cxrtutor.methods.registry import method
from cxrtutor.pretraining import loop
from cxrtutor.pretraining.loop import pretrain, run_folder
from cxrtutor.pretraining.optimizer import parameter_groups
from cxrtutor.pretraining.run import Run

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return in_new_home(tmp_path_factory.mktemp("home"), lambda: pretrain(small_config(data)))


class TestInterruption:
    # A checkpoint every 2 steps, an epoch every 3: before any checkpoint, right after one, within an epoch, at its end.
    @pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 6, STEPS - 1])
    def test_resumed_it_goes_on_as_if_nothing_had_been(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch, step: int
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, step, "step")
            pretrain(config, checkpoint_every=2)
        assert not Run(run_folder(config)).finished
        torch.rand(7), np.random.random(7)  # a new process has another random state
        assert_same_run(pretrain(config, checkpoint_every=2), uninterrupted)

    def test_stopped_again_and_again(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for step in (3, 5, 8):
            with monkeypatch.context() as patch, pytest.raises(Stopped):
                stop_at(patch, step, "step")
                pretrain(small_config(data), checkpoint_every=1)
        assert_same_run(pretrain(small_config(data), checkpoint_every=1), uninterrupted)

    def test_stopped_between_the_log_and_the_checkpoint(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, 6, "checkpoint")
            pretrain(config, checkpoint_every=2)
        assert len(Run(run_folder(config)).log()) == 6  # two more than the last checkpoint has
        assert_same_run(pretrain(config, checkpoint_every=2), uninterrupted)

    def test_stopped_before_the_result_is_written(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(loop._Trainer, "_finish", lambda trainer: (_ for _ in ()).throw(Stopped))
            pretrain(config, checkpoint_every=5)
        assert_same_run(pretrain(config), uninterrupted)

    def test_a_line_that_was_cut_in_half_is_dropped(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, 5, "step")
            pretrain(config, checkpoint_every=2)
        log = Run(run_folder(config)).log_path
        log.write_text(log.read_text() + '{"step": 6, "epo')
        resumed = pretrain(config, checkpoint_every=2)
        assert [entry["step"] for entry in resumed.log()] == list(range(1, STEPS + 1))
        assert_same_run(resumed, uninterrupted)

    def test_time_that_was_spent_before_counts(self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, 4, "step")
            pretrain(config, checkpoint_every=2)
        log = Run(run_folder(config)).log_path
        entries = [json.loads(line) | {"seconds": 1000.0} for line in log.read_text().splitlines()]
        log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        seconds = [entry["seconds"] for entry in pretrain(config, checkpoint_every=2).log()]
        assert seconds[:4] == [1000.0] * 4
        assert all(1000 < value < 1100 for value in seconds[4:])
        assert seconds == sorted(seconds)

    @pytest.mark.slow
    def test_trainable_encoders_resume_too(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Dropout in the text encoder and batch statistics in the image encoder: random state and buffers must be kept.
        config = small_config(data, trainable=True, epochs=2)
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=3), expected)
        untrained = method(config.method).model(config).state_dict()
        changed = {
            name.split(".")[0] for name, value in weights(expected).items() if not torch.equal(value, untrained[name])
        }
        assert {"image_encoder", "text_encoder"} < changed

    @pytest.mark.slow
    def test_killed_by_the_operating_system(self, data: Path, home: Path, uninterrupted: Run) -> None:
        """SIGKILL leaves no time to tidy up; it comes at whichever step the process is at."""
        script = script_that_trains(home.parent, data, "checkpoint_every=2", slowly=True)
        process = subprocess.Popen([sys.executable, script], env=os.environ | {"CXRTUTOR_HOME": str(home)})
        log = Run(run_folder(small_config(data))).log_path
        deadline = time.monotonic() + 120
        while not log.is_file() or log.read_text().count("\n") < 4:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        run = Run(run_folder(small_config(data)))
        assert not run.finished
        print("killed after step", log.read_text().count("\n"))
        assert_same_run(pretrain(small_config(data), checkpoint_every=2), uninterrupted)


def script_that_trains(folder: Path, data: Path, arguments: str, slowly: bool = False, **options: Any) -> Path:
    """A program of its own that trains the small run; `slowly` gives the time to stop it."""
    script = folder / "train.py"
    script.write_text(
        f"""
import sys, time
sys.path.insert(0, {str(TESTS)!r})
import pytest
from pathlib import Path
from small_runs import small_config, use_small_text_encoder
from cxrtutor.pretraining import loop
use_small_text_encoder(pytest.MonkeyPatch())
if {slowly}:
    quick = loop._Trainer._step
    loop._Trainer._step = lambda *given: (time.sleep(.2), quick(*given))[1]
loop.pretrain(small_config(Path({str(data)!r}), **{options}), {arguments})
"""
    )
    return script


class TestLookingBack:
    def test_a_finished_run_is_found_and_not_trained_again(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = pretrain(small_config(data))
        monkeypatch.setattr(loop, "_Trainer", None)
        again = pretrain(small_config(data))
        assert again.folder == run.folder and again.result == run.result

    def test_a_run_that_another_program_trains_is_waited_for(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step, trained, found = loop._Trainer._step, [], []
        another = threading.Thread(target=lambda: found.append(pretrain(small_config(data), progress=False)))

        def first_lets_another_come(trainer: Any, index: int, *rest: Any) -> Any:
            trained.append(index)
            if len(trained) == 1:
                another.start()
                another.join(1)  # as far as it comes
            return step(trainer, index, *rest)

        monkeypatch.setattr(loop._Trainer, "_step", first_lets_another_come)
        run = pretrain(small_config(data))
        another.join(60)
        assert trained == list(range(STEPS)) == [entry["step"] - 1 for entry in run.log()]
        assert [one.folder for one in found] == [run.folder]

    @pytest.mark.parametrize("change", ["seed", "rate", "data", "loop"])
    def test_whatever_decides_a_run_gives_it_a_folder_of_its_own(
        self, data: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        config = small_config(data)
        before = run_folder(config)
        if change == "seed":
            config = config.model_copy(update={"seed": 1})
        elif change == "rate":
            config = small_config(data, learning_rate=0.02)
        elif change == "data":
            copy = shutil.copytree(data, tmp_path / "copy")
            shutil.rmtree(data)
            small_set(data, COUNTS | {"train": 23})
        else:
            monkeypatch.setattr(loop, "VERSION", loop.VERSION + 1)
        try:
            assert run_folder(config) != before
        finally:
            if change == "data":
                shutil.rmtree(data)
                shutil.copytree(copy, data)

    def test_where_its_data_lie_decides_nothing(self, data: Path, tmp_path: Path) -> None:
        moved = shutil.copytree(data, tmp_path / "moved")
        assert run_folder(small_config(moved)) == run_folder(small_config(data))

    def test_defaults_that_are_written_out_change_nothing(self, data: Path) -> None:
        config = small_config(data)
        written = method(config.method).settings_of(config).model_dump()
        assert run_folder(config.model_copy(update={"alignment": written})) == run_folder(config)

    def test_the_folder_says_what_was_asked_for_and_what_came_out(self, uninterrupted: Run, data: Path) -> None:
        assert uninterrupted.config == small_config(data)
        log = uninterrupted.log()
        assert [entry["step"] for entry in log] == list(range(1, STEPS + 1))
        assert [entry["epoch"] for entry in log] == [epoch for epoch in range(EPOCHS) for _ in range(STEPS_PER_EPOCH)]
        assert [entry["step"] for entry in log if "validation_loss" in entry] == [3, 6, 9, 12]
        last = {key: log[-1][key] for key in ("step", "seconds", "loss", "validation_loss")}
        assert uninterrupted.result == last
        assert {path.name for path in uninterrupted.folder.iterdir()} == {
            "config.json",
            "data.json",
            "environment.json",
            "log.jsonl",
            "model",
            "result.json",
            "starts.jsonl",
        }

    def test_the_loss_is_the_sum_of_its_parts_and_falls(self, uninterrupted: Run) -> None:
        log = uninterrupted.log()
        parts = [key for key in log[0] if "/" in key]
        assert {part.split("/")[0] for part in parts} == {"global", "sentence"}
        for entry in log:
            assert entry["loss"] == pytest.approx(sum(entry[part] for part in parts), rel=1e-5)
        assert np.mean([entry["loss"] for entry in log[-3:]]) < 0.9 * np.mean([entry["loss"] for entry in log[:3]])

    def test_the_validation_loss_is_that_of_the_saved_model(self, uninterrupted: Run, data: Path, home: Path) -> None:
        config = uninterrupted.config
        model = uninterrupted.model()
        pairs = loop.Pairs.of(model, loop.open_studies(str(data), "validation"))
        with torch.no_grad():
            found = method(config.method).objective(config)(model(*pairs.batch(np.arange(8)))).loss
        assert found.item() == pytest.approx(uninterrupted.result["validation_loss"], rel=1e-5)

    def test_frozen_encoders_stay_as_they_were(self, uninterrupted: Run, data: Path) -> None:
        assert {name.split(".")[0] for name in weights(uninterrupted)} == {"image_projection", "text_projection"}
        trainer_model = method("lsm").model(small_config(data))
        loaded = uninterrupted.model()
        assert fingerprint(loaded.image_encoder) == fingerprint(trainer_model.image_encoder)
        assert fingerprint(loaded.text_encoder) == fingerprint(trainer_model.text_encoder)

    def test_heads_are_standardised_by_the_training_studies(self, uninterrupted: Run, data: Path, home: Path) -> None:
        model = uninterrupted.model()
        images = loop.Pairs.of(model, loop.open_studies(str(data), "train")).images.batch(np.arange(COUNTS["train"]))
        measured = weights(uninterrupted)["image_projection.heads.deep.0.mean"]
        torch.testing.assert_close(measured, images.deep.mean((0, 2, 3)))


def studies_seen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Fills with the training studies that steps are shown."""
    seen: set[int] = set()
    original = CachedImages.read

    def read(images: CachedImages, indices: np.ndarray) -> Any:
        if len(images) == COUNTS["train"] and len(indices) <= 8:  # the heads are standardised by more
            seen.update(indices.tolist())
        return original(images, indices)

    monkeypatch.setattr(CachedImages, "read", read)
    return seen


def with_data(config: RunConfig, **settings: Any) -> RunConfig:
    """The run with other settings in its `data` group."""
    return validated(RunConfig, config.model_dump() | {"data": config.data.model_dump() | settings}, where="test")


class TestTrainingText:
    @pytest.fixture
    def shown(self, monkeypatch: pytest.MonkeyPatch) -> dict[int, list[torch.Tensor]]:
        """The sentences' masks of every batch, by the number of studies in the set."""
        batches: dict[int, list[torch.Tensor]] = {}
        original = loop.Training.forward

        def forward(module: Any, image: Any, text: Any) -> Any:
            batches.setdefault(module.training, []).append(text["sentence_mask"])
            return original(module, image, text)

        monkeypatch.setattr(loop.Training, "forward", forward)
        return batches

    def test_one_sentence_is_shown_in_training_and_whole_reports_in_validation(
        self, data: Path, home: Path, uninterrupted: Run, shown: dict[int, list[torch.Tensor]]
    ) -> None:
        run = pretrain(with_data(small_config(data), text={"sentences": "one"}))
        assert run.folder.name != uninterrupted.folder.name
        assert len(shown[True]) == STEPS and len(shown[False]) == EPOCHS
        assert all((mask.sum(1) == 1).all() for mask in shown[True])
        reports = loop.open_studies(str(data), "validation").reports()
        assert shown[False][0].sum(1).tolist() == [len(report.sentences) for report in reports]

    def test_every_epoch_shows_other_subsets(
        self, data: Path, home: Path, shown: dict[int, list[torch.Tensor]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        choices: list[tuple[int, ...]] = []
        original = CachedTexts.inputs

        def inputs(texts: Any, indices: Any, choice: Any = None) -> Any:
            for study, places in zip(indices.tolist(), choice or (), strict=False):
                choices.append((study, *places.tolist()))
            return original(texts, indices, choice)

        monkeypatch.setattr(CachedTexts, "inputs", inputs)
        pretrain(with_data(small_config(data), text={"sentences": "subset", "shuffled": True}))
        assert len(choices) == EPOCHS * COUNTS["train"]
        by_study = {study: {c for c in choices if c[0] == study} for study in range(COUNTS["train"])}
        assert all(len(shown) > 1 for study, shown in by_study.items() if max(map(len, shown)) > 2)
        assert any(list(c[1:]) != sorted(c[1:]) for c in choices)

    @pytest.mark.parametrize("trainable", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_resumed_it_draws_the_same_sentences(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainable: bool
    ) -> None:
        config = small_config(data, trainable=trainable, epochs=2)
        config = with_data(config, text={"sentences": "subset", "shuffled": True})
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=2), expected)

    def test_sentences_that_have_seen_the_whole_report_cannot_be_chosen_among(self, data: Path, home: Path) -> None:
        config = with_data(small_config(data), text={"sentences": "one"})
        encoder = config.model.text_encoder.model_copy(update={"context": "report"})
        config = config.model_copy(update={"model": config.model.model_copy(update={"text_encoder": encoder})})
        with pytest.raises(InputError, match=r"data\.text .* Set model\.text_encoder\.context: sentence"):
            pretrain(config)
        assert not home.exists()


class TestViews:
    @pytest.fixture
    def seen(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str, str]]:
        """How many studies of which views every batch had."""
        batches: list[tuple[int, str, str]] = []
        original_of = loop.Pairs.of.__func__
        names: dict[int, tuple[str, str]] = {}

        def of(cls: type, model: Any, studies: Any, described: Any = None) -> loop.Pairs:
            pairs = original_of(cls, model, studies, described)
            names[id(pairs.images)] = studies.key, (described or studies).key
            return pairs

        def noting(original: Any) -> Any:
            def read(images: Any, indices: Any) -> Any:
                batches.append((len(indices), *names[id(images)]))
                return original(images, indices)

            return read

        monkeypatch.setattr(loop.Pairs, "of", classmethod(of))
        for source in (CachedImages, LiveImages):
            monkeypatch.setattr(source, "read", noting(source.read))
        return batches

    @pytest.mark.parametrize("trainable", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_each_batch_sees_one_view_and_validation_the_set_itself(
        self, data: Path, home: Path, seen: list[tuple[int, str, str]], trainable: bool
    ) -> None:
        config = small_config(data, trainable=trainable, epochs=EPOCHS if not trainable else 1)
        pretrain(with_data(config, views={"moved": 1, "mirrored": True}, text={"places": False}))
        train, validation = (loop.open_studies(str(data), split) for split in ("train", "validation"))
        views = {(images.key, reports.key) for images, reports in training_views(train, 1, True, places=False)}
        trained = [batch[1:] for batch in seen if batch[1] != validation.key]
        assert set(trained) <= views and (trainable or set(trained) == views)
        assert {batch[1:] for batch in seen} - set(trained) == {(validation.key, validation.key)}

    def test_resumed_it_draws_the_same_views(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = with_data(small_config(data, epochs=2), views={"moved": 2, "mirrored": True})
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=3), expected)

    def test_heads_are_standardised_by_the_set_itself(self, data: Path, home: Path, uninterrupted: Run) -> None:
        run = pretrain(with_data(small_config(data, epochs=1), views={"moved": 1}))
        name = "image_projection.heads.deep.0.mean"
        assert torch.equal(weights(run)[name], weights(uninterrupted)[name])


class TestRates:
    def test_encoders_may_learn_at_a_rate_of_their_own(self, data: Path, home: Path) -> None:
        def config(**options: float) -> RunConfig:
            values = recipe(data, trainable=True, epochs=1, **options)
            values["model"]["image_encoder"] = {"pretrained": False}
            return validated(RunConfig, values, where="small")

        untrained = method("lsm").model(config()).state_dict()

        def moved(**options: float) -> dict[str, float]:
            """How far the parameters of text encoder and text head went in one epoch."""
            after = weights(pretrain(config(**options)))
            parts = {"text_encoder": 0.0, "text_projection": 0.0}
            for name, value in after.items():
                if (part := name.split(".")[0]) in parts:
                    parts[part] = max(parts[part], (value - untrained[name]).abs().max().item())
            return parts

        slow, alike = moved(encoder_learning_rate=1e-7), moved()
        assert 0 < slow["text_encoder"] < 1e-5
        assert slow["text_projection"] > 1e-3
        assert min(alike.values()) > 1e-3


class TestPrototypes:
    def test_they_learn_as_heads_do_but_do_not_decay(self, data: Path) -> None:
        config = small_config(data, trainable=True, encoder_learning_rate=0.001)
        prototypes = WeightedSum({"kinds": (1.0, PrototypeAlignment(16, 5))})
        training = loop.Training(method("lsm").model(config), prototypes)
        heads, encoders, kinds = parameter_groups(training, config.optimization)
        assert [id(p) for p in kinds["params"]] == [id(prototypes.objectives["kinds"].prototypes)]
        assert (kinds["weight_decay"], kinds["share_of_rate"]) == (0.0, 1.0)
        optimizer = torch.optim.AdamW([heads, encoders, kinds], weight_decay=0.5)
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.5, 0.0]

    def test_methods_without_them_have_the_groups_they_had(self, data: Path) -> None:
        config = small_config(data)
        training = loop.Training(method("lsm").model(config), method("lsm").objective(config))
        (heads,) = parameter_groups(training, config.optimization)
        assert heads.keys() == {"params", "share_of_rate"}
        assert [id(p) for p in heads["params"]] == [id(p) for p in training.parameters() if p.requires_grad]

    def test_what_an_objective_learns_is_kept_with_the_run(self, data: Path, home: Path) -> None:
        values = recipe(data, method="convirt", epochs=1) | {"alignment": {"learnable_temperature": True}}
        run = pretrain(validated(RunConfig, values, where="small"))
        assert run.objective().temperature.item() == pytest.approx(run.log()[-1]["temperature"], rel=0.05)
        assert run.objective().temperature != method("convirt").objective(run.config).temperature
        run.objective_path.unlink()
        with pytest.raises(InputError, match="pre-train again"):
            run.objective()


class TestSchedules:
    PLATEAU: ClassVar = {"schedule": "plateau", "patience": 1, "decay": 0.1, "warmup": 0.0, "learning_rate": 1e-9}

    def test_a_plateau_lowers_the_rate(self, data: Path, home: Path) -> None:
        # At this rate nothing is learnt, so every validation loss equals the first to within the threshold.
        rates = [entry["learning_rate"] for entry in pretrain(small_config(data, **self.PLATEAU)).log()]
        np.testing.assert_allclose(rates, [1e-9] * 3 * STEPS_PER_EPOCH + [1e-10] * STEPS_PER_EPOCH)

    def test_resumed_it_remembers_the_losses_of_the_epochs_before(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data, **self.PLATEAU)
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        for step in (7, 10):  # in the third epoch, and after the rate has fallen
            with monkeypatch.context() as patch, pytest.raises(Stopped):
                stop_at(patch, step, "step")
                pretrain(config, checkpoint_every=2)
        assert_same_run(pretrain(config, checkpoint_every=2), expected)

    def test_weight_decay_is_part_of_adams_gradient_and_apart_from_adamws(self, data: Path, home: Path) -> None:
        options = {"epochs": 1, "weight_decay": 0.9}
        runs = [pretrain(small_config(data, optimizer=name, **options)) for name in ("adam", "adamw")]
        norms = [sum(value.norm().item() for key, value in weights(run).items() if "weight" in key) for run in runs]
        assert runs[0].log()[0]["loss"] == runs[1].log()[0]["loss"]
        assert abs(norms[0] - norms[1]) > 0.01

    def test_a_run_with_adam_resumes_too(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = small_config(data, optimizer="adam", schedule="step", epochs=2)
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=3), expected)


class TestSplits:
    def test_only_training_and_validation_are_ever_opened(
        self, data: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Whoever chose a rate, an epoch or a checkpoint by the test split would measure the choice and not the method.
        alone = Path(shutil.copytree(data, tmp_path / "alone"))
        for shard in json.loads((alone / "card.json").read_text())["shards"]:
            if shard["split"] not in ("train", "validation"):
                (alone / shard["file"]).unlink()
        opened: list[str] = []
        original = loop.open_studies

        def open_studies(name: str, split: str, edition: str) -> Any:
            opened.append(split)
            return original(name, split, edition)

        monkeypatch.setattr(loop, "open_studies", open_studies)
        config = with_data(small_config(alone, **TestSchedules.PLATEAU), views={"mirrored": True})
        assert pretrain(config, checkpoint_every=2).finished
        assert sorted(opened) == ["train", "validation"]


class TestSizes:
    @pytest.mark.parametrize(("batch_size", "steps"), [(100, EPOCHS), (7, 3 * EPOCHS), (1, 2)])
    def test_batches_larger_than_the_set_odd_ones_and_single_pairs(
        self, data: Path, home: Path, batch_size: int, steps: int
    ) -> None:
        config = small_config(data, batch_size=batch_size, epochs=1 if batch_size == 1 else EPOCHS)
        if batch_size == 1:
            config = config.model_copy(update={"data": config.data.model_copy(update={"subset": 2})})
        run = pretrain(config)
        assert run.result["step"] == steps
        assert all(np.isfinite(entry["loss"]) for entry in run.log())

    def test_a_subset_is_the_beginning_of_the_set(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = studies_seen(monkeypatch)
        pretrain(with_data(small_config(data), subset=10))
        assert seen == set(range(10))

    def test_studies_with_a_finding_are_not_shown(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [{"mass"} if index % 3 else {"mass", "hernia"} for index in range(COUNTS["train"])]
        monkeypatch.setattr(loop.StudyDataset, "finding_names", lambda studies: names)
        seen = studies_seen(monkeypatch)
        pretrain(with_data(small_config(data), subset=20, without=("hernia",)))
        assert seen == {index for index in range(20) if index % 3}

    @pytest.mark.parametrize(
        ("without", "message"), [(("scoliosis",), "no study shows scoliosis"), (("mass",), "no study is left")]
    )
    def test_a_finding_that_cannot_be_left_out_is_told(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], message: str
    ) -> None:
        monkeypatch.setattr(loop.StudyDataset, "finding_names", lambda studies: [{"mass"}] * len(studies))
        with pytest.raises(InputError, match=message):
            pretrain(with_data(small_config(data), without=without))

    def test_mixed_precision_is_close_to_full(self, data: Path, home: Path, uninterrupted: Run) -> None:
        run = pretrain(small_config(data, precision="bf16-mixed"))
        first, expected = run.log()[0]["loss"], uninterrupted.log()[0]["loss"]
        assert first != expected
        assert first == pytest.approx(expected, rel=0.02)
        assert all(value.dtype != torch.bfloat16 for value in weights(run).values())

    @pytest.mark.slow
    def test_two_processes_train_as_one(self, data: Path, tmp_path: Path) -> None:
        # Linear heads: batch normalisation would see half a batch.
        options = {"head": "linear", "epochs": 2}
        alone = in_new_home(tmp_path / "alone", lambda: pretrain(small_config(data, **options), accelerator="cpu"))
        script = script_that_trains(tmp_path, data, "devices=2, accelerator='cpu', progress=False", **options)
        environment = os.environ | {"CXRTUTOR_HOME": str(tmp_path / "both")}
        subprocess.run([sys.executable, script], env=environment, check=True, timeout=240)
        both = in_new_home(tmp_path / "both", lambda: Run.open(run_folder(small_config(data, **options))))
        assert both.log()[0]["loss"] == pytest.approx(alone.log()[0]["loss"], abs=1e-5)
        np.testing.assert_allclose(np.concatenate(curve(both)), np.concatenate(curve(alone)), rtol=1e-3)


def fresh(data: Path) -> tuple[loop.Training, loop.Pairs]:
    """An untrained model with encoders to be trained, without dropout and with batch statistics that stand still."""
    config = small_config(data, trainable=True, head="linear")
    torch.manual_seed(0)
    training = loop.Training(method(config.method).model(config), method(config.method).objective(config)).eval()
    return training, loop.Pairs.of(training.model, loop.open_studies(str(data), "train"))


def gradients(training: torch.nn.Module, module: torch.nn.Module, inputs: Any) -> dict[str, torch.Tensor]:
    """Of all parameters, after one backward pass through `module`, which is or wraps `training`."""
    module(*inputs)["loss"].backward()
    return {name: parameter.grad for name, parameter in training.named_parameters()}


def gradients_in_one_of_two(rank: int, data: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    use_small_text_encoder(pytest.MonkeyPatch())
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    training, pairs = fresh(data)
    module = torch.nn.parallel.DistributedDataParallel(training)
    torch.save(gradients(training, module, pairs.batch(np.arange(8)[rank::2])), folder / f"{rank}.pt")
    dist.destroy_process_group()


class TestTrainedEncoders:
    def test_what_they_take_goes_into_the_trained_module(self, data: Path, home: Path) -> None:
        training, pairs = fresh(data)
        images, texts = pairs.batch(np.arange(3))
        assert images.shape == (3, 1, 64, 64) and all(isinstance(text, str) for report in texts for text in report)
        features = pairs.images.batch(np.arange(3)), pairs.texts.batch(np.arange(3))
        expected = training.objective(training.model(*features)).loss
        assert training(images, texts)["loss"] == expected == training(*map(vars, features))["loss"]

    def test_mixed_precision_reaches_them_and_so_do_gradients(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mixed: dict[str, set[bool]] = {"image": set(), "text": set()}
        for kind, part in (("image", ImageEncoder), ("text", TextEncoder)):
            original = part.forward

            def forward(encoder: Any, *given: Any, original: Any = original, kind: str = kind) -> Any:
                if encoder.training:
                    mixed[kind].add(torch.is_autocast_enabled("cpu"))
                return original(encoder, *given)

            monkeypatch.setattr(part, "forward", forward)
        config = small_config(data, trainable=True, precision="bf16-mixed", epochs=1)
        trained = weights(pretrain(config, accelerator="cpu"))
        assert mixed == {"image": {True}, "text": {True}}
        untrained = method(config.method).model(config).state_dict()
        for name in (
            "image_encoder.network.conv_stem.weight",
            "text_encoder.network.embeddings.word_embeddings.weight",
        ):
            assert trained[name].dtype == torch.float32
            assert not torch.equal(trained[name], untrained[name]), name

    @pytest.mark.slow
    def test_two_processes_give_them_the_gradient_of_one(self, data: Path, tmp_path: Path) -> None:
        training, pairs = fresh(data)
        expected = gradients(training, training, pairs.batch(np.arange(8)))
        assert all(gradient is not None for gradient in expected.values())
        mp.spawn(gradients_in_one_of_two, args=(data, tmp_path), nprocs=2)
        for part in ("model.image_encoder", "model.text_encoder"):
            whole = {name: gradient for name, gradient in expected.items() if name.startswith(part)}
            largest = max(gradient.abs().max().item() for gradient in whole.values())
            # Those of the attention's key biases are zero but for rounding.
            clear = {name: gradient for name, gradient in whole.items() if gradient.abs().max() > 1e-5 * largest}
            assert len(clear) > 0.8 * len(whole)
            for rank in range(2):
                found = torch.load(tmp_path / f"{rank}.pt")
                for name, gradient in clear.items():
                    off = (found[name] - gradient).norm() / gradient.norm()
                    # Rounding grows through the layers, by half a percent in the first; a lost part would be half.
                    assert off < 0.05, (name, off)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is full: the operating system refuses to write more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestRefusals:
    def test_a_loss_that_is_no_number_stops_the_run(self, data: Path, home: Path) -> None:
        config = small_config(data, learning_rate=1e30, clip_norm=None)
        with pytest.raises(FloatingPointError, match=r"became (nan|inf) at step \d+\. Lower .*learning_rate"):
            pretrain(config)
        assert not Run(run_folder(config)).finished

    def test_an_unknown_key_of_the_method_is_named_before_anything_is_written(self, data: Path, home: Path) -> None:
        config = small_config(data).model_copy(update={"alignment": {"temprature": 1}})
        with pytest.raises(InputError, match="temprature: unknown key; did you mean 'temperature'"):
            pretrain(config)
        assert not home.exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"accelerator": "abacus"}, "invalid accelerator name"),
            ({"accelerator": "cpu", "devices": 0}, "with 0 devices cannot be used here"),
        ],
    )
    def test_a_device_that_is_not_there_is_named(
        self, data: Path, home: Path, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            pretrain(small_config(data), **options)

    def test_a_set_without_validation_studies_says_so(self, tmp_path: Path, home: Path) -> None:
        folder = small_set(tmp_path / "set", {"train": 8})
        with pytest.raises(InputError, match="no split 'validation'"):
            pretrain(small_config(folder))

    def test_a_cache_folder_that_cannot_be_made_is_named(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "file" / "home"))
        with pytest.raises(InputError, match=r"Cannot write .*file/home.*set CXRTUTOR_HOME"):
            pretrain(small_config(data))

    def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room(
        self, data: Path, home: Path, uninterrupted: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):  # features are cached, one checkpoint is written
            stop_at(patch, 3, "step")
            pretrain(config, checkpoint_every=3)
        with (
            files_no_larger_than(10_000),
            pytest.raises(InputError, match=r"Cannot write .*checkpoint/step-6: File too"),
        ):
            pretrain(config, checkpoint_every=3)
        with files_no_larger_than(10_000), pytest.raises(InputError, match=r"Cannot write .*model: File too large"):
            pretrain(config)
        assert_same_run(pretrain(config, checkpoint_every=3), uninterrupted)

    def test_a_damaged_checkpoint_costs_steps_and_two_are_named(
        self,
        data: Path,
        home: Path,
        uninterrupted: Run,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, 4, "step")
            pretrain(config, checkpoint_every=2)
        checkpoints = run_folder(config) / "checkpoint"
        (checkpoints / "step-4" / "weights.safetensors").write_bytes(b"")
        kept = shutil.copytree(checkpoints, home / "kept")
        assert_same_run(pretrain(config, checkpoint_every=2), uninterrupted)
        assert "checkpoint/step-4 cannot be used" in capsys.readouterr().err

        shutil.rmtree(run_folder(config))
        shutil.copytree(kept, checkpoints)
        (checkpoints / "step-2" / "state.json").unlink()
        with pytest.raises(InputError, match=r"checkpoint/step-4 cannot be resumed from .* Delete .*/checkpoint to"):
            pretrain(config)
        shutil.rmtree(checkpoints)  # as the message says
        assert_same_run(pretrain(config), uninterrupted)
