"""Draw the picture of the README: a film, and the heat map that answers a prompt.

    python data_scripts/draw_located_finding.py

Run it when the shipped model or studies have changed.
"""

import io
from pathlib import Path

from cxrtutor import shipped, store
from cxrtutor.data.study import Finding, Study
from cxrtutor.localization.localize import localize
from cxrtutor.viewing import figures

PICTURE = Path(__file__).resolve().parents[1] / "book" / "_static" / "located-finding.png"
WIDTH = 1200  # pixels


def left_effusion() -> tuple[Study, Finding]:
    """The first left pleural effusion among the shipped studies."""
    return next(
        (study, finding)
        for study in shipped.studies()
        for finding in study.findings
        if finding.name == "pleural effusion" and finding.attributes["side"] == "left"
    )


def main() -> None:
    """Ask, draw, write."""
    study, finding = left_effusion()
    heat_map = localize(shipped.model(), study.image, finding.phrase).heat_map
    assert finding.mask[heat_map.peak], "The picture's alternative text says that the heat is highest in the lesion."
    figure = figures.radiograph_grid(
        [study.image] * 2,
        titles=["a chest radiograph", finding.phrase],
        heats=[None, heat_map.values],
        truths=[None, finding.mask],
        columns=2,
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=WIDTH / figure.get_figwidth())
    store.write_file(PICTURE, file.getvalue())
    print(f"{PICTURE}: {len(file.getvalue()) / 1e3:.0f} kB, {finding.phrase!r} in {study.id}")


if __name__ == "__main__":
    main()
