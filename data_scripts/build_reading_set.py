"""Choose the films of the reader study, lay the shipped model's maps beside them, and write both into the package.

    python data_scripts/build_reading_set.py

Takes a minute or two where the teaching set is made. Run it after `build_shipped.py`, whose model the maps are of.

A study of right and wrong maps needs maps that are right. So films are chosen by their maps, and nothing that is
measured on them says how good the model is.
"""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from cxrtutor import shipped
from cxrtutor.data.sets import open_studies
from cxrtutor.data.study import Finding, Study
from cxrtutor.evaluation.reading_set import RIGHT, WRONG, Film, ReadingSet, coded
from cxrtutor.localization.localize import localize

FIRST = 100
"""Studies before this one are shown in chapters, with their truth."""

FINDINGS = ("consolidation", "ground-glass opacity", "pleural effusion", "pneumothorax")
OF_A_KIND = 5
MOST_OF_A_SIDE = 3
LEAST_PIXELS = 200
LEAST_IOU = 0.3
"""Of the right map's hot place with the truth."""

MOST_TOUCHED = 0.05
"""The share of the wrong map's hot place that may lie in anything that the film shows."""


def candidates(study: Study) -> list[Finding]:
    """Findings of one side that are asked for by their category without doubt, and are no speck."""
    of_a_name = Counter(finding.name for finding in study.findings)
    return [
        finding
        for finding in study.findings
        if finding.name in FINDINGS
        and of_a_name[finding.name] == 1
        and finding.attributes["side"] in ("left", "right")
        and finding.mask.sum() >= LEAST_PIXELS
    ]


def film_of(study: Study, finding: Finding, heat: np.ndarray) -> Film:
    """The film as readers get it."""
    image = np.rint(study.image * 255).astype(np.uint8)
    return Film(study.id, study.patient, finding.name, finding.phrase, image, coded(heat), finding.mask)


def fits(film: Film, study: Study) -> bool:
    """Whether the right map is right and its mirror image wrong."""
    right, wrong = film.hot(RIGHT), film.hot(WRONG)
    shown = np.any([finding.mask for finding in study.findings], axis=0)
    iou = (right & film.truth).sum() / (right | film.truth).sum()
    peak = film.truth[np.unravel_index(film.heat.argmax(), film.heat.shape)]
    return bool(peak and iou >= LEAST_IOU and (wrong & shown).sum() <= MOST_TOUCHED * wrong.sum())


def fitting() -> Iterator[tuple[Film, str]]:
    """Films that fit, with the side of what they show, in the order of the test split; one for a patient."""
    model, studies = shipped.model(), open_studies("teaching", "test")
    for position in tqdm(range(FIRST, len(studies)), unit="study", disable=None):
        study = studies[position]
        for finding in candidates(study):
            film = film_of(study, finding, localize(model, study.image, finding.phrase).heat_map.values)
            if fits(film, study):
                yield film, str(finding.attributes["side"])
                break


def chosen() -> ReadingSet:
    """The first film to practise on, then as many of each finding as are wanted, the sides nearly balanced."""
    films = fitting()
    practice = next(film for film, _ in films if film.finding == FINDINGS[0])
    taken: list[Film] = []
    kinds, sides = Counter(), Counter()
    for film, side in films:
        if kinds[film.finding] < OF_A_KIND and sides[film.finding, side] < MOST_OF_A_SIDE:
            taken.append(film)
            kinds[film.finding] += 1
            sides[film.finding, side] += 1
        if len(taken) == OF_A_KIND * len(FINDINGS):
            return ReadingSet(tuple(taken), practice)
    raise SystemExit(f"The test split has too few films that fit: {dict(kinds)}")


def main() -> None:
    """Choose and write."""
    films = chosen()
    films.save(shipped.READING_SET)
    size = shipped.READING_SET.stat().st_size
    print(json.dumps({"films": [film.id for film in films.films], "key": films.key, "bytes": size}))


if __name__ == "__main__":
    main()
