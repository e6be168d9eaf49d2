"""A folder of maps against a truth file: names, geometry, protocol, and everything that may be wrong with a file."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from data.truth_layouts import (
    CHEXPERT,
    COVID,
    DICOM,
    OTHER_DICOM,
    Marked,
    chexlocalize_segmentations,
    coco_json,
    covid_rural,
    encoded,
    ms_cxr_csv,
    nih_csv,
    rectangle,
    rsna_csv,
    written,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from cxrtutor.data.annotations import Annotated, Annotations
from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.study import Box
from cxrtutor.data.truth_files import read_truth
from cxrtutor.errors import InputError
from cxrtutor.evaluation.evaluate import measure
from cxrtutor.evaluation.map_files import MapsMeasured, evaluate_maps, heat_of, read_map, shrunk, slug
from cxrtutor.evaluation.truth import box_mask
from cxrtutor.localization.protocols import PROTOCOLS, protocol_named

SIZE = (60, 80)
BOX = (20.0, 15.0, 30.0, 20.0)
RNG = np.random.default_rng(0)
GRID = RNG.normal(size=(19, 19)).astype(np.float32)


def saved(folder: Path, maps: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, values in maps.items():
        np.save(folder / f"{name}.npy", values)
    return folder


def truth_of(image: str = "a", box: tuple[float, ...] = BOX, size: tuple[int, int] = SIZE, **more) -> Annotations:
    return Annotations("test", (Annotated(image, "Mass", "a mass", size, (Box(*box),), **more),))


def numbers(measured: MapsMeasured) -> dict[str, float]:
    [row] = measured.measurements.rows[measured.measurements.metrics].to_dict("records")
    return row


# What a number means


@pytest.mark.parametrize("protocol", ["afloc", "chexlocalize", "biovil", "medklip", "best"])
def test_a_raw_grid_is_measured_as_a_model_that_gave_it(protocol: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "maps", {"a": GRID})
    mask = torch.from_numpy(box_mask(Box(*BOX), SIZE))[None]
    expected = measure(torch.from_numpy(GRID)[None], mask, PROTOCOLS[protocol])
    assert numbers(evaluate_maps(folder, truth_of(), protocol)) == pytest.approx(
        {name: value.item() for name, value in expected.items()}, nan_ok=True
    )


def test_aflocs_numbers_by_hand(tmp_path: Path) -> None:
    """Smoothed by scipy, enlarged to the letterboxed square, its margin cut, stretched, cut at five thresholds."""
    smooth = gaussian_filter(GRID, sigma=1.5)
    square = F.interpolate(torch.from_numpy(smooth)[None, None], (80, 80), mode="bilinear").numpy()[0, 0]
    heat, truth = square[10:70, 5:75], box_mask(Box(*BOX), SIZE)[:, 5:75]  # 7/8 of 80 are 70
    heat = 2 * (heat - heat.min()) / (heat.max() - heat.min()) - 1
    overlaps = [((heat > cut) & truth).sum() / ((heat > cut) | truth).sum() for cut in (0.1, 0.2, 0.3, 0.4, 0.5)]
    inside, outside = heat[truth], heat[~truth]
    found = numbers(evaluate_maps(saved(tmp_path / "maps", {"a": GRID}), truth_of()))
    assert found["iou"] == pytest.approx(np.mean(overlaps), abs=1e-6)
    assert found["cnr"] == pytest.approx(
        (inside.mean() - outside.mean()) / np.sqrt(inside.var() + outside.var()), abs=1e-4
    )


def test_one_map_measures_alike_by_boxes_by_masks_and_by_run_lengths(tmp_path: Path) -> None:
    """Two boxes of one finding overlap, and one reaches beyond the border; three real layouts say it."""
    size, boxes = (1024, 1024), [(300, 500, 200, 300), (400, 600, 300, 100), (900, 900, 400, 400)]
    mask = np.any([rectangle(box, size) for box in boxes], axis=0)
    name = f"{COVID}.png"
    truths = {
        "boxes": nih_csv(tmp_path / "BBox_List_2017.csv", [(name, "Mass", box) for box in boxes]),
        "masks": covid_rural(tmp_path / "covid", {COVID: mask}),
        "runs": coco_json(tmp_path / "coco.json", COVID, size, [{"segmentation": encoded(mask)}]),
        "a run a box": coco_json(
            tmp_path / "more.json", COVID, size, [{"segmentation": encoded(rectangle(box, size))} for box in boxes]
        ),
        "all of CheXlocalize": chexlocalize_segmentations(tmp_path / "gt.json", {COVID: {"Edema": mask}}),
    }
    plain, named = saved(tmp_path / "maps", {COVID: GRID}), saved(tmp_path / "named", {f"{COVID}__edema": GRID})
    for protocol in ("afloc", "chexlocalize"):
        found = [
            numbers(evaluate_maps(named if "all" in key else plain, read_truth(path), protocol))
            for key, path in truths.items()
        ]
        assert all(one == found[0] for one in found) and found[0]["iou"] > 0


@given(st.tuples(*[st.integers(-5, 20)] * 2, *[st.integers(1, 30)] * 2).filter(lambda b: b[0] + b[2] > 0 < b[1] + b[3]))
def test_a_box_on_the_border_is_what_is_left_of_it(box: tuple[int, int, int, int]) -> None:
    runs = RunLengths.of(rectangle((box[0], box[1], box[2], box[3]), (20, 21)))
    one = Annotated("a", "Mass", "a mass", (20, 21), runs=runs).finding().mask
    assert np.array_equal(one, box_mask(Box(*box), (20, 21)))


# Geometry


def test_maps_of_pixels_are_not_smoothed_again(tmp_path: Path) -> None:
    """What AFLoc's code makes of the grid, saved before its margin is cut, gives the numbers of the grid."""
    smooth = gaussian_filter(GRID, sigma=1.5)
    square = F.interpolate(torch.from_numpy(smooth)[None, None], (80, 80), mode="bilinear").numpy()[0, 0]
    grid = numbers(evaluate_maps(saved(tmp_path / "grid", {"a": GRID}), truth_of()))
    for geometry, values in (("letterbox", square), ("image", square[10:70])):
        pixels = evaluate_maps(saved(tmp_path / geometry, {"a": values}), truth_of(), geometry=geometry)
        assert numbers(pixels) == pytest.approx(grid, abs=1e-4)
    wrong = evaluate_maps(saved(tmp_path / "twice", {"a": smooth}), truth_of())
    assert numbers(wrong)["iou@0.5"] != pytest.approx(grid["iou@0.5"], abs=1e-3)


