"""Images are found wherever they were unpacked, by their names; what is missing or damaged is told from the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.real_layouts import dicom, picture

from cxrtutor.data.annotations import Annotated, UnreadableRow
from cxrtutor.data.image_folder import ImageFolder, UnreadableImage, entry_with_truth
from cxrtutor.data.listing import Skip
from cxrtutor.data.source import Entry


def test_images_are_found_at_any_depth_by_their_names(tmp_path: Path) -> None:
    deep, flat = picture(tmp_path / "x" / "y" / "a.PNG", 1), dicom(tmp_path / "1.2.276.0.dcm", 2)
    picture(tmp_path / "z" / "a.png", 3)
    picture(tmp_path / "._b.png", 4).with_name("table.csv").write_text("a,b\n")
    images = ImageFolder(tmp_path)
    assert images.files == {"a": deep, "1.2.276.0": flat}
    assert images.path("a", ".png") == deep and images.path("b", ".png") == tmp_path / "b.png"


def test_links_that_lead_in_circles_are_followed_once(tmp_path: Path) -> None:
    film = picture(tmp_path / "set" / "a" / "film.png", 1)
    linked = picture(tmp_path / "elsewhere" / "linked.png", 2)
    for name in "vwxyz":
        (film.parent / name).symlink_to("..")  # a walk of 5 ** 40 folders
    (film.parent / "out").symlink_to(linked.parent)
    assert ImageFolder(tmp_path / "set").files == {"film": film, "linked": film.parent / "out" / "linked.png"}


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a\x00", "a" * 201, "a\n"])
def test_what_is_no_name_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableRow, match="is no name of an image"):
        ImageFolder(tmp_path).path(name, ".png")


def test_sizes_are_the_headers(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1, (61, 50))
    dicom(tmp_path / "b.dcm", 1, (40, 64))
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    images = ImageFolder(tmp_path)
    assert (images.size("a"), images.size("b"), images.size_if_readable("b")) == ((61, 50), (40, 64), (40, 64))
    for image, said in (("c", r"c\.png"), ("d", "there is no image 'd'")):
        assert images.size_if_readable(image) is None
        with pytest.raises(UnreadableImage, match=said):
            images.size(image)


def test_an_entry_gets_its_truth_or_is_skipped_for_the_right_reason(tmp_path: Path) -> None:
    images = ImageFolder(picture(tmp_path / "a.png", 1).parent)
    (tmp_path / "c.png").write_bytes(b"\x89PNG")

    def truth_of(image: str) -> tuple[Annotated, ...]:
        return (Annotated(image, "Mass", "Mass", images.size(image)),)

    def entry(image: str) -> Entry:
        return Entry(image, image, "test", images.path(image, ".png"), "t.csv, line 2")

    found = entry_with_truth(entry("a"), images, lambda: truth_of("a"))
    assert found.annotated and found.truth[0].size == (61, 50)
    missing = entry_with_truth(entry("b"), images, lambda: truth_of("b"))
    assert not missing.annotated and missing.truth == ()
    with pytest.raises(Skip) as unreadable:
        entry_with_truth(entry("c"), images, lambda: truth_of("c"))
    assert unreadable.value.reason == "image cannot be read"

    def broken() -> tuple[Annotated, ...]:
        raise UnreadableRow("boxes", "is no box")

    with pytest.raises(Skip, match="boxes: is no box") as spoiled:
        entry_with_truth(entry("a"), images, broken)
    assert spoiled.value.reason == "truth cannot be read"
