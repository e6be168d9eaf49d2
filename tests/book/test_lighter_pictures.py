"""Small pictures stay exact, large ones become much lighter and look the same."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXTENSION = Path(__file__).resolve().parents[2] / "book" / "_ext" / "lighter_pictures.py"


@pytest.fixture(scope="module")
def lighter():
    spec = importlib.util.spec_from_file_location("lighter_pictures", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)


def test_a_small_picture_is_kept_to_the_last_pixel(lighter):
    chart = np.full((300, 400, 3), 255, np.uint8)
    chart[100:103, :, 0] = 31
    assert (read(lighter.webp(Image.fromarray(chart))) == chart).all()


def test_a_large_picture_loses_weight_and_little_else(lighter):
    rows, columns = np.mgrid[:512, :512]
    noise = np.random.default_rng(0).normal(0, 2, (512, 512))
    film = np.clip(128 + 90 * np.sin(rows / 60) * np.cos(columns / 45) + noise, 0, 255).astype(np.uint8)
    file = lighter.webp(Image.fromarray(film))
    exact = io.BytesIO()
    Image.fromarray(film).save(exact, "PNG")
    assert len(file) < len(exact.getvalue()) / 2
    assert np.abs(read(file)[..., 0] - film).mean() < 4