def test_every_geometry_covers_what_it_says() -> None:
    protocol = PROTOCOLS["chexlocalize"]
    peak = np.zeros((100, 100), np.float32)
    peak[30:34, 50:54] = 1.0
    for geometry, rows in (("letterbox", (4, 5, 6)), ("stretch", (12, 13))):  # 32/100 of 80 less the 20 above, or of 40
        heat = heat_of(peak, (40, 80), protocol, geometry)[0]
        assert divmod(int(heat.argmax()), 80)[0] in rows


def test_the_margin_is_that_of_the_letterboxed_square_whatever_the_geometry() -> None:
    judged = [
        ~heat_of(values, SIZE, PROTOCOLS["afloc"], geometry).isnan()
        for geometry, values in (("letterbox", GRID), ("stretch", GRID), ("image", np.random.rand(*SIZE).astype("f4")))
    ]
    assert torch.equal(judged[0], judged[1]) and torch.equal(judged[0], judged[2])
    assert judged[0].sum() == 60 * 70


def test_pixels_that_a_map_does_not_judge_are_not_judged(tmp_path: Path) -> None:
    values = RNG.random((80, 80)).astype(np.float32)
    values[:, :30] = np.nan
    measured = evaluate_maps(saved(tmp_path / "maps", {"a": values}), truth_of(), "chexlocalize")
    heat = heat_of(values, SIZE, PROTOCOLS["chexlocalize"], "letterbox")[0].numpy()
    assert np.isnan(heat[:, :30]).all() and not np.isnan(heat[:, 30:]).any()
    assert measured.notes == ["1 maps with pixels that are NaN and so not judged: a.npy."]


@pytest.mark.parametrize("geometry", ["letterbox", "stretch", "image"])
def test_small_images_give_nearly_the_same(geometry: str, tmp_path: Path) -> None:
    size, box = (480, 640), (160.0, 120.0, 240.0, 160.0)
    smooth = heat_of(GRID, size, PROTOCOLS["chexlocalize"], "letterbox")[0].numpy()
    values = smooth if geometry == "image" else GRID
    folder = saved(tmp_path / "maps", {"a": values})
    evaluated = partial(evaluate_maps, folder, truth_of(box=box, size=size), "chexlocalize", geometry=geometry)
    assert numbers(evaluated(side=224)) == pytest.approx(numbers(evaluated()), abs=0.02)
    assert numbers(evaluated(side=1000)) == numbers(evaluated())


