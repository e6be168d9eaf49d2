"""The built site, and the small book on which the extensions are tried out, built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from built_site import INDEX, SITE
from chromium import missing, served
from small_book import build, notebook

START = """\
# A heat map to start with

The code of a heat map, or of two heat maps: each answers a prompt. `A region` and a [region](words.md) stay as they
are, but the next region does not; Feature-maps begin a sentence. A preheat map is no word, a level has two meanings.

[The cell that answers](chapters/try.ipynb#answers-a10), and [another](chapters/try.ipynb#answers-l1).

Read chapter 07 first, or chapters 07 and 09; `chapter 07` in code is code, and 07 alone a number.
"""

LATER = """\
# Later

Chapter 07 is this one.
"""

TRY = notebook(
    "# Try it",
    ("print(6 * 7)", ["answers-a10", "answers-l1"]),
    ("print(6 * 9)", ["answers-a10"]),
    "print(6 * 8, 'in a region')",
    ("print(6 * 3)", ["hide-input"]),
    "# More\n\n```{admonition} Folded\n:class: dropdown\nFor those who look.\n```",
)

WORDS = """\
# Words

```{glossary}
code
  What an everyday word is not explained by.

feature map
  A grid of regions.

heat map
  A *value* for
  every "pixel" < 1.

level
  A depth.

prompt, query
  What is asked.

region
  A cell of a heat map.

window, level
  A range of greys.
```
"""


@pytest.fixture(scope="session")
def small_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a book that was built strictly; its site lies in `_build/html`."""
    folder = tmp_path_factory.mktemp("book")
    pages = {"start.md": START, "chapters/try.ipynb": TRY, "chapters/07-later.md": LATER, "words.md": WORDS}
    built = build(folder, pages)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Every page of the built site; `index.html` is none, but sends the reader on to the first."""
    if not INDEX.exists():
        missing("The site is not built: make book")
    return sorted(page for page in SITE.rglob("*.html") if page != INDEX and "_static" not in page.parts)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of the site."""
    with served(SITE) as address:
        yield address
