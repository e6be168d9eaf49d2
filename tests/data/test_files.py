from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cxrtutor.data.files import read_study
from cxrtutor.data.geometry import Geometry
from cxrtutor.errors import InputError

TEXT = "COMPARISON: None.\nFINDINGS: Small left effusion. No pneumothorax.\nIMPRESSION: Effusion."


@pytest.fixture
def image(tmp_path):
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(30, 20)).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def test_an_image_and_its_report_make_a_study(image, tmp_path):
    (tmp_path / "report.txt").write_text(TEXT)
    from_text, from_file = read_study(image, TEXT), read_study(str(image), tmp_path / "report.txt")
    assert from_text.report == from_file.report
    assert [line.text for line in from_text.report.sentences] == [
        "Small left effusion.",
        "No pneumothorax.",
        "Effusion.",
    ]
    assert from_text.id == "film" and from_text.image.shape == (30, 20)
    assert from_text.geometry == Geometry((30, 20), (30, 20))
    assert not from_text.annotated and from_text.findings == ()


def test_an_image_alone_has_an_empty_report(image):
    assert read_study(image).report.sentences == ()


def test_reports_that_cannot_be_read(image, tmp_path):
    with pytest.raises(InputError, match=r"absent\.txt"):
        read_study(image, tmp_path / "absent.txt")
    (tmp_path / "latin.txt").write_bytes("Ergu\N{LATIN SMALL LETTER SHARP S}".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_study(image, tmp_path / "latin.txt")
