from __future__ import annotations

import pickle
from importlib.metadata import PackageNotFoundError

import numpy as np
import pydicom
import pytest

from cxrtutor.data.images import letterbox, read_image
from cxrtutor.data.sources import pydicom_radiograph
from cxrtutor.data.sources.pydicom_radiograph import radiograph_path, read_radiograph
from cxrtutor.errors import InputError


@pytest.fixture(scope="module")
def study():
    return read_radiograph()


def mean(study, rows, columns):
    square, _ = letterbox(study.image, 100)
    return square[slice(*rows), slice(*columns)].mean()


def test_bone_is_bright_and_air_is_dark(study):
    lungs = (mean(study, (25, 35), (25, 32)) + mean(study, (25, 35), (65, 72))) / 2
    mediastinum, air = mean(study, (45, 70), (46, 54)), mean(study, (4, 8), (4, 10))
    assert air < lungs < mediastinum - 0.2
    assert study.image.min() >= 0 and study.image.max() <= 1 and study.image.dtype == np.float32


def test_the_patients_left_is_on_the_right(study):
    """The heart reaches further into the image's right half."""
    assert mean(study, (64, 71), (60, 68)) > mean(study, (64, 71), (32, 40)) + 0.05


def test_what_the_file_says(study):
    assert study.image.shape == (1955, 1841)
    assert study.pixel_spacing is None  # the file says zero
    assert study.view == "PA"
    assert study.report.sentences == () and not study.annotated


def test_the_window_is_the_files_own(study):
    dataset = pydicom.dcmread(radiograph_path())
    shown = 1 - (dataset.pixel_array - (15000 - 0.5)) / 29999 - 0.5
    np.testing.assert_allclose(study.image, shown, atol=1e-5)


def test_the_compressed_copies_show_the_same(study):
    lossless = read_image(radiograph_path().with_name("RG1_J2KR.dcm")).pixels
    lossy = read_image(radiograph_path().with_name("RG1_J2KI.dcm")).pixels
    np.testing.assert_array_equal(lossless, study.image)
    assert 0 < np.abs(lossy - study.image).mean() < 0.005


def test_nothing_that_names_the_patient_is_kept(study):
    everything = pickle.dumps(study)
    dataset = pydicom.dcmread(radiograph_path(), stop_before_pixels=True)
    for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "InstitutionName", "StudyInstanceUID"):
        assert str(dataset[name].value).encode() not in everything


def test_a_missing_package_is_told_with_its_remedy(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(pydicom_radiograph, "distribution", missing)
    with pytest.raises(InputError, match="pip install pydicom-data"):
        radiograph_path()
