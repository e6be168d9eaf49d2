"""Whole sets as their owners ship them, written small: tables in their very layout, and images with something on them.

One function a set; it fills a folder and returns what is in it. Tables of truth alone are in `truth_layouts`.
"""

from __future__ import annotations

import gzip
import io
import json
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
    nih_csv,
    rectangle,
    rsna_csv,
    siim_csv,
    written,
)
from data.truth_layouts import (
    covid_rural as covid_rural_masks,
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


SIIM_SERIES = "1.2.276.0.7230010.3.1.4.8323329"
SIIM_IMAGES = {  # run lengths: gap, length, gap, length ... down the columns of 1,024 x 1,024 pixels
    f"{SIIM_SERIES}.6904.1517875201.850819": ["-1"],
    f"{SIIM_SERIES}.13666.1517875247.117800": ["314880 300 724 300 724 300", "734000 400"],
    f"{SIIM_SERIES}.11028.1517875229.983789": [" -1"],
    f"{SIIM_SERIES}.10366.1517875224.488727": ["104858 60 964 60"],
    f"{SIIM_SERIES}.10016.1517875222.379202": ["-1"],
    f"{SIIM_SERIES}.1002.1517875165.878027": ["-1"],
}


def siim(folder: Path) -> Shipped:
    """DICOM files in a folder for each study and series; the rows of one image do not follow each other."""
    films = [
        dicom(folder / f"dicom-images-train/{SIIM_SERIES}.{n}.1/{SIIM_SERIES}.{n}.2/{image}.dcm", n)
        for n, image in enumerate(SIIM_IMAGES)
    ]
    rows = [(image, runs[0]) for image, runs in SIIM_IMAGES.items()]
    rows[3:3] = [(image, runs) for image, texts in SIIM_IMAGES.items() for runs in texts[1:]]
    table = siim_csv(folder / "train-rle.csv", rows)
    return Shipped(
        arguments=(str(table), str(folder / "dicom-images-train")),
        images=tuple(films),
        needed=(table, folder / "dicom-images-train"),
        table=table,
    )


NIH_IMAGES = (  # image, labels, patient, view, list
    ("00000001_000", "Cardiomegaly", "1", "PA", "train_val"),
    ("00000001_001", "Cardiomegaly|Emphysema", "1", "PA", "train_val"),
    ("00000002_000", "No Finding", "2", "PA", "train_val"),
    ("00000032_037", "Infiltration|Nodule", "32", "AP", "test"),
    ("00013118_008", "Atelectasis|Infiltration", "13118", "AP", "test"),
    ("00013118_009", "No Finding", "13118", "AP", "test"),
)
NIH_BOXES = (
    ("00013118_008.png", "Atelectasis", (225.084745762712, 547.019216763771, 86.7796610169491, 79.1864406779661)),
    ("00013118_008.png", "Infiltrate", (600.5, 300.25, 200, 400)),
    ("00000032_037.png", "Infiltrate", (339.2, 119.2, 172.3, 351.1)),
)


def nih(folder: Path) -> Shipped:
    """Images in two of the twelve archives' folders; the header of images has eleven names, that of boxes nine."""
    films = [
        picture(folder / f"images_{1 + (split == 'test'):03d}/images/{image}.png", seed, (64, 64))
        for seed, (image, *_, split) in enumerate(NIH_IMAGES)
    ]
    lines = [
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
    ]
    lines += [
        f"{image}.png,{labels},0,{patient},57,M,{view},2682,2749,0.143,0.143"
        for image, labels, patient, view, _ in NIH_IMAGES
    ]
    table = written(folder / "Data_Entry_2017_v2020.csv", "\n".join([*lines, ""]))
    lists = [
        written(
            folder / f"{name}_list.txt", "".join(f"{image}.png\n" for image, *_, split in NIH_IMAGES if split == name)
        )
        for name in ("train_val", "test")
    ]
    boxes = nih_csv(folder / "BBox_List_2017.csv", NIH_BOXES)
    return Shipped(arguments=(str(folder),), images=tuple(films), needed=(table, boxes, *lists), table=table)


OBJECT_CXR_IMAGES = {  # the table, and objects: rectangle (0), ellipse (1), polygon (2)
    "00001": ("train", "0 10 20 30 40"),
    "00002": ("train", ""),
    "00003": ("train", "1 5 5 25 45;0 40 10 45 20"),
    "00004": ("train", "2 10 10 40 10 40 50 10 50"),
    "08001": ("dev", ""),
    "08002": ("dev", "0 1 2 9 8;2 20 20 30 20 25 40;1 30 30 44 58"),
}


def object_cxr(folder: Path) -> Shipped:
    """The images as the two archives unpack."""
    films = [
        picture(folder / table / f"{image}.jpg", seed)
        for seed, (image, (table, _)) in enumerate(OBJECT_CXR_IMAGES.items())
    ]
    tables = []
    for name in ("train", "dev"):
        rows = [f"{image}.jpg,{text}" for image, (table, text) in OBJECT_CXR_IMAGES.items() if table == name]
        tables.append(written(folder / f"{name}.csv", "\n".join(["image_path,annotation", *rows, ""])))
    return Shipped(arguments=(str(folder),), images=tuple(films), needed=tuple(tables), table=tables[1])


CHESTX_DET_IMAGES = {  # the list, and name, box and contour of each finding
    "36204": ("train", [("Effusion", [5, 40, 20, 55], [[5, 40], [20, 40], [20, 55], [5, 55]])]),
    "36205": ("train", []),
    "36206": (
        "train",
        [
            ("Emphysema", [4, 6, 24, 50], [[4, 6], [24, 6], [14, 50]]),
            ("Emphysema", [30, 6, 46, 50], [[30, 6], [46, 6], [38, 50]]),
            ("Mass", [30, 20, 40, 30], [[30, 20], [40, 20], [40, 30], [30, 30]]),
        ],
    ),
    "36199": ("test", []),
    "36302": ("test", [("Diffuse Nodule", [10, 10, 40, 50], [[10, 10], [40, 10], [40, 50], [10, 50]])]),
}


def chestx_det(folder: Path) -> Shipped:
    """The images as the two archives unpack."""
    films, lists = [], []
    for name in ("train", "test"):
        entries = []
        for image, (part, drawn) in CHESTX_DET_IMAGES.items():
            if part == name:
                films.append(picture(folder / f"{name}_data" / f"{image}.png", int(image), (60, 60)))
                names, boxes, contours = [list(each) for each in zip(*drawn, strict=True)] or [[], [], []]
                entries.append({"file_name": f"{image}.png", "syms": names, "boxes": boxes, "polygons": contours})
        lists.append(written(folder / f"ChestX_Det_{name}.json", json.dumps(entries)))
    return Shipped(arguments=(str(folder),), images=tuple(films), needed=tuple(lists), table=lists[1])


PADCHEST_GR_STUDIES = (  # image, study, patient, split, sentences: text, labels, boxes
    (
        "216840111366964012283393834152009033102258826_00-063-042",
        "216840111366964012283393834152009026160348352",
        "839860488694292331637988235681460987",
        "train",
        [
            ("Minimal left pleural effusion.", ["pleural effusion"], [[0.55, 0.6, 0.9, 0.95]]),
            ("No consolidation.", [], None),
            ("Scoliosis.", ["scoliosis"], []),
            ("Cardiomegaly and aortic elongation.", ["cardiomegaly", "aortic elongation"], [[0.3, 0.4, 0.8, 0.85]]),
        ],
    ),
    ("216840111366964012487858717522009209135853083_00-046-182", "2168401113669640124878587175", "5023", "train", []),
    (
        "216840111366964012558082906712009327122220177_00-102-064",
        "21684011136696401255808290671",
        "313572750430997347502932654319389875966",
        "validation",
        [("Nodule in the right upper lobe.", ["nodule"], [[0.2, 0.2, 0.3, 0.3], [0.35, 0.25, 0.4, 0.3]])],
    ),
    (
        "216840111366964012819207061112010307142602253_04-014-084",
        "21684011136696401281920706111",
        "839860488694292331637988235681460988",
        "test",
        [("Normal heart size.", [], None)],
    ),
)


def padchest_gr(folder: Path) -> Shipped:
    """Images of 16 bits that do not use their range; the table repeats patient and split for every label."""
    films, studies = [], []
    columns = (
        "StudyID,ImageID,label,boxes_count,extra_boxes_count,locations,prior_study,progression_status,prior_imageID,"
        "sentence_en,sentence_es,study_is_benchmark,study_is_validation,split,PatientID,patient_is_benchmark,"
        "PatientBirth,PatientSex_DICOM,StudyDate_DICOM,StudyDate,PatientAge,label_group,Year"
    )
    rows = [columns]
    for seed, (image, study, patient, split, sentences) in enumerate(PADCHEST_GR_STUDIES):
        path = folder / "Padchest_GR_files" / "PadChest_GR" / f"{image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film(seed, (60, 48)).astype(np.uint16) * 16).save(path)
        films.append(path)
        findings = []
        for text, labels, boxes in sentences:
            finding = {"sentence_en": text, "sentence_es": "Texto.", "abnormal": bool(labels)}
            if boxes is not None:
                finding |= {"boxes": boxes, "extra_boxes": [[0, 0, 0.5, 0.5]], "labels": labels, "locations": []}
                finding |= {"progression": None}
            findings.append(finding)
            for label in labels or [""]:
                values = f'{study},{image}.png,{label},{len(boxes or [])},0,[],,,,"{text}",Texto.'
                rows.append(f"{values},False,{split == 'validation'},{split},{patient},False,1950,F,20090209,,59,,2009")
        if not sentences:
            rows.append(f"{study},{image}.png,,0,0,,,,,,,False,False,{split},{patient},False,1950,F,20090209,,59,,2009")
        studies.append(
            {"StudyID": study, "ImageID": f"{image}.png", "PreviousStudyID": None, "PreviousImageID": None}
            | {"findings": findings}
        )
    reports = written(folder / "grounded_reports_20240819.json", json.dumps(studies))
    table = written(folder / "master_table.csv", "\n".join([*rows, ""]))
    return Shipped(arguments=(str(folder),), images=tuple(films), needed=(reports, table), table=reports)


VINDR_LOCAL = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,"
    "Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,"
    "Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion"
)
VINDR_GLOBAL = "COPD,Lung tumor,Pneumonia,Tuberculosis"
VINDR_TRAIN = {  # by reader, what was drawn, and what was said of the whole film
    "50a418190bc3fb1ef1633bf9678929b3": {"R11": [], "R15": [], "R7": []},
    "9a5094b2563a1ef3ff50dc5c7ff71345": {
        "R10": [("Cardiomegaly", (10, 30, 50, 60)), ("Pleural effusion", (5, 50, 20, 62))],
        "R9": [("Cardiomegaly", (12, 28, 52, 60)), "Pneumonia"],
        "R8": [("Cardiomegaly", (11, 30, 51, 61)), ("Atelectasis", (3.5, 4.5, 20, 20)), "Pneumonia"],
    },
    "051132a778e61a86eb147c7c6f564dfe": {
        "R10": [("Nodule/Mass", (30, 10, 38, 20)), ("Nodule/Mass", (40, 40, 45, 46))],
        "R9": [("Nodule/Mass", (31, 11, 38, 19))],
        "R8": [],
    },
}
VINDR_TEST = {
    "002a34c58c5b758217ed1f584ccbcfe9": [("Lung Opacity", (5, 6, 30, 40)), "Other diseases"],
    "004f33259ee4aef671c2b95d54e4be68": [],
    "008bdde2af2462e86fd373a445d0f4cd": [("Rib fracture", (1, 2, 9, 9))],
}


