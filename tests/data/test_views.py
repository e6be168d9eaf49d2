"""A view is the set again: the same studies in the same order, changed as it says and in no other way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import UInt8

from cxrtutor.data.masks import blank, patch_mask
from cxrtutor.data.study import Report, Sentence
from cxrtutor.data.views import Studies, blanked, mirrored, moved, training_views, with_errors, without_places
from cxrtutor.errors import InputError

TEXTS = ("Left effusion.", "Nodule in the right lower zone.", "No pneumothorax.")


class Chests:
    """Smooth pictures that differ from their mirror images, and reports that say where."""

    key = "chests"

    def __init__(self, count: int = 12) -> None:
        rows, columns = np.mgrid[:48, :40] / 40
        random = np.random.default_rng(0)
        self.pixels = np.stack([self.draw(rows, columns, random) for _ in range(count)])

    @staticmethod
    def draw(rows: np.ndarray, columns: np.ndarray, random: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
        """A large blob left of the middle, and small ones anywhere."""
        places = [(0.6, 0.25, 0.15, 1.5), *random.uniform((0.2, 0.2, 0.05, 0.3), (1, 0.8, 0.1, 0.8), (4, 4))]
        blobs = [w * np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / s**2) for r, c, s, w in places]
        return np.rint(sum(blobs).clip(0, 1) * 200 + 20).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: Sequence[int], size: int | None = None) -> UInt8[np.ndarray, "n height width"]:
        chosen = self.pixels[list(indices)]
        return chosen if size is None else chosen[:, :size, :size]

    def reports(self) -> list[Report]:
        return [Report({}, tuple(Sentence(text, (n,)) for text in TEXTS[: n % 4])) for n in range(len(self))]


CHESTS = Chests()
EVERY = range(len(CHESTS))
numbers = st.integers(0, 10_000)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_mirrored_twice_is_the_set() -> None:
    twice = mirrored(mirrored(CHESTS))
    assert np.array_equal(twice.images(EVERY), CHESTS.images(EVERY))
    assert twice.reports() == CHESTS.reports()


def test_image_and_report_are_mirrored_together() -> None:
    view = mirrored(CHESTS)
    assert np.array_equal(view.images([3, 1]), CHESTS.pixels[[3, 1], :, ::-1])
    assert [each.text for each in view.reports()[3].sentences] == [
        "Right effusion.",
        "Nodule in the left lower zone.",
        "No pneumothorax.",
    ]
    assert np.array_equal(view.images([3], 24), CHESTS.pixels[[3], :24, :24][:, :, ::-1])


@given(numbers, st.sampled_from(EVERY))
def test_moved_images_are_like_themselves_and_never_mirrored(number: int, index: int) -> None:
    [before], [after] = CHESTS.images([index]), moved(CHESTS, number).images([index])
    assert after.shape == before.shape and not np.array_equal(before, after)
    assert correlation(before, after) > 0.75
    assert correlation(before, after) > correlation(before[:, ::-1], after) + 0.3


@given(numbers)
def test_a_moved_view_is_the_same_however_it_is_asked_for(number: int) -> None:
    view = moved(CHESTS, number)
    assert np.array_equal(view.images([5, 2, 5]), moved(CHESTS, number).images(EVERY)[[5, 2, 5]])
    assert view.reports() == CHESTS.reports()


def test_every_number_and_every_study_moves_otherwise() -> None:
    views = np.stack([moved(CHESTS, number).images(EVERY) for number in range(4)])
    distinct = {view.tobytes() for view in views.reshape(-1, *views.shape[2:])}
    assert len(distinct) == views.shape[0] * views.shape[1]


def test_images_move_no_further_than_allowed() -> None:
    spot = Chests(1)
    spot.pixels[:] = 0
    spot.pixels[0, 22:27, 18:23] = 200  # at the centre, where turning and zooming do not move it
    rows, columns = np.mgrid[:48, :40]
    offsets = []
    for number in range(300):
        [image] = moved(spot, number).images([0]).astype(float)
        weights = np.clip(image - np.median(image), 0, None)
        place = [(axis * weights).sum() / weights.sum() for axis in (rows, columns)]
        offsets.append([(place[0] - 24) / 48, (place[1] - 20) / 40])
    furthest, mean = np.abs(offsets).max(axis=0), np.mean(offsets, axis=0)
    assert np.all((furthest > 0.03) & (furthest < 0.045))
    assert np.all(np.abs(mean) < 0.01)


def test_without_places_only_the_reports_change() -> None:
    view = without_places(CHESTS)
    assert np.array_equal(view.images(EVERY), CHESTS.images(EVERY))
    assert [each.text for each in view.reports()[3].sentences] == ["Effusion.", "Nodule.", "No pneumothorax."]
    assert [each.findings for each in view.reports()[3].sentences] == [(3,), (3,), (3,)]


def test_every_view_has_a_key_of_its_own_that_stays() -> None:
    def views() -> list[Studies]:
        one = [CHESTS, mirrored(CHESTS), moved(CHESTS, 1), moved(CHESTS, 2), without_places(CHESTS)]
        one += [with_errors(CHESTS, drop=0.5), with_errors(CHESTS, swap_side=0.5), with_errors(CHESTS, drop=0.4)]
        one += [with_errors(CHESTS, exchange=0.4), with_errors(CHESTS, exchange=0.5)]
        return [*one, *(mirrored(view) for view in one[1:]), moved(mirrored(CHESTS), 1)]

    keys = [view.key for view in views()]
    assert len(set(keys)) == len(keys)
    assert keys == [view.key for view in views()]
    assert all(isinstance(view, Studies) and len(view) == 12 for view in views())


@pytest.mark.parametrize("places", [True, False])
@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("copies", [0, 2])
def test_training_views_never_mirror_an_image_without_its_report(copies: int, mirror: bool, places: bool) -> None:
    views = training_views(CHESTS, copies, mirror, places)
    assert len(views) == (1 + copies) * (1 + mirror)
    assert len({images.key for images, _ in views}) == len(views)
    assert len({reports.key for _, reports in views}) == 1 + mirror  # encoded once for all moved copies
    plain = (CHESTS if places else without_places(CHESTS)).reports()
    for number, (images, reports) in enumerate(views):
        [image], original = images.images([7]), CHESTS.pixels[7]
        is_mirrored = correlation(image, original[:, ::-1]) > correlation(image, original)
        assert is_mirrored == (number > copies)
        assert reports.reports() == (
            mirrored(without_places(CHESTS) if not places else CHESTS).reports() if is_mirrored else plain
        )
    assert views[0][0] is CHESTS


def test_errors_change_reports_alone_and_always_in_the_same_way() -> None:
    view = with_errors(CHESTS, invent=1.0)
    assert np.array_equal(view.images(EVERY), CHESTS.images(EVERY))
    assert view.reports() == with_errors(CHESTS, invent=1.0).reports()
    for said, true in zip(view.reports(), CHESTS.reports(), strict=True):
        assert len(said.sentences) == len(true.sentences) + 1
        assert [s for s in said.sentences if s in true.sentences] == list(true.sentences)
    both = zip(view.reports(), CHESTS.reports(), strict=True)
    assert len({tuple(set(said.sentences) - set(true.sentences)) for said, true in both}) > 6  # each has its own


@pytest.mark.parametrize(
    ("errors", "texts"),
    [({"drop": 1.0}, ()), ({"swap_side": 1.0}, ("Right effusion.", "Nodule in the left lower zone.", TEXTS[2]))],
)
def test_every_finding_is_dropped_or_swapped(errors: dict[str, float], texts: tuple[str, ...]) -> None:
    assert tuple(s.text for s in with_errors(CHESTS, **errors).reports()[3].sentences) == texts


def test_training_views_hold_errors_in_their_reports() -> None:
    [(images, reports)] = training_views(CHESTS, 0, False, True, {"swap_side": 1.0, "drop": 0.0, "invent": 0.0})
    assert images is CHESTS
    assert reports.reports() == with_errors(CHESTS, swap_side=1.0).reports() != CHESTS.reports()
    [(_, plain)] = training_views(CHESTS, 0, False, True, {"swap_side": 0.0})
    assert plain is CHESTS


class Numbered(Chests):
    """Every report says whose it is."""

    def reports(self) -> list[Report]:
        return [Report({}, (Sentence(str(index)),)) for index in range(len(self))]


def _told(share: float) -> list[int]:
    """Whose report each study is given."""
    return [int(report.text) for report in with_errors(Numbered(), exchange=share).reports()]


def test_exchanged_reports_are_those_of_other_studies() -> None:
    def strangers(share: float) -> set[int]:
        return {index for index, other in enumerate(_told(share)) if index != other}

    assert np.array_equal(with_errors(CHESTS, exchange=0.5).images(EVERY), CHESTS.images(EVERY))
    assert sorted(_told(0.5)) == list(EVERY)  # none is lost, none is there twice
    assert len(strangers(0.5)) == 6
    assert strangers(0.25) < strangers(0.5) < strangers(1.0) == set(EVERY)


def test_errors_are_put_into_reports_before_these_are_exchanged() -> None:
    wrong = with_errors(CHESTS, drop=1.0).reports()
    assert sorted(r.text for r in with_errors(CHESTS, drop=1.0, exchange=1.0).reports()) == sorted(
        r.text for r in wrong
    )


def test_no_error_leaves_the_set_as_it_is() -> None:
    assert with_errors(CHESTS) is CHESTS


def test_a_view_of_no_images() -> None:
    assert len(moved(CHESTS, 1).images([])) == 0


def test_blanked_images_are_those_of_the_mask_and_keep_their_reports() -> None:
    view = blanked(CHESTS, 3, patch=8, ratio=0.5)
    hidden = patch_mask([4, 1], 3, (6, 5), 0.5)
    expected = [blank(image, mask) for image, mask in zip(CHESTS.pixels[[4, 1]], hidden, strict=True)]
    assert np.array_equal(view.images([4, 1]), np.stack(expected))
    assert view.images([2], 24).shape == (1, 24, 24)
    assert view.reports() == CHESTS.reports()
    with pytest.raises(InputError, match="48 x 40"):
        blanked(CHESTS, 3, patch=7, ratio=0.5).images([0])


def test_every_blanked_view_has_a_key_of_its_own() -> None:
    views = [blanked(CHESTS, *asked) for asked in ((0, 8, 0.5), (1, 8, 0.5), (0, 4, 0.5), (0, 8, 0.75))]
    assert len({view.key for view in views} | {CHESTS.key}) == 5
