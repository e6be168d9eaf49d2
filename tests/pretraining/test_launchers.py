"""How many processes share a run: as many as are asked for, or as a launcher has started."""

from __future__ import annotations

import pytest

from cxrtutor.errors import InputError
from cxrtutor.pretraining.launchers import Processes, fabric, processes

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
SLURM = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "pretrain"}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SLURM):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, (1, 1)),
        (TORCHRUN, (4, 2)),
        (SLURM, (4, 2)),
        (SLURM | TORCHRUN | {"WORLD_SIZE": "4"}, (4, 1)),  # torchrun within a job: it is asked first
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, (1, 1)),
        ({name: value for name, value in SLURM.items() if name != "SLURM_STEP_ID"}, (1, 1)),  # a script without srun
    ],
)
def test_a_launcher_says_how_many(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str], expected: tuple[int, int]
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert processes(None, None) == Processes(*expected)
    assert processes(*expected) == Processes(*expected)


def test_without_a_launcher_what_is_asked_for_counts() -> None:
    assert processes(3, None) == Processes(3, 1)
    assert processes(3, 2) == Processes(3, 2)


@pytest.mark.parametrize("asked", [(2, None), (None, 1), (8, 1)])
def test_a_launcher_is_not_contradicted(monkeypatch: pytest.MonkeyPatch, asked: tuple[int | None, int | None]) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"torchrun has started 4 processes on each of 2 machines.* Leave --devices"):
        processes(*asked)


def test_fabric_is_of_what_is_asked_for() -> None:
    found = fabric("cpu", 2, None, "bf16-mixed")
    assert found.world_size == 2 and found.device.type == "cpu"
    with pytest.raises(InputError, match="cannot be used here"):
        fabric("cpu", 0, None, "32-true")