def vindr(folder: Path) -> Shipped:
    """Both parts: three readers of the films to train on; tests name none, and spell one label otherwise."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    films = []
    for part, images in (("train", VINDR_TRAIN), ("test", VINDR_TEST)):
        films += [dicom(folder / part / f"{image}.dicom", seed) for seed, image in enumerate(images)]
        reader_column = "rad_id," if part == "train" else ""
        names = f"{VINDR_LOCAL},{VINDR_GLOBAL},{'Other diseases' if part == 'train' else 'Other disease'},No finding"
        boxes = [f"image_id,{reader_column}class_name,x_min,y_min,x_max,y_max"]
        labels = [f"image_id,{reader_column}{names}"]
        for image, by_reader in images.items():
            for reader, seen in (by_reader if part == "train" else {"": by_reader}).items():
                who = f"{image},{reader}," if reader else f"{image},"
                drawn = [one for one in seen if not isinstance(one, str)]
                boxes += [f"{who}{name},{','.join(map(str, corners))}" for name, corners in drawn]
                boxes += [] if drawn else [f"{who}No finding,,,,"]
                said = {one if isinstance(one, str) else one[0] for one in seen} or {"No finding"}
                said |= {"Other disease"} & {name[:-1] for name in said}
                labels.append(who + ",".join(str(int(name in said)) for name in names.split(",")))
        written(folder / "annotations" / f"annotations_{part}.csv", "\n".join([*boxes, ""]))
        written(folder / "annotations" / f"image_labels_{part}.csv", "\n".join([*labels, ""]))
    tables = [
        folder / "annotations" / f"{kind}_{part}.csv"
        for part in ("train", "test")
        for kind in ("annotations", "image_labels")
    ]
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(*tables, folder / "train", folder / "test"),
        table=folder / "annotations" / "image_labels_test.csv",
    )


def vindr_of_kaggle(folder: Path) -> Shipped:
    """VinBigData's one table of the training images; who found nothing has a row of class 14."""
    films = [dicom(folder / "train" / f"{image}.dicom", seed) for seed, image in enumerate(VINDR_TRAIN)]
    rows = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    for image, by_reader in VINDR_TRAIN.items():
        for reader, seen in by_reader.items():
            drawn = [one for one in seen if not isinstance(one, str)]
            rows += [f"{image},{name},3,{reader},{','.join(map(str, corners))}" for name, corners in drawn]
            rows += [] if drawn else [f"{image},No finding,14,{reader},,,,"]
    table = written(folder / "train.csv", "\n".join([*rows, ""]))
    return Shipped(arguments=(str(folder),), images=tuple(films), needed=(folder / "train",), table=table)


