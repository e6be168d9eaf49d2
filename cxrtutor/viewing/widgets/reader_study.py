"""A reader study on a page: films to be marked bare and then under heat maps, some of them wrong on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from cxrtutor.data.prompts import DESCRIPTIONS
from cxrtutor.evaluation.bootstrap import patient_draws
from cxrtutor.evaluation.reader_study import ESTIMATES, FORMAT
from cxrtutor.evaluation.reading_set import BARE_SHARE, RIGHT, WRONG_SHARE, Film, ReadingSet
from cxrtutor.viewing.widgets.radiograph_widget import RadiographWidget, encoded, module


class ReaderStudy(RadiographWidget):
    """Every film is marked twice, and at the end stands what right and wrong maps did to the reader.

    The page draws orders and maps as `ReadingSet.plan` does, and estimates as `evaluation.reader_study` does, with the
    very draws of `bootstrap.interval`. Truth and wrong maps travel with the page, and are not shown before the end.
    Progress stays in the browser's local storage. Where a kernel runs, `results` is what "Download my results" gives,
    once the reader has finished.

    Args:
        films: what is read.
        opacity: of the heat maps, in [0, 1].
    """

    _esm = module("reader_study_rules.js", "reader_study.js")

    films = traitlets.List(traitlets.Dict()).tag(sync=True)
    practice = traitlets.Dict().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    format = traitlets.Unicode(FORMAT).tag(sync=True)
    estimates = traitlets.Dict(ESTIMATES).tag(sync=True)
    looks = traitlets.Dict(DESCRIPTIONS).tag(sync=True)
    draws = traitlets.Dict().tag(sync=True)
    results = traitlets.Dict().tag(sync=True)

    def __init__(self, films: ReadingSet, *, opacity: float = 0.45) -> None:
        number = len(films.films)
        wrong, bare = number // WRONG_SHARE, number // BARE_SHARE
        super().__init__(
            films=[_as_json(film) for film in films.films],
            practice=_as_json(films.practice),
            key=films.key,
            draws={
                str(n): encoded(patient_draws(n).astype(np.uint8)) for n in {number, wrong, bare, number - wrong - bare}
            },
            opacity=opacity,
        )


def _as_json(film: Film) -> dict[str, Any]:
    """What the page needs of a film; not the prompt, which tells the place."""
    content = film.to_json() | {"hot": encoded(np.packbits(film.hot(RIGHT)))}
    del content["prompt"]
    return content
