"""Write wheels.txt: every package of the tested set but PyTorch, for all systems, with the hashes of its files.

    python -m pip install uv
    python data_scripts/list_wheels.py

Run it when requirements.txt has changed; a test says so. It asks the package index, and takes seconds.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "wheels.txt"
INSTALLS_THE_BOOK = ("hatchling", "editables")
"""What `pip install -e .` fetches for itself otherwise."""

PYTORCH = re.compile(r"(torch|torchvision|triton|cuda-[\w-]+|nvidia-(?!ml-py)[\w-]+)==")
"""PyTorch, and what its builds for NVIDIA's cards bring."""

HEADER = """\
# Every package of the tested set (requirements.txt) and what these need, with the hashes of their files: for Linux,
# macOS and Windows, on Python 3.11 and newer. PyTorch is not among them: its builds are for kinds of machines.
# Written by data_scripts/list_wheels.py.
"""


def main() -> None:
    """Ask uv, which resolves for all systems at once, and leave PyTorch out of its answer."""
    command = ["uv", "pip", "compile", "requirements.txt", "-", "--universal", "--generate-hashes"]
    options = ["--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"]
    wanted = "\n".join(INSTALLS_THE_BOOK)
    answer = subprocess.run([*command, *options], input=wanted, cwd=ROOT, check=True, capture_output=True, text=True)
    packages = re.split(r"^(?=[a-z0-9])", answer.stdout, flags=re.MULTILINE)
    LIST.write_text(HEADER + "".join(package for package in packages if not PYTORCH.match(package)))


if __name__ == "__main__":
    main()