def test_shrunk_sizes() -> None:
    assert shrunk((2544, 3056), 224) == (186, 224) and shrunk((3056, 2544), None) == (3056, 2544)
    assert shrunk((100, 90), 224) == (100, 90) and shrunk((1, 3000), 224) == (1, 224)


# Names


def test_slugs() -> None:
    assert slug("Small LEFT  pleural-effusion, 2 cm.") == "small-left-pleural-effusion-2-cm"
    assert slug("Édème") == "d-me" and slug("  ") == ""
    assert len(slug("word " * 100)) <= 120 and not slug("a" * 119 + " b").endswith("-")


MARKS = [
    Marked(DICOM, "Edema", "mild edema, left", (300, 400, 900, 800)),
    Marked(DICOM, "Edema", "mild edema, right", (1500, 400, 900, 800)),
    Marked(DICOM, "Edema", "mild edema, right", (1600, 900, 900, 800)),
    Marked(OTHER_DICOM, "Pneumonia", "opacity", (10, 10, 900, 800), (3056, 2544), "11888614"),
]


def test_names_on_files_in_the_layout_of_ms_cxr(tmp_path: Path) -> None:
    truth = read_truth(ms_cxr_csv(tmp_path / "MS_CXR_Local_Alignment_v1.1.0.csv", MARKS))
    by_phrase = {f"{DICOM}__mild-edema-left": GRID, f"{DICOM}__mild-edema-right": GRID.T, OTHER_DICOM: GRID}
    precise = evaluate_maps(saved(tmp_path / "precise", by_phrase), truth, side=224)
    assert precise.measurements.rows.prompt.tolist() == ["mild edema, left", "mild edema, right", "opacity"]
    assert precise.measurements.rows.patient.tolist() == ["10000032", "10000032", "11888614"]
    assert precise.unit == "patients" and precise.notes == []
    by_category = {f"{DICOM}__edema": GRID, f"{OTHER_DICOM}__pneumonia": GRID}
    simple = evaluate_maps(saved(tmp_path / "simple", by_category), truth, prompts="simple", side=224)
    assert simple.measurements.rows.prompt.tolist() == ["Findings suggesting Edema.", "Findings suggesting Pneumonia."]
    assert simple.measurements.rows.iou[1] == precise.measurements.rows.iou[2]


def test_a_manifest_says_the_same_as_names(tmp_path: Path) -> None:
    truth = read_truth(ms_cxr_csv(tmp_path / "t.csv", MARKS))
    named = {f"{DICOM}__mild-edema-left": GRID, f"{DICOM}__mild-edema-right": GRID.T, OTHER_DICOM: GRID}
    expected = evaluate_maps(saved(tmp_path / "named", named), truth, side=224)
    folder = saved(tmp_path / "listed" / "deep", {"1": GRID, "2": GRID.T, "3": GRID}).parent
    lines = ["file,image,prompt", f'deep/1.npy,{DICOM},"mild edema, left"', f'deep/2.npy,{DICOM},"mild edema, right"']
    path = written(tmp_path / "m.csv", "\n".join([*lines, f"deep/3.npy,{OTHER_DICOM},opacity", "deep/3.npy,x,opacity"]))
    found = evaluate_maps(folder, truth, side=224, manifest=path)
    assert found.measurements.to_json() == expected.measurements.to_json()
    assert found.notes == ["1 maps that no question asks for, not used: deep/3.npy (x, 'opacity')."]
    for line, message in (
        (f"deep/1.npy,{OTHER_DICOM},opacity", "has a map already"),
        ("deep/4.npy,a,b", "there is no map"),
        ("deep,a,b", "there is no map"),
    ):
        with pytest.raises(InputError, match=f"line 5: .*{message}"):
            broken = "\n".join([*lines, f"deep/3.npy,{OTHER_DICOM},opacity", line])
            evaluate_maps(folder, truth, manifest=written(path, broken))


def test_phrases_that_make_one_name_are_refused(tmp_path: Path) -> None:
    marks = [MARKS[0], MARKS[0]._replace(phrase="mild edema -- LEFT")]
    truth = read_truth(ms_cxr_csv(tmp_path / "t.csv", marks))
    with pytest.raises(InputError, match=r"'mild edema, left' and 'mild edema -- LEFT'.*--manifest"):
        evaluate_maps(saved(tmp_path / "maps", {f"{DICOM}__mild-edema-left": GRID}), truth)


