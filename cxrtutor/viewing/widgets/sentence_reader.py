"""A sentence in the reader's hand, and what the rules of `cxrtutor.data.mentions` make of it."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from cxrtutor.data.mentions import rules
from cxrtutor.viewing import colours
from cxrtutor.viewing.widgets.page_widget import PageWidget
from cxrtutor.viewing.widgets.radiograph_widget import module


class SentenceReader(PageWidget):
    """Type one sentence: its names are underlined, its cues bold, and as far as a cue reaches the text is shaded.

    The page runs the same rules as the package, from the package's own patterns.

    Args:
        sentence: that stands there at first.
        examples: sentences on buttons, worth a try.
    """

    _esm = module("sentence_rules.js", "sentence_reader.js")

    sentence = traitlets.Unicode().tag(sync=True)
    examples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rules = traitlets.Dict().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(self, sentence: str, examples: Sequence[str] = ()) -> None:
        blue, orange, green = colours.SERIES[:3]
        super().__init__(
            sentence=sentence,
            examples=list(examples),
            rules=rules(),
            colours={"casing": colours.CASING, "is-there": green, "is-doubted": blue, "is-denied": orange},
        )
