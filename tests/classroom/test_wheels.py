"""The list of packages with hashes: it is of the tested set, whole, and pip holds to it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = re.findall(
    r"^([\w.-]+)==(\S+)(.*(?:\n +--hash=sha256:[0-9a-f]{64}.*)+)", (ROOT / "wheels.txt").read_text(), re.M
)
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))


def test_the_list_has_every_package_of_the_tested_set_but_pytorch_at_the_same_version():
    listed = {name: version for name, version, _ in LISTED}
    pinned = {name.lower(): version for name, version in PINNED.items()}
    assert {name: listed.get(name) for name in pinned} == pinned | {"torch": None, "torchvision": None}, (
        "requirements.txt has changed: run data_scripts/list_wheels.py"
    )


def test_nothing_of_pytorch_or_its_libraries_is_listed_but_what_it_needs_besides_is():
    names = {name for name, _, _ in LISTED}
    assert not {name for name in names if re.match(r"torch(vision)?$|triton|cuda|nvidia-(?!ml-py)", name)}
    assert names >= {"sympy", "networkx", "jinja2", "fsspec", "filelock", "hatchling", "editables"}


def test_every_package_has_hashes():
    assert len(LISTED) == len(re.findall(r"^[\w.-]+==", (ROOT / "wheels.txt").read_text(), re.M)) > 200


def tiny_wheel(folder: Path) -> Path:
    """A wheel with one module."""
    folder.mkdir()
    about = "tiny-1.0.dist-info"
    content = {
        "tiny.py": "ANSWER = 42\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in content.items()}
    lines = [f"{name},sha256={base64.urlsafe_b64encode(d).decode().rstrip('=')}," for name, d in digests.items()]
    with zipfile.ZipFile(wheel := folder / "tiny-1.0-py3-none-any.whl", "w") as file:
        for name, text in {**content, f"{about}/RECORD": "\n".join([*lines, f"{about}/RECORD,,"])}.items():
            file.writestr(name, text)
    return wheel


@pytest.mark.parametrize("whole", [True, False])
def test_wheels_that_were_fetched_install_offline_and_only_if_they_are_the_listed_ones(whole, tmp_path):
    """With the command of book/teaching/class-of-forty.md, on a list of one package."""
    wheel = tiny_wheel(tmp_path / "wheels")
    (tmp_path / "wheels.txt").write_text(
        f"tiny==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    if not whole:
        wheel.write_bytes(wheel.read_bytes() + b" ")
    page = (ROOT / "book" / "teaching" / "class-of-forty.md").read_text()
    [options] = re.findall(r"-m pip install (.*--require-hashes.*--find-links.*)$", page, re.M)
    command = [sys.executable, "-m", "pip", "install", *options.split(), "--target", "installed"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode == 0) == (tmp_path / "installed" / "tiny.py").is_file() == whole, ended.stderr
    assert whole or "THESE PACKAGES DO NOT MATCH THE HASHES" in ended.stderr