def test_a_bare_name_is_no_answer_where_an_image_is_asked_twice(tmp_path: Path) -> None:
    truth = read_truth(ms_cxr_csv(tmp_path / "t.csv", MARKS))
    with pytest.raises(InputError, match=rf"2 of 3 questions have no map .*{DICOM}__mild-edema-left\.npy"):
        evaluate_maps(saved(tmp_path / "maps", {DICOM: GRID, OTHER_DICOM: GRID}), truth)


def test_two_maps_of_one_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npy and a__a-mass\.npy .* answer one question"):
        evaluate_maps(saved(tmp_path / "maps", {"a": GRID, "a__a-mass": GRID}), truth_of())


# What is not as it should be


def test_missing_and_extra_maps_are_counted(tmp_path: Path) -> None:
    rows = [("n1", None), ("p1", (1, 2, 300, 400)), ("p2", (1, 2, 300, 400))]
    truth = read_truth(rsna_csv(tmp_path / "stage_2_train_labels.csv", rows))
    folder = saved(tmp_path / "maps", {"p1": GRID, "n1": GRID, "else": GRID})
    (folder / "notes.txt").write_text("no map")
    with pytest.raises(
        InputError, match=r"1 of 2 questions have no map .*p2, 'pneumonia': p2__pneumonia\.npy.*--allow"
    ):
        evaluate_maps(folder, truth)
    found = evaluate_maps(folder, truth, allow_missing=True, side=64)
    assert found.measurements.rows.study.tolist() == ["p1"]
    assert found.notes == [
        "1 questions without a map, left out: p2, 'pneumonia': p2__pneumonia.npy.",
        "1 maps that no question asks for, not used: else.npy.",
    ]
    assert found.unit == "images"
    with pytest.raises(InputError, match="2 of 2 questions have no map"):
        evaluate_maps(saved(tmp_path / "none", {"n1": GRID}), truth, allow_missing=True)


@pytest.mark.parametrize("protocol", ["biovil", "medklip"])
def test_greys_have_no_unit_to_cut_at(tmp_path: Path, protocol: str) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(folder / "a.png")
    assert len(evaluate_maps(folder, truth_of(), "afloc").measurements.rows) == 1
    with pytest.raises(InputError, match=rf"'{protocol}' cuts similarities in their own unit.*a\.png.*as \.npy"):
        evaluate_maps(folder, truth_of(), protocol)


def test_maps_that_were_taken_as_smoothed_are_counted(tmp_path: Path) -> None:
    large = {"a": np.kron(GRID, np.ones((8, 8)))}
    [note] = evaluate_maps(saved(tmp_path / "maps", large), truth_of()).notes
    assert note == "1 maps that are no patch grid, so that afloc's steps on the grid were not applied: a.npy."
    assert (
        evaluate_maps(saved(tmp_path / "maps", large), truth_of(), "chexlocalize").notes == []
    )  # it has no such steps


def test_absent_findings_are_asked_for_over_all_pairs_alone(tmp_path: Path) -> None:
    drawn = {CHEXPERT: {"Edema": rectangle((10, 10, 20, 20), SIZE)}}
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt_segmentations_test.json", drawn))
    folder = saved(tmp_path / "maps", {f"{CHEXPERT}__{slug(one.name)}": GRID for one in truth.findings})
    positives = evaluate_maps(folder, truth, "chexlocalize")
    assert positives.measurements.rows.finding.tolist() == ["Edema"] and positives.notes == []
    from dataclasses import replace

    everything = evaluate_maps(folder, truth, replace(protocol_named("chexlocalize"), over="all"))
    rows = everything.measurements.rows.set_index("finding")
    assert len(rows) == 10 and rows.iou["Edema"] == positives.measurements.rows.iou[0]
    assert (rows.iou.drop("Edema") == 0).all() and rows.lesions["Pneumothorax"] == "no Pneumothorax"


