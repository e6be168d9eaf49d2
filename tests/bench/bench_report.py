"""What the benches measured, as one page that needs no other file."""

from __future__ import annotations

import base64
import io
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure

from cxrtutor import __version__, store

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Benches of cxrtutor</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }}
th, td {{ padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884 }}
th:first-child {{ text-align: left }}
img {{ max-width: 100%; border-radius: 6px }}
</style>
<h1>How fast, and how small?</h1>
<p>{about}</p>
{sections}
</html>
"""


@dataclass
class Report:
    """Sections in the order in which the benches added them."""

    sections: list[str] = field(default_factory=list)

    def add(self, title: str, text: str, *shown: pd.DataFrame | Figure) -> None:
        """A section: a title, a paragraph, and tables or figures."""
        parts = [f"<h2>{escape(title)}</h2>", f"<p>{escape(text)}</p>", *map(_html, shown)]
        self.sections.append("\n".join(parts))

    def write(self, path: Path) -> None:
        about = (
            f"cxrtutor {__version__}, {datetime.now(UTC).date().isoformat()}. PyTorch {torch.__version__} "
            f"({torch.backends.cpu.get_cpu_capability()}), Python {platform.python_version()}, {_processor()}. "
            "One thread throughout; times are the least processor seconds of several turns, forward and backward."
        )
        store.write_file(path, PAGE.format(about=escape(about), sections="\n".join(self.sections)))


def _html(shown: pd.DataFrame | Figure) -> str:
    if isinstance(shown, pd.DataFrame):
        return shown.to_html(border=0)
    picture = io.BytesIO()
    shown.savefig(picture, format="png")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}">'


def _processor() -> str:
    """The processor's name, where the system tells."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
