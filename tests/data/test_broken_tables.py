"""Whatever stands in an owner's tables: a clear error, or every image is an entry, is skipped, or is in a problem."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data.real_layouts import Shipped, chestx_det, nih, object_cxr, padchest_gr, siim, vindr, vindr_of_kaggle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrtutor.data.source import Source
from cxrtutor.data.sources.chestx_det import ChestXDet
from cxrtutor.data.sources.nih import Nih
from cxrtutor.data.sources.object_cxr import ObjectCxr
from cxrtutor.data.sources.padchest_gr import PadChestGr
from cxrtutor.data.sources.siim import Siim
from cxrtutor.data.sources.vindr import VinDr
from cxrtutor.errors import InputError

SETS: dict[str, tuple[Callable[[Path], Shipped], Callable[..., Source]]] = {
    "chestx_det": (chestx_det, ChestXDet),
    "nih": (nih, Nih),
    "object_cxr": (object_cxr, ObjectCxr),
    "padchest_gr": (padchest_gr, PadChestGr),
    "siim": (siim, Siim),
    "vindr": (vindr, VinDr),
    "vindr_of_kaggle": (vindr_of_kaggle, VinDr),
}

PIECES = ("", "-1", "0", "1e999", "nan", "-7", "1 2 3", "0 1 1 9 9;", "|", "../../etc", "\x00", '"', "é", "x" * 300)
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")
TEXT = st.sampled_from(PIECES) | st.text(ANY, max_size=12)
NUMBERS = st.integers(-5, 5) | st.just(10**400) | st.floats()
JSON = st.none() | st.booleans() | NUMBERS | TEXT | st.lists(st.integers(-9, 99), max_size=5)
CHANGES = ("replace", "drop", "double")


@st.composite
def broken_csv(draw: st.DrawFn, text: str) -> str:
    """A table with one value replaced, or one line dropped or doubled."""
    lines = text.rstrip("\n").split("\n")
    line = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(CHANGES)):
        case "drop":
            del lines[line]
        case "double":
            lines.insert(draw(st.integers(line, len(lines))), lines[line])
        case "replace":
            values = lines[line].split(",")
            values[draw(st.integers(0, len(values) - 1))] = draw(TEXT)
            lines[line] = ",".join(values)
    return "\n".join([*lines, ""])


@st.composite
def broken_json(draw: st.DrawFn, text: str) -> str:
    """A document with one value, at any depth, replaced, dropped or doubled."""
    content: Any = json.loads(text)
    inner, key = content, None
    while isinstance(inner, (list, dict)) and inner and (key is None or draw(st.integers(0, 5))):
        outer, key = inner, draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        inner = outer[key]
    change = draw(st.sampled_from(CHANGES))
    if change == "replace":
        outer[key] = draw(JSON)
    elif change == "drop":
        del outer[key]
    elif isinstance(outer, list):
        outer.append(outer[key])
    return json.dumps(content)


@pytest.fixture(scope="module", params=SETS)
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shipped, Source]:
    write, source = SETS[request.param]
    found = write(tmp_path_factory.mktemp(request.param))
    return found, source(*map(Path, found.arguments))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_row_is_accounted_for(data: st.DataObject, shipped: tuple[Shipped, Source]) -> None:
    found, source = shipped
    tables = sorted(path for path in source.tables().values() if path.is_file())
    table = data.draw(st.sampled_from(tables))
    whole = table.read_text(encoding="utf-8")
    broken = data.draw((broken_json if table.suffix == ".json" else broken_csv)(whole))
    table.write_text(broken, encoding="utf-8")
    try:
        listing = source.listing()
        texts = {path: path.read_text(encoding="utf-8") for path in tables}
    except InputError as error:
        assert len(str(error)) > 20
        return
    finally:
        table.write_text(whole, encoding="utf-8")
    told = {one.id for one in (*listing.entries, *listing.skipped)}
    assert len(told) == len(listing.entries) + len(listing.skipped)
    said = [*listing.problems, *(one.detail for one in listing.skipped)]
    for image in (path.stem for path in found.images):
        named = [place for path, text in texts.items() for place in places(path, text, image)]
        assert image in told or not named or any(place in words for place in named for words in said)


def places(table: Path, text: str, image: str) -> list[str]:
    """Where a table names an image, as problems say it; the id alone will do too."""
    if table.suffix == ".json":
        rows = [f" {number}, " for number, row in enumerate(json.loads(text)) if image in json.dumps(row)]
    else:
        rows = [f"{table.name}, line {number}," for number, row in enumerate(text.splitlines(), 1) if image in row]
    return [*rows, image] if rows else []