COVID_RURAL_IMAGES = tuple(
    f"COVID-19-AR-1640{patient}_{day:02d}-08-2012-XR" for patient, day in ((6488, 1), (6488, 3), (6490, 2), (6501, 9))
)


def covid_rural(folder: Path) -> Shipped:
    """Images in colour with masks of 0 and 1, of which one shows nothing; one image has no mask."""
    folder = folder / "covid_rural_annot"
    films = [picture(folder / "jpgs" / f"{name}.jpg", seed, mode="RGB") for seed, name in enumerate(COVID_RURAL_IMAGES)]
    picture(folder / "jpgs" / "COVID-19-AR-16406502_01-08-2012-XR.jpg", 9, mode="RGB")
    masks = {
        name: rectangle((5, 20, 10 + seed, 0 if seed == 1 else 25), (61, 50))
        for seed, name in enumerate(COVID_RURAL_IMAGES)
    }
    covid_rural_masks(folder, masks)
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(folder / "jpgs", folder / "pngs_masks"),
        table=None,
        skipped={"truth missing": 1},
    )


def covidx(folder: Path) -> Shipped:
    """Lists without a header; one file's name holds a space, and two files differ in their suffix alone."""
    lists = {
        "train": [
            "3 ARDSSevere.png normal cohen",
            "101 SARS 10.1148rg.jpeg pneumonia cohen",
            "3 1.jpg normal fig1",
            "12 1.png COVID-19 sirm",
            "12 COVID-19(7).png COVID-19 sirm",
        ],
        "test": [
            "c5b51cd8-2cc1-42da-96c8-34f47ea3a415 c5b51cd8-2cc1-42da-96c8-34f47ea3a415.png normal rsna",
            "MIDRC-RICORD-1C-419639-000025 MIDRC-RICORD-1C-419639-000025-48024-0.png COVID-19 ricord",
        ],
    }
    paths = {name: written(folder / f"{name}_COVIDx9A.txt", "\n".join(rows) + "\n") for name, rows in lists.items()}
    films = [
        picture(folder / name / row.split(" ", 1)[1].rsplit(" ", 2)[0], len(row) + number)
        for name, rows in lists.items()
        for number, row in enumerate(rows)
    ]
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(*paths.values(), folder / "train", folder / "test"),
        table=paths["test"],
    )


