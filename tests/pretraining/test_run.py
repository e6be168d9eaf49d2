"""A run is a folder; one that is missing or unfinished says what to do, and a log survives a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import small_config

from cxrtutor.errors import InputError
from cxrtutor.pretraining.run import Log, Run


def test_where_there_is_no_run_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no run\. `cxrtutor pretrain CONFIG` prints the folder"):
        Run.open(tmp_path / "nowhere")


def test_an_unfinished_run_is_to_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="unfinished; pre-train again with the same configuration to resume it"):
        Run.open(tmp_path)


def test_a_finished_run_gives_its_configuration_and_result(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config.model_dump()))
    (tmp_path / "result.json").write_text('{"step": 3}')
    run = Run.open(str(tmp_path))
    assert run.config == config
    assert run.result == {"step": 3}


def test_a_configuration_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"method": "lsm", "sede": 1}')
    with pytest.raises(InputError, match=r"config\.json[\s\S]*sede: unknown key; did you mean 'seed'"):
        _ = Run(tmp_path).config


@given(steps=st.integers(0, 9), keep=st.integers(0, 9), half=st.integers(0, 40))
def test_a_log_is_cut_back_to_the_step_it_goes_on_from(
    tmp_path_factory: pytest.TempPathFactory, steps: int, keep: int, half: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    entries = [{"step": step, "seconds": float(step), "loss": 1 / step} for step in range(1, steps + 1)]
    path.write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries) + json.dumps({"step": steps + 1})[:half][:-1]
    )
    log = Log(path, keep_to_step=keep)
    assert log.seconds == min(keep, steps)
    log.write(step=keep + 1, seconds=99.5, loss=2.0)
    log.close()
    assert Run(path.parent).log() == [*entries[:keep], {"step": keep + 1, "seconds": 99.5, "loss": 2.0}]


def test_an_entry_is_on_the_disk_at_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl", keep_to_step=0)
    log.write(step=1, loss=0.1)
    assert Run(tmp_path).log() == [{"step": 1, "loss": 0.1}]
    log.close()
