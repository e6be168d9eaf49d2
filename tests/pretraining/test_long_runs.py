"""Whatever happens to a run's processes, it ends as if nothing had: killed, asked to stop, taken up by more or fewer.

The processes are forked from one that has everything imported (multiprocessing's fork server), so that each begins in
an instant, as a training that takes days does beside its length.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from interruptions import weights
from small_runs import STEPS, recipe, small_config, use_small_text_encoder

from cxrtutor.errors import STOPPED, StoppedError
from cxrtutor.pretraining import checkpoint, loop
from cxrtutor.pretraining.launchers import fabric
from cxrtutor.pretraining.loop import pretrain, run_folder
from cxrtutor.pretraining.metering import Meter
from cxrtutor.pretraining.run import Run
from cxrtutor.pretraining.stopping import stop_request

ROOT = Path(__file__).parents[2]
KILLS = 10
SHARES: dict[str, Any] = {"head": "linear", "epochs": 2}
"""A run that any number of processes can share to the same numbers: batch normalisation would see parts of batches."""


@pytest.fixture(scope="module")
def server() -> mp.context.ForkServerContext:
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["cxrtutor.pretraining.loop", "cxrtutor.methods.lsm", "timm", "transformers"])
    return context


def train(data: Path, home: Path, environment: dict[str, str], options: dict[str, Any], **how: Any) -> None:
    """What a process of its own does: train the small run."""
    os.environ.update(environment, CXRTUTOR_HOME=str(home))
    torch.set_num_threads(1)
    use_small_text_encoder(pytest.MonkeyPatch())
    if how.pop("slowly", False):
        quick = loop._Trainer._step
        loop._Trainer._step = lambda *given: (time.sleep(0.1), quick(*given))[1]
    if (killed_in := how.pop("killed_in", None)) is not None:
        _kill_in(*killed_in)
    try:
        pretrain(small_config(data, **options), accelerator="cpu", progress=False, **how)
    except StoppedError:
        sys.exit(STOPPED)


def _kill_in(writes: int, saves: int) -> None:
    """Let the process die by its own hand after so many files of the checkpoint after so many."""
    written, original = 0, Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        nonlocal written
        if path.parent.name.startswith(".step-"):
            if written == 3 * saves + writes:
                os.kill(os.getpid(), signal.SIGKILL)
            written += 1
        return original(path, content)

    Path.write_bytes = write_bytes


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def training(
    server: mp.context.ForkServerContext, data: Path, home: Path, world: int = 1, nodes: int = 1, **given: Any
) -> Iterator[list[BaseProcess]]:
    """Processes that train one run together, as `torchrun` would start them; none is left behind."""
    options = given.pop("options", {})
    port, processes = free_port(), []
    for rank in range(world):
        each = world // nodes
        told = {
            "TORCHELASTIC_RUN_ID": "test",
            "WORLD_SIZE": world,
            "RANK": rank,
            "LOCAL_WORLD_SIZE": each,
            "LOCAL_RANK": rank % each,
            "GROUP_RANK": rank // each,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        environment = {name: str(value) for name, value in told.items()} if world > 1 else {}
        processes.append(server.Process(target=train, args=(data, home, environment, options), kwargs=given))
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


def until(happened: Callable[[], bool], process: BaseProcess, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)


def run_in(home: Path, data: Path, **options: Any) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRTUTOR_HOME", str(home))
        return Run(run_folder(small_config(data, **options)))


def steps_logged(run: Run) -> int:
    return run.log_path.read_text().count("\n") if run.log_path.is_file() else 0


def trained(server: mp.context.ForkServerContext, data: Path, home: Path, **given: Any) -> Run:
    """The run, trained to its end."""
    with training(server, data, home, **given) as processes:
        for process in processes:
            process.join(240)
            assert process.exitcode == 0
    return run_in(home, data, **given.get("options", {}))


def assert_same_weights(found: Run, expected: Run, tolerance: float = 0.0) -> None:
    ours, theirs = weights(found), weights(expected)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def undisturbed(
    server: mp.context.ForkServerContext, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, float]:
    """The run of one process from nothing, and how many seconds it took."""
    trained(server, data, tmp_path_factory.mktemp("home"))  # the first one waits for the server's imports
    began = time.monotonic()
    run = trained(server, data, tmp_path_factory.mktemp("home"))
    return run, time.monotonic() - began


@pytest.mark.slow
class TestKilled:
    def test_ten_times_at_random_it_ends_with_the_very_same_weights(
        self, server: mp.context.ForkServerContext, data: Path, tmp_path: Path, undisturbed: tuple[Run, float]
    ) -> None:
        expected, seconds = undisturbed
        draw = np.random.default_rng(0)
        homes, killed = 0, []
        while len(killed) < KILLS:
            home = tmp_path / f"home-{homes}"
            run = run_in(home, data)
            reached = steps_logged(run) + draw.integers(0, 3)  # a clock alone may kill every one before its first step
            with training(server, data, home, checkpoint_every=1) as (process,):
                while process.is_alive() and steps_logged(run) < reached:
                    time.sleep(0.001)
                process.join(draw.uniform(0, seconds / 2))
                if process.is_alive():
                    process.kill()
                    process.join()
                    killed.append(steps_logged(run))
                else:  # it came to its end in between; another one takes the kills that are left
                    assert_same_weights(run, expected)
                    homes += 1
        print("killed after steps", killed)
        assert len(set(killed)) > 2
        assert_same_weights(trained(server, data, home, checkpoint_every=1), expected)

    @pytest.mark.parametrize("writes", [0, 1, 2])
    def test_in_the_midst_of_writing_a_checkpoint(
        self,
        server: mp.context.ForkServerContext,
        data: Path,
        tmp_path: Path,
        undisturbed: tuple[Run, float],
        writes: int,
    ) -> None:
        with training(server, data, tmp_path, checkpoint_every=2, killed_in=(writes, 2)) as (process,):
            process.join(120)
            assert process.exitcode == -signal.SIGKILL
        checkpoints = run_in(tmp_path, data).folder / "checkpoint"
        assert {path.name for path in checkpoints.glob("step-*")} == {"step-2", "step-4"}
        assert len(list(checkpoints.glob(".step-6-*"))) == 1
        assert_same_weights(trained(server, data, tmp_path, checkpoint_every=2), undisturbed[0])


@pytest.mark.slow
class TestAskedToStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
    def test_it_saves_the_step_that_is_under_way(
        self,
        server: mp.context.ForkServerContext,
        data: Path,
        tmp_path: Path,
        undisturbed: tuple[Run, float],
        number: signal.Signals,
    ) -> None:
        run = run_in(tmp_path, data)
        with training(server, data, tmp_path, checkpoint_every=1000, slowly=True) as (process,):
            until(lambda: steps_logged(run) >= 2, process)
            os.kill(process.pid, number)
            process.join(60)
            assert process.exitcode == STOPPED
        done = steps_logged(run)
        assert 2 <= done < STEPS and not run.finished
        assert [path.name for path in (run.folder / "checkpoint").iterdir()] == [f"step-{done}"]
        assert_same_weights(trained(server, data, tmp_path), undisturbed[0])
        starts = [json.loads(line) for line in (run.folder / "starts.jsonl").read_text().splitlines()]
        assert [start["from_step"] for start in starts] == [0, done]

    def test_one_of_several_processes_stops_all(
        self, server: mp.context.ForkServerContext, data: Path, tmp_path: Path
    ) -> None:
        run = run_in(tmp_path, data, **SHARES)
        given = {"world": 2, "nodes": 2, "options": SHARES, "slowly": True, "checkpoint_every": 1000}
        with training(server, data, tmp_path, **given) as processes:
            until(lambda: steps_logged(run) >= 1, processes[0])
            os.kill(processes[1].pid, signal.SIGTERM)
            for process in processes:
                process.join(60)
                assert process.exitcode == STOPPED
        assert [path.name for path in (run.folder / "checkpoint").iterdir()] == [f"step-{steps_logged(run)}"]


@pytest.mark.slow
class TestOtherProcesses:
    def test_one_then_two_then_one_end_as_one(
        self, server: mp.context.ForkServerContext, data: Path, tmp_path: Path
    ) -> None:
        alone = trained(server, data, tmp_path / "alone", options=SHARES)
        run, home = run_in(tmp_path, data, **SHARES), tmp_path
        for world in (1, 2):
            before = steps_logged(run)
            given = {"world": world, "options": SHARES, "slowly": True}
            with training(server, data, home, **given) as processes:
                until(lambda before=before: steps_logged(run) > before, processes[0])
                os.kill(processes[0].pid, signal.SIGTERM)
                for process in processes:
                    process.join(60)
                    assert process.exitcode == STOPPED
            assert before < steps_logged(run) < STEPS // 2
        assert_same_weights(trained(server, data, home, options=SHARES), alone, tolerance=1e-5)
        changed = [json.loads(line)["changed"] for line in (run.folder / "starts.jsonl").read_text().splitlines()]
        assert [change.get("processes") for change in changed] == [None, 2, None]

    def test_machines_that_do_not_share_the_folder_are_told(
        self, server: mp.context.ForkServerContext, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The first process broadcasts step 4; this one, alone here, has found nothing.
        original = loop._Trainer._resume
        monkeypatch.setattr(
            loop._Trainer,
            "_resume",
            lambda it: (monkeypatch.setattr(it.fabric, "broadcast", lambda _: 4), original(it))[1],
        )
        with pytest.raises(loop.InputError, match=r"goes on from step 4, and process 0 finds no checkpoint in .*HOME"):
            pretrain(small_config(data))


def test_a_checkpoint_after_minutes(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(loop, "save_checkpoint", lambda folder, step, *_: saved.append(step))
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    original = loop._Trainer._step
    monkeypatch.setattr(loop._Trainer, "_step", lambda *given: (now.__setitem__(0, now[0] + 50), original(*given))[1])
    pretrain(small_config(data), checkpoint_every=1000, checkpoint_minutes=2.5)
    assert saved == [3, 6, 9]  # the twelfth is the last


def test_asking_every_step_costs_less_than_a_millisecond() -> None:
    alone, meter = fabric("cpu", 1, 1, "32-true"), Meter(torch.device("cpu"))
    clock = checkpoint.CheckpointClock(10**9, 10.0)
    with stop_request() as stop, stop.at_next_step():
        began = time.perf_counter()
        for step in range(1, 1001):
            meter.start()
            meter.stop(64)
            assert not stop.of_any_process(alone) and not clock.due(step)
    assert (time.perf_counter() - began) / 1000 < 1e-3


def test_a_loss_that_is_no_number_names_its_studies(data: Path, home: Path) -> None:
    config = small_config(data, learning_rate=1e30, clip_norm=None)
    with pytest.raises(FloatingPointError, match=r"studies of this batch: train-\d+, .* and 3 more \(all: ") as error:
        pretrain(config)
    run = Run(run_folder(config))
    told = json.loads(run.stopped_path.read_text())
    [what] = {"loss", "gradient's norm"} & told.keys()
    assert told[what] in ("nan", "inf") and told["step"] == steps_logged(run) + 1
    assert len(set(told["studies"])) == 8 and {study.split("-")[0] for study in told["studies"]} == {"train"}
    assert ", ".join(told["studies"][:5]) in str(error.value)
    order = np.random.default_rng([config.seed, (told["step"] - 1) // 3]).permutation(24)
    first = 8 * ((told["step"] - 1) % 3)
    assert told["studies"] == [f"train-{index}" for index in order[first : first + 8]]
    assert {"global/image_to_text", "sentence/image_to_text"} < told.keys()
    # Where it is taken up again, it has not stopped.
    with pytest.raises(FloatingPointError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Trainer, "_no_number", lambda *_: str(run.stopped_path.exists()))
        pretrain(config)
    assert not run.stopped_path.exists()


def test_a_gradient_that_is_no_number_changes_no_weight(
    data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    align, seen = loop._Trainer._align, []

    def spoilt(trainer: Any, *given: Any) -> dict[str, Any]:
        alignment = align(trainer, *given)
        weight = next(each for each in trainer.plain.parameters() if each.requires_grad)
        seen[:] = [weight]
        # Adds nothing to the loss; a root is infinitely steep at 0.
        return alignment | {"loss": alignment["loss"] + (weight - weight.detach()).abs().sqrt().sum()}

    monkeypatch.setattr(loop._Trainer, "_align", spoilt)
    with pytest.raises(FloatingPointError, match=r"The gradient's norm became nan at step 1\. .*of this batch: train-"):
        pretrain(small_config(data, clip_norm=None))
    assert seen[0].isfinite().all()


@pytest.fixture
def whole_config(data: Path, tmp_path: Path) -> Path:
    """A recipe whose text encoder needs no stand-in, for programs that know nothing of tests."""
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(recipe(data, epochs=1)))
    return path


def program(*command: Any, home: Path, seconds: float = 120, **environment: str) -> tuple[int, str, str]:
    """Status, output and errors of a program; none of its processes outlives it."""
    told = os.environ | {"CXRTUTOR_HOME": str(home), "OMP_NUM_THREADS": "1"} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, env=told, start_new_session=True, **pipes) as started:
        try:
            out, errors = started.communicate(timeout=seconds)
            return started.returncode, out, errors
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def beside_python(name: str) -> Path:
    return Path(sys.executable).with_name(name)


@pytest.mark.slow
class TestLaunchers:
    def test_torchrun_and_fabric_run_start_two(self, whole_config: Path, tmp_path: Path) -> None:
        wanted = ["pretrain", whole_config, "--json"]
        torchrun = [beside_python("torchrun"), "--standalone", "--nproc-per-node=2", "-m", "cxrtutor"]
        fabric_run = [beside_python("fabric"), "run", "--accelerator=cpu", "--devices=2", beside_python("cxrtutor")]
        ended = [
            program(*torchrun, *wanted, "--accelerator=cpu", home=tmp_path / "torchrun"),
            program(*fabric_run, *wanted, home=tmp_path / "fabric"),
        ]
        assert [status for status, *_ in ended] == [0, 0], ended
        first, second = (json.loads(out) for _, out, _ in ended)  # one process speaks
        assert first["loss"] == second["loss"]
        for answer in (first, second):
            assert json.loads((Path(answer["folder"]) / "environment.json").read_text())["processes"] == 2


SRUN = f"""#!{sys.executable}
# Stands in for Slurm's: two machines with one task each, which are this one; the options of srun go by the board. What
# both tasks import is imported once, before they are forked.
import os, runpy, sys

