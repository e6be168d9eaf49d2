import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cxrtutor.data.study import Box
from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.errors import InputError
from cxrtutor.localization.localize import box_of_largest, in_use, localize


class SeesBrightness(nn.Module):
    """A model whose similarity is the mean brightness of each patch of 4x4 pixels."""

    image_size = 128

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.9)

    def encode_images(self, images):
        patches = self.drop(F.avg_pool2d(images, 4))
        return ImageFeatures(shallow=None, deep=None, final=patches, pooled=patches.mean((2, 3)))

    def similarity_maps(self, features, prompts):
        assert len(prompts) == len(features.final)
        return features.final[:, 0]


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (128, 128), (97, 61), (500, 800)])
@pytest.mark.parametrize(("row", "column"), [(0.3, 0.7), (0.75, 0.3), (0.35, 0.25)])
@pytest.mark.parametrize("protocol", ["afloc", "chexlocalize", "medklip"])
def test_a_planted_marker_comes_out_where_it_was_put(shape, row, column, protocol):
    centre = np.array([row * shape[0], column * shape[1]])
    side = max(shape)
    reach = 0.06 * side
    rows, columns = np.indices(shape) + 0.5
    marker = (abs(rows - centre[0]) < reach) & (abs(columns - centre[1]) < reach)
    found = localize(SeesBrightness(), marker.astype(np.float32), "marker", protocol, threshold=None)
    assert found.heat_map.values.shape == shape == found.mask.shape
    half_a_patch = side / 32 / 2
    middle = np.array([found.box.y + found.box.height / 2, found.box.x + found.box.width / 2])
    np.testing.assert_allclose(middle, centre, atol=1.5 * half_a_patch)
    np.testing.assert_allclose(np.argwhere(found.mask).mean(0) + 0.5, centre, atol=1.5 * half_a_patch)
    assert marker[found.heat_map.peak]


def test_what_is_answered_says_how_it_was_made():
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    found = localize(SeesBrightness(), image, "left effusion")
    assert (found.prompt, found.protocol) == ("left effusion", "afloc")
    assert found.threshold == 0.3
    np.testing.assert_array_equal(found.mask, found.heat_map.values > 0.3)
    lower = localize(SeesBrightness(), image, "left effusion", threshold=-0.5)
    assert lower.threshold == -0.5 and lower.mask.sum() > found.mask.sum()


def test_a_black_image_gives_an_empty_mask_without_a_box():
    found = localize(SeesBrightness(), np.zeros((50, 70), np.float32), "effusion")
    assert not found.mask.any() and found.box is None and found.heat_map.peak is None


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(InputError, match="prompt is empty"):
        localize(SeesBrightness(), np.zeros((8, 8), np.float32), prompt)


def test_an_empty_image_and_a_threshold_that_needs_the_truth_are_refused():
    with pytest.raises(InputError, match="shape"):
        localize(SeesBrightness(), np.zeros((0, 8), np.float32), "effusion")
    with pytest.raises(InputError, match="by the truth"):
        localize(SeesBrightness(), np.ones((8, 8), np.float32), "effusion", "best")
    with pytest.raises(InputError, match=r"for each finding\. Give a threshold"):
        localize(SeesBrightness(), np.ones((8, 8), np.float32), "effusion", "chexlocalize-tuned")
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    assert localize(SeesBrightness(), image, "effusion", "best", threshold=0.5).mask.any()


def test_the_box_is_that_of_the_largest_part():
    mask = np.zeros((20, 30), bool)
    mask[2:4, 3:5] = True
    mask[10:15, 20:28] = True
    mask[4, 5] = True  # touches the small part at a corner only
    assert box_of_largest(mask) == Box(20, 10, 8, 5)
    assert box_of_largest(np.zeros((4, 4), bool)) is None


def test_measuring_leaves_a_model_in_the_mode_it_was_in():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model.train()
    model[1].eval()
    with pytest.raises(RuntimeError, match="broken"), in_use(model) as device:
        assert device.type == "cpu"
        assert not any(part.training for part in model.modules())
        assert not model(torch.ones(1, 2)).requires_grad
        raise RuntimeError("broken")
    assert [part.training for part in model.modules()] == [True, True, False]
