import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from small_measurements import rows, table

from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.tables import LocalizationTable

LSM, GLOBAL = (rows(np.random.default_rng(seed).random(40), ("mass", "edema")) for seed in (0, 1))


@pytest.fixture
def compared():
    return LocalizationTable({"LSM & <co>_1": LSM, "global": GLOBAL}, ("iou", "cnr"))


def test_every_form_holds_the_same_numbers(compared):
    cell = str(interval(LSM, "cnr"))
    text, latex = str(compared), compared.to_latex()
    assert cell in text and "protocol afloc" in text and "CNR" in text
    assert cell in latex and r"LSM \& <co>\_1 & " in latex and latex.count(r"\\") == 3

    html = ElementTree.fromstring(compared._repr_html_())
    assert [th.text for th in html.iter("th")] == ["Method", "IoU", "CNR", "LSM & <co>_1", "global"]
    assert [td.text for td in html.iter("td")][1] == cell

    first, second = csv.DictReader(io.StringIO(compared.to_csv()))
    assert first["method"] == "LSM & <co>_1" and second["protocol"] == "afloc"
    assert float(first["cnr_low"]) == pytest.approx(interval(LSM, "cnr").low, abs=1e-6)
    assert float(second["iou"]) == pytest.approx(GLOBAL.macro()["iou"], abs=1e-6)


def test_text_is_aligned(compared):
    _, _, head, _, first, second = str(compared).splitlines()
    assert head.index("IoU") == first.index(str(interval(LSM, "iou"))) == second.index(str(interval(GLOBAL, "iou")))


def test_rows_of_different_protocols_are_refused():
    other = table(("a", "a", "mass", 1.0), protocol="chexlocalize")
    with pytest.raises(InputError, match="LSM: afloc, other: chexlocalize"):
        LocalizationTable({"LSM": LSM, "other": other})
    with pytest.raises(InputError, match="at least one row"):
        LocalizationTable({})