@pytest.mark.parametrize(
    ("values", "silent"),
    [
        (np.full((19, 19), 3.0), True),
        (np.where(np.arange(361).reshape(19, 19) == 5, np.nan, GRID), True),
        (np.full((80, 80), np.nan), True),
        (np.where(np.arange(6400).reshape(80, 80) == 5, np.inf, 0.5), True),
        (np.where(np.arange(6400).reshape(80, 80) == 5, np.nan, 0.5), True),
        (GRID, False),
    ],
)
@pytest.mark.parametrize("protocol", ["afloc", "chexlocalize"])
def test_a_map_that_says_nothing_is_an_empty_prediction(values, silent: bool, protocol: str, tmp_path: Path) -> None:
    measured = evaluate_maps(saved(tmp_path / "maps", {"a": values}), truth_of(), protocol)
    if silent:
        assert measured.notes == ["1 maps that are constant, infinite or NaN, taken as empty predictions: a.npy."]
        assert numbers(measured)["iou"] == numbers(measured)["pointing"] == numbers(measured)["cnr"] == 0
    else:
        assert measured.notes == [] and numbers(measured)["iou"] > 0


def test_unreadable_rows_of_the_truth_are_passed_on(tmp_path: Path) -> None:
    marks = [*MARKS, Marked("third", "Mass", "a mass", (9, 9, 0, 5))]
    truth = read_truth(ms_cxr_csv(tmp_path / "t.csv", marks))
    named = {f"{DICOM}__mild-edema-left": GRID, f"{DICOM}__mild-edema-right": GRID, OTHER_DICOM: GRID}
    [note] = evaluate_maps(saved(tmp_path / "maps", named), truth, side=64).notes
    assert note.startswith("1 unreadable rows of the truth") and "t.csv, line 6, w: is 0" in note


@pytest.mark.parametrize(
    ("geometry", "shape", "message"),
    [
        ("letterbox", (60, 80), "a.npy is 60 x 80, and a map of the letterboxed square is square"),
        ("image", (60, 81), "a.npy is 60 x 81, its image 60 x 80"),
        ("image", (19, 19), "a.npy is 19 x 19, its image 60 x 80"),
        ("stretch", (2, 3, 4), "holds float64 of shape (2, 3, 4)"),
        ("stretch", (0, 3), "holds float64 of shape (0, 3)"),
    ],
)
def test_a_wrong_shape_is_refused_before_anything_is_measured(
    geometry: str, shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "maps", {"a": np.zeros(shape)})
    with pytest.raises(InputError) as error:
        evaluate_maps(folder, truth_of(), geometry=geometry)
    assert message in str(error.value) and "1 of 1 maps" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", pickle.dumps({"map": GRID}), b"text"])
def test_files_that_are_no_arrays_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy cannot be read as a map"):
        read_map(tmp_path / "a.npy")


def test_arrays_that_are_no_maps_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"map": 1}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npy cannot be read as a map"):
        read_map(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((3, 3), complex))
    with pytest.raises(InputError, match="complex"):
        read_map(tmp_path / "a.npy")
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, GRID, GRID)
    with pytest.raises(InputError, match="several arrays"):
        read_map(tmp_path / "a.npy")


def test_arrays_of_other_kinds_are_maps(tmp_path: Path) -> None:
    for values in (GRID.astype(">f8"), GRID[None, None], (GRID > 0), (GRID * 100).astype(np.int16)):
        np.save(tmp_path / "a.npy", values)
        assert np.array_equal(read_map(tmp_path / "a.npy"), np.squeeze(values).astype(np.float32))


def test_grey_pictures_are_maps_and_coloured_ones_are_not(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (19, 19)).astype(np.uint16)
    for kind in (values, (values // 256).astype(np.uint8)):
        Image.fromarray(kind).save(tmp_path / "a.png")
        assert np.array_equal(read_map(tmp_path / "a.png"), kind.astype(np.float32))
    for mode in ("RGB", "P", "LA"):
        Image.fromarray((values // 256).astype(np.uint8)).convert(mode).save(tmp_path / "a.png")
        with pytest.raises(InputError, match=f"mode {mode}"):
            read_map(tmp_path / "a.png")


def test_protocols_that_have_to_be_tuned_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no thresholds yet"):
        evaluate_maps(saved(tmp_path / "maps", {"a": GRID}), truth_of(), "chexlocalize-tuned")


def test_wrong_names_of_things_are_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "maps", {"a": GRID})
    with pytest.raises(InputError, match="no folder"):
        evaluate_maps(tmp_path / "absent", truth_of())
    with pytest.raises(InputError, match=r"no geometry 'square'.*letterbox"):
        evaluate_maps(folder, truth_of(), geometry="square")
    with pytest.raises(InputError, match="shows no finding"):
        evaluate_maps(folder, Annotations("test", (Annotated("a", "Mass", "a mass", SIZE),)))
