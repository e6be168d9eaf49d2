"""Whole sets as their owners ship them, written small: tables in their very layout, and images with something on them.

One function a set; it fills a folder and returns what is in it. Tables of truth alone are in `truth_layouts`.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from data.truth_layouts import (
    Marked,
    chexlocalize_segmentations,
    medklip_csv,
    ms_cxr_csv,
    ms_cxr_json,
    rectangle,
    rsna_csv,
    written,
)
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ComputedRadiographyImageStorage, JPEGBaseline8Bit, generate_uid


@dataclass(frozen=True)
class Shipped:
    """A set in a folder.

    Attributes:
        arguments: what its script is given besides the folder to write to.
        images: the files of all rows that are prepared.
        needed: files and folders without which nothing can start.
        table: one of these, whose last row is of a prepared image; None where no table lists the images.
        skipped: how many images are skipped, by reason.
    """

    arguments: tuple[str, ...]
    images: tuple[Path, ...]
    needed: tuple[Path, ...]
    table: Path | None
    skipped: Mapping[str, int] = field(default_factory=dict)


def film(seed: int, size: tuple[int, int] = (61, 50)) -> np.ndarray:
    """Grey values of 8 bits: two dark lungs in a bright body, with noise, so that no two are alike."""
    down, right = np.mgrid[: size[0], : size[1]] / np.array(size).reshape(2, 1, 1)
    lungs = sum(np.exp(-(((down - 0.45) / 0.3) ** 2) - ((right - centre) / 0.14) ** 2) for centre in (0.3, 0.7))
    noise = np.random.default_rng(seed).normal(0, 6, size)
    return np.clip(190 - 130 * lungs + 30 * down + noise, 0, 255).astype(np.uint8)


def picture(path: Path, seed: int, size: tuple[int, int] = (61, 50), mode: str = "L") -> Path:
    """A film as JPEG or PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film(seed, size)).convert(mode).save(path)
    return path


def dicom(path: Path, seed: int, size: tuple[int, int] = (64, 64), **tags: Any) -> Path:
    """A film as DICOM, compressed as JPEG of 8 bits, with a patient's name in its header.

    Args:
        path: of the file.
        seed: of the film.
        size: height and width.
        tags: further attributes of the header, by keyword.
    """
    jpeg = io.BytesIO()
    Image.fromarray(film(seed, size)).save(jpeg, "JPEG", quality=95)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.stem])
    header = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.PatientName, header.PatientID, header.Modality = "Doe^Jane", path.stem, "CR"
    header.Rows, header.Columns = size
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    header.PixelSpacing = [0.143, 0.143]
    header.PixelData = encapsulate([jpeg.getvalue()])
    header["PixelData"].is_undefined_length = True
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def packed(path: Path, lines: Sequence[str]) -> Path:
    """A `.csv.gz`."""
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))
    return path


CHEXPERT_LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def chexpert(folder: Path) -> Shipped:
    """Four patients for training, two for validation; one study has a lateral film beside its frontal one."""
    folder = folder / "CheXpert-v1.0-small"
    films, tables = [], []
    for name, first, patients in (("train", 1, 4), ("valid", 64541, 2)):
        lines = [f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_LABELS}"]
        for patient in range(first, first + patients):
            where = f"{name}/patient{patient:05d}"
            if patient == first:
                picture(folder / where / "study1/view2_lateral.jpg", 7)
                lines.append(f"{folder.name}/{where}/study1/view2_lateral.jpg,Female,68,Lateral,{',' * 13}1.0")
            for study in (1, 2):
                path = f"{where}/study{study}/view1_frontal.jpg"
                films.append(picture(folder / path, 10 * patient + study))
                lines.append(f"{folder.name}/{path},Male,59,Frontal,AP,,,1.0,-1.0,,,,,,,0.0,,,1.0")
        tables.append(written(folder / f"{name}.csv", "\n".join(lines) + "\n"))
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(*tables, folder / "train", folder / "valid"),
        table=tables[1],
        skipped={"lateral view": 2},
    )


