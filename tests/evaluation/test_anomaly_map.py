from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import mahalanobis

from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.evaluation.anomaly_map import AnomalyMap

FILMS, CHANNELS, SIDE = 300, 3, 4


class Films:
    """Features in memory: correlated channels, whose spread and middle differ from place to place."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(FILMS, CHANNELS, SIDE, SIDE, generator=generator)
        mixing = torch.tensor([[1.0, 0.9, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 40.0]])
        spread = torch.linspace(0.5, 2.0, SIDE * SIDE).reshape(SIDE, SIDE)
        self.shallow = torch.einsum("bchw,cd->bdhw", drawn, mixing) * spread + 10 * spread

    def batch(self, indices) -> ImageFeatures:
        shallow = self.shallow[list(indices)]
        return ImageFeatures(
            shallow=shallow, deep=torch.zeros(len(shallow), 1, SIDE, SIDE), final=shallow, pooled=shallow.mean((2, 3))
        )


def test_a_map_is_the_mahalanobis_distance_of_every_place():
    films = Films()
    fitted = AnomalyMap(films, range(200), regularization=0.0)
    maps = fitted.similarity_maps(films.batch([250, 251]), ["nodule", "edema"])
    for row, column in ((0, 0), (3, 1)):
        seen = films.shallow[:200, :, row, column].double().numpy()
        precision = np.linalg.inv(np.cov(seen.T, bias=True))
        for film, found in zip((250, 251), maps, strict=True):
            one = films.shallow[film, :, row, column].double().numpy()
            assert np.isclose(found[row, column], mahalanobis(one, seen.mean(axis=0), precision), rtol=1e-4)


def test_the_regularization_is_of_channels_on_one_scale():
    """A channel counted in other units changes nothing."""
    films, in_other_units = Films(), Films()
    in_other_units.shallow[:, 1] *= 1000
    one, other = (
        AnomalyMap(each, range(FILMS)).similarity_maps(each.batch([0, 1]), ["", ""]) for each in (films, in_other_units)
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_what_is_odd_for_its_place_alone_stands_out():
    """The value is common elsewhere in the films."""
    films = Films()
    fitted = AnomalyMap(films, range(FILMS))
    asked = films.batch([7])
    asked.shallow[0, :, 0, 0] = films.shallow[7, :, 3, 3]
    maps = fitted.similarity_maps(asked, ["whatever"])
    assert maps[0].flatten().argmax() == 0


def test_the_question_is_not_heard_and_the_map_comes_on_the_deep_grid():
    films = Films()
    fitted = AnomalyMap(films, range(100), depth="final")
    asked = films.batch([0, 0])
    asked = ImageFeatures(shallow=None, deep=torch.zeros(2, 1, 8, 8), final=asked.final, pooled=asked.pooled)
    maps = fitted.similarity_maps(asked, ["nodule", "edema"])
    assert maps.shape == (2, 8, 8)
    assert torch.equal(maps[0], maps[1])
