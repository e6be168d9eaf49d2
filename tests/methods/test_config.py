"""A configuration is checked key by key, and its messages say where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig, load_config
from cxrtutor.methods.registry import METHODS, method

RECIPES = sorted(path for kind in ("teaching", "paper") for path in Path("configs", kind).glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recipe_in_the_repository_is_valid_down_to_its_alignment(path: Path) -> None:
    config = load_config(path)
    assert method(config.method).objective(config) is not None


def test_changes_replace_values_by_dotted_key(tmp_path: Path) -> None:
    path = write(tmp_path, "method: lsm\noptimization: {epochs: 3}\n")
    config = load_config(path, {"optimization.epochs": 1, "model.projection.dim": 64})
    assert (config.optimization.epochs, config.model.projection.dim) == (1, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: lsm\noptimization: {epoch: 3}\n", "optimization.epoch: unknown key; did you mean 'epochs'?"),
        (
            "method: lsm\nmodel: {projection: {width: 3}}\n",
            "model.projection.width: unknown key; known keys: dim, head",
        ),
        ("method: lsm\noptimization: {epochs: 0}\n", "optimization.epochs: Input should be greater than 0 (it is 0)"),
        ("seed: 1\n", "method: Field required"),
        ("- method\n", "must hold `key: value` lines"),
        ("method: [\n", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(write(tmp_path, text))
    assert message in str(error.value)
    assert "run.yaml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no configuration at .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_method_checks_its_own_alignment_settings() -> None:
    config = RunConfig(method="lsm", alignment={"temprature": 0.2})
    with pytest.raises(
        InputError, match=r"`alignment` of method 'lsm'[\s\S]*temprature: unknown key; did you mean 'temp"
    ):
        method("lsm").objective(config)


def test_an_unknown_method_lists_those_there_are() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'lsm'\? The methods are: convirt, gloria, lsm, afloc"):
        method("lms")


def test_names_in_the_registry_are_those_of_the_methods() -> None:
    assert all(name == entry.name for name, entry in METHODS.items())