def chexlocalize(folder: Path) -> Shipped:
    """Of the two frontal films in each part, one shows nothing of the ten findings, and no segmentation names it."""
    films, needed = [], []
    for part, named in (("val", "CheXpert-v1.0/valid"), ("test", "test")):
        lines = [f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_LABELS}"]
        masks = {}
        for number, (patient, view) in enumerate((("A", "frontal"), ("B", "lateral"), ("B", "frontal"))):
            patient = f"patient{64541 + 200 * (part == 'test') + (patient == 'B')}"
            path = f"{patient}/study1/view{1 + (view == 'lateral')}_{view}.jpg"
            films.append(picture(folder / "CheXpert" / part / path, len(films)))
            shows = number == 0
            values = "0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,1.0" if shows else "0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0"
            lines.append(f"{named}/{path},Male,59,{view.title()},AP,{values},0.0,0.0,0.0,1.0,0.0")
            if shows:
                drawn = {
                    "Cardiomegaly": rectangle((9, 20, 30, 25), (61, 50)),
                    "Atelectasis": rectangle((4, 9, 9, 20), (61, 50)),
                }
                masks[path.removesuffix(".jpg").replace("/", "_")] = drawn
        (folder / "CheXlocalize").mkdir(exist_ok=True)
        needed += [
            chexlocalize_segmentations(folder / "CheXlocalize" / f"gt_segmentations_{part}.json", masks),
            written(folder / "CheXpert" / f"{part}_labels.csv", "\n".join(lines) + "\n"),
            folder / "CheXpert" / part,
        ]
    return Shipped(
        arguments=(str(folder),),
        images=tuple(path for path in films if "frontal" in path.name),
        needed=tuple(needed),
        table=needed[4],
        skipped={"lateral view": 2},
    )


MIMIC_LABELS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
MIMIC_REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old woman with cough  // ? pneumonia

 COMPARISON:  ___

 FINDINGS:

 There is a small left pleural effusion, unchanged.  Heart size is normal.  No
 pneumothorax is seen.

 IMPRESSION:

 Small left pleural effusion.
"""
MIMIC_IMAGES = (  # subject, study, image, view, split
    ("10000032", "50414267", "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", "PA", "train"),
    ("10000032", "50414267", "174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962", "LATERAL", "train"),
    ("10000032", "53189527", "2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab", "PA", "train"),
    ("10000032", "53911762", "68b5c4b1-227d0485-9cc38c3f-7b84ab51-4b472714", "", "train"),
    ("10000764", "57375967", "096052b7-d256dc40-453a102b-fa7d01c6-1b22c6b4", "AP", "train"),
    ("10003502", "50084553", "70d7e600-373c1311-929f5ff9-23ee3621-ff551ff8", "AP", "validate"),
    ("10003502", "51180958", "f4aeb0f2-3e0a1d84-5f1b7f14-2a1c2d1f-01f5e0a1", "PA", "validate"),
    ("10032725", "50331901", "687754ce-7420bfd3-0a19911f-a27a3916-9019cd53", "PA", "test"),
    ("10046166", "50051329", "427446c1-881f5cce-85191ce1-91a58ba9-0a57d3f5", "PA", "test"),
)


def mimic_path(subject: str, study: str, image: str) -> str:
    return f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"


def mimic_cxr(folder: Path) -> Shipped:
    """Tables packed, reports in a folder beside the images'; one study has no labels, one report has no sections."""
    jpg, reports = folder / "mimic-cxr-jpg", folder / "mimic-cxr"
    films = []
    for seed, (subject, study, image, view, _) in enumerate(MIMIC_IMAGES):
        path = picture(jpg / mimic_path(subject, study, image), seed)
        films += [path] if view in ("PA", "AP") else []
        report = reports / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt"
        report.parent.mkdir(parents=True, exist_ok=True)
        written(report, MIMIC_REPORT if study != "57375967" else "                                 WET READ: ___\n")
    metadata = [
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
        "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
    ]
    metadata += [
        f'{image},{subject},{study},"CHEST (PA, LAT)",{view},61,50,21800506,213014.531,CHEST (PA AND LAT),,Erect'
        for subject, study, image, view, _ in MIMIC_IMAGES
    ]
    splits = ["dicom_id,study_id,subject_id,split"]
    splits += [f"{image},{study},{subject},{split}" for subject, study, image, _, split in MIMIC_IMAGES]
    labels = [f"subject_id,study_id,{MIMIC_LABELS}"]
    studies = {study: subject for subject, study, *_ in MIMIC_IMAGES if study != "53189527"}
    labels += [f"{subject},{study},,1.0,,,,0.0,,,,-1.0,,,,1.0" for study, subject in studies.items()]
    tables = {"metadata": metadata, "split": splits, "chexpert": labels, "negbio": labels}
    paths = {name: packed(jpg / f"mimic-cxr-2.0.0-{name}.csv.gz", lines) for name, lines in tables.items()}
    return Shipped(
        arguments=(str(jpg), str(reports)),
        images=tuple(films),
        needed=(paths["metadata"], paths["split"], paths["chexpert"], jpg / "files", reports / "files"),
        table=paths["metadata"],
        skipped={"lateral view": 1, "view not stated": 1},
    )