while sys.argv[1].startswith("--"):
    del sys.argv[1]
python, flag, module = sys.argv[1:4]
assert (python, flag) == (sys.executable, "-m")
del sys.argv[1:4]
import cxrtutor.pretraining.loop, timm, transformers.models.bert.modeling_bert

tasks = []
for rank in "01":
    if not (task := os.fork()):
        os.environ.update(SLURM_PROCID=rank, SLURM_NODEID=rank, SLURM_LOCALID="0", SLURM_STEP_ID="0")
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        sys.exit()
    tasks.append(task)
with open(os.environ["STAND_IN"] + "/tasks", "a") as file:
    print(*tasks, file=file)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(task, 0)[1]) for task in tasks))
"""


@pytest.mark.slow
class TestSlurm:
    SCRIPT = ROOT / "configs" / "slurm" / "pretrain.sh"

    @pytest.fixture
    def cluster(self, tmp_path: Path) -> dict[str, str]:
        """What Slurm tells a job of two machines, and its programs; `scontrol` writes down what it is asked."""
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, text in {"srun": SRUN, "scontrol": '#!/bin/bash\necho "$@" >> "$STAND_IN/asked"\n'}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        told = {"JOB_ID": "4711", "JOB_NAME": "cxrtutor", "NNODES": "2", "NTASKS": "2", "NTASKS_PER_NODE": "1"}
        return {f"SLURM_{name}": value for name, value in told.items()} | {
            "SLURM_NODELIST": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "STAND_IN": str(folder),
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
        }

    def test_it_is_a_script(self) -> None:
        assert subprocess.run(["bash", "-n", self.SCRIPT]).returncode == 0
        asked = [line.split("#")[1] for line in self.SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
        assert all(line.split()[1].startswith("--") for line in asked) and len(asked) > 5
        assert os.access(self.SCRIPT, os.X_OK)

    def test_a_job_that_is_warned_saves_and_is_queued_again(
        self, data: Path, tmp_path: Path, home: Path, cluster: dict[str, str]
    ) -> None:
        recipe_of_many_steps = tmp_path / "many.yaml"
        recipe_of_many_steps.write_text(yaml.safe_dump(recipe(data, epochs=12)))
        job = [self.SCRIPT, recipe_of_many_steps, "--accelerator=cpu", "--checkpoint-every=1000", "--json"]
        tasks, asked = (Path(cluster["STAND_IN"]) / name for name in ("tasks", "asked"))

        def warn() -> None:
            while not any(home.glob("runs/*/log.jsonl")) or not next(home.glob("runs/*/log.jsonl")).stat().st_size:
                time.sleep(0.02)
            for task in tasks.read_text().split():
                os.kill(int(task), signal.SIGUSR1)

        warning = threading.Thread(target=warn, daemon=True)
        warning.start()
        status, out, errors = program(*job, home=home, **cluster)
        assert (status, out) == (STOPPED, ""), errors
        assert errors.count("Stopped by SIGUSR1 after step ") == 1
        assert asked.read_text() == "requeue 4711\n"
        (saved,) = home.glob("runs/*/checkpoint/step-*")

        status, out, errors = program(*job, home=home, **cluster)
        assert status == 0, errors
        assert json.loads(out)["step"] == 36
        starts = (Path(json.loads(out)["folder"]) / "starts.jsonl").read_text().splitlines()
        assert [json.loads(start)["from_step"] for start in starts] == [0, int(saved.name.removeprefix("step-"))]
        assert asked.read_text() == "requeue 4711\n"  # what has ended is not queued again