OPEN_I = {  # report: headings, findings, and its films with Kaggle's name and view
    1: (
        "normal",
        "The lungs are clear.",
        {"1_IM-0001-3001": ("1_IM-0001-3001", "Lateral"), "1_IM-0001-4001": ("1_IM-0001-4001", "Frontal")},
    ),
    2: (
        "Pleural Effusion/left;Opacity/lung/base",
        "Small left XXXX effusion. Basal opacity.",
        {"IM-0652-1001": ("2_IM-0652-1001", "Frontal"), "IM-0652-2001": ("2_IM-0652-2001", "Lateral")},
    ),
    3: ("normal", "", {"IM-1384-1001": ("3_IM-1384-1001", "Frontal"), "IM-1384-1002": ("", "")}),
    10: ("No Indexing", "The heart is enlarged.", {"IM-0002-1001-0001": ("10_IM-0002-1001-0001", "Frontal")}),
    27: ("Cardiomegaly/mild", "Enlarged heart. No effusion.", {"IM-1173-1001": ("27_IM-1173-1001", "Frontal")}),
    44: ("normal", "No change.", {"IM-2085-1001": ("44_IM-2085-1001", "Frontal")}),
    51: ("normal", "Clear.", {}),
}


def open_i(folder: Path) -> Shipped:
    """Reports with one, two or no films; of one film the table of views says nothing."""
    films, views = [], ["uid,filename,projection"]
    for number, (headings, findings, named) in OPEN_I.items():
        images = [f"CXR{number}_{name}" for name in named]
        (folder / "ecgen-radiology").mkdir(exist_ok=True)
        written(folder / "ecgen-radiology" / f"{number}.xml", open_i_xml(f"CXR{number}", headings, findings, images))
        for seed, (image, (kaggles, view)) in enumerate(zip(images, named.values(), strict=True)):
            path = picture(folder / "NLMCXR_png" / f"{image}.png", 10 * number + seed)
            films += [path] if view == "Frontal" else []
            views += [f"{number},{kaggles}.dcm.png,{view}"] if kaggles else []
    table = written(folder / "indiana_projections.csv", "\n".join([*views, ""]))
    return Shipped(
        arguments=(str(folder),),
        images=tuple(films),
        needed=(folder / "ecgen-radiology", table),
        table=table,
        skipped={"lateral view": 2, "view not stated": 1},
    )


def open_i_xml(report: str, headings: str, findings: str, images: Sequence[str]) -> str:
    major = "".join(f"<major>{heading}</major>" for heading in headings.split(";"))
    parents = "".join(
        f'<parentImage id="{image}"><figureId>F1</figureId><caption>Xray Chest PA and Lateral</caption></parentImage>'
        for image in images
    )
    return f"""<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id="{report}"/>
   <MedlineCitation Owner="Indiana University" Status="supplied by publisher">
      <Article PubModel="Electronic">
         <Abstract>
            <AbstractText Label="COMPARISON">None.</AbstractText>
            <AbstractText Label="INDICATION"/>
            <AbstractText Label="FINDINGS">{findings}</AbstractText>
            <AbstractText Label="IMPRESSION"/>
         </Abstract>
      </Article>
   </MedlineCitation>
   <MeSH>{major}</MeSH>
   {parents}
</eCitation>"""