def ms_cxr(folder: Path, version: str = "1.1.0", form: str = "csv") -> Shipped:
    """Annotations of six of MIMIC-CXR's images, one with two phrases, one phrase with two boxes."""
    mimic = mimic_cxr(folder)
    marks = [
        Marked(image, "Pneumonia", f"opacity {number}, new", (4 + number, 8, 20.5, 30), (61, 50), subject, split, study)
        for number, (subject, study, image, view, _) in enumerate(MIMIC_IMAGES)
        for split in [("train", "val", "test")[number % 3]]
        if view in ("PA", "AP")
    ]
    marks = [marks[0], marks[0]._replace(box=(30, 9, 15, 20)), marks[0]._replace(phrase="left"), *marks[1:]]
    write = {"csv": ms_cxr_csv, "json": ms_cxr_json}[form]
    release = {"0.1": "1.0.0"}.get(version, version)
    path = write(folder / f"MS_CXR_Local_Alignment_v{release}.{form}", marks, version)
    return Shipped(
        arguments=(str(path), *mimic.arguments),
        images=mimic.images,
        needed=(path, mimic.needed[-2], mimic.needed[-1]),
        table=path,
    )


RSNA_IMAGES = {  # the class, and boxes of x, y, width, height
    "0004cfab-14fd-4e49-80ba-63a80b6bddd6": ("No Lung Opacity / Not Normal", []),
    "00313ee0-9eaa-42f4-b0ab-c148ed3241cd": ("No Lung Opacity / Not Normal", []),
    "00322d4d-1c29-4943-afc9-b6754be640eb": ("No Lung Opacity / Not Normal", []),
    "003d8fa0-6bf1-40ed-b54c-ac657f8495c5": ("Normal", []),
    "00436515-870c-4b36-a041-de91049b9ab4": ("Lung Opacity", [(264, 152, 213, 379), (562, 152, 256, 453)]),
    "00569f44-917d-4c86-a842-81832af98c30": ("No Lung Opacity / Not Normal", []),
    "006cec2e-6ce2-4549-bffa-eadfcd1e9970": ("No Lung Opacity / Not Normal", []),
    "00704310-78a8-4b38-8475-49f4573b2dbb": ("Lung Opacity", [(323, 577, 160, 104), (695, 575, 162, 137)]),
}


def rsna(folder: Path) -> Shipped:
    """DICOM files of all images; the table of classes repeats a row for every box, as the real one does."""
    boxes, classes = [], ["patientId,class"]
    films = []
    for seed, (image, (shown, drawn)) in enumerate(RSNA_IMAGES.items()):
        films.append(dicom(folder / "stage_2_train_images" / f"{image}.dcm", seed, ViewPosition=("PA", "AP")[seed % 2]))
        boxes += [(image, box) for box in drawn] or [(image, None)]
        classes += [f"{image},{shown}"] * max(1, len(drawn))
    table = rsna_csv(folder / "stage_2_train_labels.csv", boxes)
    names = written(folder / "stage_2_detailed_class_info.csv", "\n".join([*classes, ""]))
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(table, names, folder / "stage_2_train_images"),
        table=table,
    )


def rsna_of_medklip(folder: Path) -> Shipped:
    """MedKLIP's table of three of RSNA's images."""
    whole = rsna(folder)
    chosen = [path for path in whole.images if path.stem.startswith(("003", "007"))]
    table = medklip_csv(folder / "test.csv", {path.stem: RSNA_IMAGES[path.stem][1] for path in chosen})
    return Shipped(
        arguments=(str(folder), "--medklip", str(table)),
        images=tuple(chosen),
        needed=(table, *whole.needed[1:]),
        table=table,
    )
