"""The words that the reports of the teaching set are made of; `grammar.py` has the rules that put them together.

A pattern has slots in braces. `{place}` ("right lower zone") stands before a noun, `{where}` ("in the right lower
zone") behind it, `{side}` is "left" or "right"; `{degree}`, `{adverb}` and `{extent}` come from the severity, `{size}`
("24 mm") and `{measuring}` ("measuring 24 mm") from the diameter; `{count}` ("two"), `{spread}` ("multifocal") and
`{larger}` (the side where there is more) from the lesions of a group. In a sentence, `{np}` is a noun phrase, `{a}`
the same with its article, `{is}` its verb. A slot in a noun phrase may stay empty.

The words of the unseen findings ("viral", "cavity", ...) stand in no other entry, not even in a negation: no training
report may hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Number = Literal["count", "mass", "plural"]


class Noun(NamedTuple):
    """A pattern for a noun phrase: count nouns take an article, plural ones take "are"."""

    pattern: str
    number: Number


class Terms(NamedTuple):
    """What can be said of one lesion, or of several in one breath.

    Attributes:
        exact: noun phrases that mean this finding and no other. The first is the usual one.
        broader: noun phrases that include it ("opacity" for a consolidation); never used for the prompt.
        readings: how a broader phrase may be interpreted in the same sentence.
        statements: whole sentences about the finding.
        elaborations: sentences that may follow the one that names it.
        inferences: noun phrases that only an IMPRESSION uses.
    """

    exact: tuple[Noun, ...]
    broader: tuple[Noun, ...] = ()
    readings: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    elaborations: tuple[str, ...] = ()
    inferences: tuple[Noun, ...] = ()


class Entry(NamedTuple):
    """Everything about one finding.

    Attributes:
        one: terms for one lesion on one side (or of the heart).
        several: terms for a group of lesions, or for one lesion of both sides.
        degrees: words for each severity; none where size says it.
        located: "lung" findings are placed by zone or lobe, "pleural" ones by side (and apex), "heart" ones not at all.
        one_a_side: two lesions of one side are spoken of as one (effusions), unlike nodules.
    """

    one: Terms
    several: Terms
    degrees: Mapping[str, tuple[str, ...]]
    located: Literal["lung", "pleural", "heart"] = "lung"
    one_a_side: bool = False


def _nouns(number: Number, *patterns: str) -> tuple[Noun, ...]:
    return tuple(Noun(pattern, number) for pattern in patterns)


_FLUID = {
    "small": ("small", "small", "small", "trace"),
    "moderate": ("moderate", "moderate", "moderate-sized", "medium-sized"),
    "large": ("large", "large", "sizeable"),
}
_AIR = {
    "small": ("small", "small", "shallow"),
    "moderate": ("moderate", "moderate-sized"),
    "large": ("large", "large", "sizeable"),
}
_DENSITY = {
    "small": ("patchy", "patchy", "subtle", "limited"),
    "moderate": ("patchy", "moderate", "confluent"),
    "large": ("extensive", "extensive", "dense", "confluent"),
}
_HAZE = {
    "small": ("faint", "subtle", "mild"),
    "moderate": ("moderate", "patchy"),
    "large": ("extensive", "marked"),
}
_DEGREE = {
    "small": ("mild", "mild", "minor"),
    "moderate": ("moderate",),
    "large": ("severe", "marked"),
}
_COLLAPSE = {
    "small": ("mild", "minor", "minimal"),
    "moderate": ("moderate",),
    "large": ("marked",),
}

ADVERBS = {"small": ("mildly", "slightly"), "moderate": ("moderately",), "large": ("markedly", "severely")}
EXTENTS = {"small": ("small",), "moderate": ("moderate-sized",), "large": ("large",)}

_CARDIOMEGALY = Terms(
    exact=(
        *_nouns("mass", "{degree} cardiomegaly", "{degree} cardiac enlargement"),
        *_nouns("mass", "{degree} enlargement of the heart", "{degree} enlargement of the cardiac silhouette"),
        *_nouns("count", "{adverb} enlarged heart"),
    ),
    broader=_nouns("count", "{adverb} enlarged cardiomediastinal silhouette"),
    readings=("cardiomegaly",),
    statements=(
        "The heart is {adverb} enlarged.",
        "The heart is {adverb} enlarged.",
        "The cardiac silhouette is {adverb} enlarged.",
        "Heart size is {adverb} increased.",
    ),
    elaborations=(
        "The cardiothoracic ratio is increased.",
        "The transverse diameter of the heart is more than half that of the thorax.",
    ),
)
_EDEMA = Terms(
    exact=_nouns(
        "mass",
        "{degree} pulmonary edema",
        "{degree} pulmonary edema",
        "{degree} interstitial edema",
        "{degree} edema",
    ),
    broader=(
        *_nouns("mass", "{degree} vascular congestion", "{degree} pulmonary venous congestion"),
        *_nouns("mass", "{degree} interstitial prominence"),
    ),
    readings=("pulmonary edema", "interstitial edema", "fluid overload"),
    statements=(
        "The pulmonary vessels are indistinct, in keeping with {np}.",
        "Hazy vascular markings are consistent with {np}.",
    ),
    elaborations=(
        "The pulmonary vessels are indistinct.",
        "Vascular markings are hazy and prominent around both hila.",
        "The hilar vessels are distended.",
    ),
    inferences=_nouns("mass", "fluid overload", "{degree} congestive heart failure", "cardiac decompensation"),
)

LEXICON: Mapping[str, Entry] = {
    "consolidation": Entry(
        one=Terms(
            exact=(
                *_nouns("mass", "{degree} {place} consolidation", "{degree} consolidation {where}"),
                *_nouns("mass", "focal consolidation {where}", "{degree} consolidative change {where}"),
                *_nouns("count", "{extent} area of consolidation {where}", "{extent} {place} consolidation"),
            ),
            broader=(
                *_nouns("mass", "{degree} {place} airspace disease", "{degree} airspace disease {where}"),
                *_nouns("count", "{degree} {place} opacity", "{degree} opacity {where}", "{place} infiltrate"),
                *_nouns("count", "{degree} airspace opacity {where}"),
            ),
            readings=("consolidation", "pneumonia", "an infectious process"),
            elaborations=(
                "It contains air bronchograms.",
                "Air bronchograms are visible {where}.",
                "The appearance is suspicious for pneumonia.",
                "The margins are poorly defined.",
                "Vessels are obscured {where}.",
            ),
            inferences=_nouns("mass", "{place} pneumonia", "{place} pneumonia", "pneumonia {where}"),
        ),
        several=Terms(
            exact=(
                *_nouns("mass", "{degree} {spread} {place} consolidation", "{degree} {spread} consolidation {where}"),
                *_nouns("plural", "{spread} areas of consolidation {where}"),
            ),
            broader=(
                *_nouns("mass", "{degree} {spread} airspace disease {where}"),
                *_nouns(
                    "plural", "{degree} {spread} {place} opacities", "{degree} {spread} airspace opacities {where}"
                ),
            ),
            readings=("consolidation", "pneumonia", "an infectious process"),
            elaborations=(
                "Air bronchograms are visible {where}.",
                "The appearance is suspicious for infection.",
            ),
            inferences=_nouns("mass", "{spread} {place} pneumonia", "{spread} pneumonia {where}"),
        ),
        degrees=_DENSITY,
    ),
    "ground-glass opacity": Entry(
        one=Terms(
            exact=(
                *_nouns("mass", "{degree} {place} ground-glass opacity", "{degree} ground-glass opacity {where}"),
                *_nouns("mass", "{degree} ground-glass opacification {where}"),
                *_nouns("count", "{extent} area of ground-glass opacity {where}"),
            ),
            broader=(
                *_nouns("count", "{place} hazy opacity", "hazy opacity {where}"),
                *_nouns("mass", "{degree} hazy airspace opacification {where}", "increased hazy density {where}"),
            ),
            readings=("an early infectious process", "an inflammatory process", "atypical pneumonia"),
            elaborations=(
                "The underlying vessels remain visible {where}.",
                "It is hazy, and vessels can be seen through it.",
            ),
            inferences=(
                *_nouns("mass", "{place} ground-glass opacity of uncertain cause"),
                *_nouns("mass", "{place} inflammatory change", "early {place} pneumonia"),
            ),
        ),
        several=Terms(
            exact=(
                *_nouns("mass", "{degree} {spread} {place} ground-glass opacity"),
                *_nouns("mass", "{degree} {spread} ground-glass opacity {where}"),
                *_nouns("plural", "{degree} {spread} {place} ground-glass opacities"),
                *_nouns("plural", "{degree} {spread} ground-glass opacities {where}"),
            ),
            broader=_nouns("plural", "{spread} hazy {place} opacities", "{spread} hazy opacities {where}"),
            readings=("an inflammatory process", "atypical pneumonia"),
            elaborations=("The underlying vessels remain visible {where}.",),
            inferences=_nouns("mass", "{place} inflammatory change"),
        ),
        degrees=_HAZE,
    ),
    "nodule": Entry(
        one=Terms(
            exact=_nouns(
                "count",
                "{size} nodule {where}",
                "{size} {place} nodule",
                "{size} pulmonary nodule {where}",
                "rounded nodule {where} {measuring}",
                "nodule {where} {measuring}",
            ),
            broader=_nouns(
                "count", "{size} nodular opacity {where}", "{size} rounded opacity {where}", "{place} nodular density"
            ),
            readings=("a pulmonary nodule", "a lung nodule"),
            elaborations=(
                "It measures approximately {size} in diameter.",
                "The nodule {where} measures {size}.",
                "Its margins are well defined.",
                "CT is recommended to characterize the nodule {where}.",
            ),
            inferences=_nouns("count", "indeterminate {place} nodule", "indeterminate nodule {where}"),
        ),
        several=Terms(
            exact=_nouns(
                "plural",
                "{count} nodules {where}",
                "{count} {place} nodules",
                "{count} pulmonary nodules {where} {measuring}",
                "{count} rounded nodules {where}",
            ),
            broader=_nouns("plural", "{count} nodular opacities {where}", "{count} rounded {place} opacities"),
            readings=("pulmonary nodules",),
            elaborations=(
                "The largest measures {size}.",
                "They measure up to {size} in diameter.",
                "CT is recommended to characterize the nodules {where}.",
            ),
            inferences=_nouns("plural", "indeterminate {place} nodules"),
        ),
        degrees={},
    ),
    "mass": Entry(
        one=Terms(
            exact=_nouns(
                "count",
                "{size} mass {where}",
                "{size} {place} mass",
                "{size} pulmonary mass {where}",
                "rounded mass {where} {measuring}",
            ),
            broader=_nouns("count", "{size} mass-like opacity {where}", "{size} rounded opacity {where}"),
            readings=("a mass", "a neoplasm", "a lung mass"),
            elaborations=(
                "It measures approximately {size} in diameter.",
                "The mass {where} measures {size}.",
                "Its margins are partly ill-defined.",
                "CT is recommended to characterize the mass {where}.",
                "The appearance is suspicious for malignancy.",
            ),
            inferences=_nouns("count", "{place} mass suspicious for malignancy", "suspicious {place} mass"),
        ),
        several=Terms(
            exact=_nouns(
                "plural",
                "{count} masses {where}",
                "{count} {place} masses {measuring}",
                "{count} pulmonary masses {where}",
            ),
            broader=_nouns("plural", "{count} mass-like opacities {where}"),
            readings=("lung masses",),
            elaborations=("The largest measures {size}.", "CT is recommended to characterize the masses {where}."),
            inferences=_nouns("plural", "{count} masses {where} suspicious for metastases"),
        ),
        degrees={},
    ),
    "pleural effusion": Entry(
        one=Terms(
            exact=_nouns(
                "count",
                "{degree} {place} pleural effusion",
                "{degree} {place} pleural effusion",
                "{degree} {place}-sided pleural effusion",
                "{degree} pleural effusion {where}",
                "{degree} {place} effusion",
            ),
            broader=(
                *_nouns("mass", "{place} basal opacification", "opacification of the {side} base"),
                *_nouns("mass", "blunting of the {side} costophrenic angle"),
            ),
            readings=("a pleural effusion", "pleural fluid"),
            statements=(
                "The {side} costophrenic angle is blunted by {a}.",
                "Blunting of the {side} costophrenic angle is in keeping with {a}.",
                "{a} obscures the {side} costophrenic angle.",
            ),
            elaborations=(
                "The {side} costophrenic angle is blunted.",
                "A fluid meniscus is visible {where}.",
                "The {side} hemidiaphragm is obscured.",
                "Fluid tracks along the lateral chest wall {where}.",
            ),
            inferences=_nouns("mass", "{place} pleural fluid"),
        ),
        several=Terms(
            exact=_nouns(
                "plural",
                "{degree} bilateral pleural effusions",
                "{degree} bilateral pleural effusions",
                "{degree} pleural effusions {where}",
                "{degree} bilateral effusions",
            ),
            broader=_nouns("mass", "blunting of both costophrenic angles"),
            readings=("pleural effusions", "pleural fluid"),
            statements=("Both costophrenic angles are blunted by {a}.",),
            elaborations=(
                "Both costophrenic angles are blunted.",
                "Both hemidiaphragms are obscured.",
                "The effusion is larger on the {larger}.",
                "A fluid meniscus is visible {where}.",
            ),
            inferences=_nouns("mass", "bilateral pleural fluid"),
        ),
        degrees=_FLUID,
        located="pleural",
        one_a_side=True,
    ),
    "pneumothorax": Entry(
        one=Terms(
            exact=_nouns(
                "count",
                "{degree} {place} pneumothorax",
                "{degree} {place} pneumothorax",
                "{degree} pneumothorax {where}",
            ),
            broader=_nouns("mass", "pleural air {where}", "abnormal lucency {where}"),
            readings=("a pneumothorax",),
            statements=("A thin pleural line is visible {where}, in keeping with {a}.",),
            elaborations=(
                "A thin pleural line is visible {where}.",
                "Peripheral lung markings are absent {where}.",
                "The visceral pleura is separated from the chest wall {where}.",
            ),
        ),
        several=Terms(
            exact=_nouns("plural", "{degree} {place} pneumothoraces", "{degree} pneumothoraces {where}"),
            broader=_nouns("mass", "pleural air {where}"),
            readings=("pneumothoraces",),
            elaborations=("Peripheral lung markings are absent {where}.",),
        ),
        degrees=_AIR,
        located="pleural",
        one_a_side=True,
    ),
    "atelectasis": Entry(
        one=Terms(
            exact=(
                *_nouns("mass", "{degree} {place} atelectasis", "{degree} linear atelectasis {where}"),
                *_nouns("mass", "{degree} {place} linear atelectasis", "{degree} subsegmental atelectasis {where}"),
                *_nouns("mass", "plate-like atelectasis {where}"),
                *_nouns("count", "band of atelectasis {where}"),
            ),
            broader=(
                *_nouns("count", "linear opacity {where}", "{place} linear opacity", "band-like opacity {where}"),
                *_nouns("plural", "streaky opacities {where}", "streaky {place} opacities"),
            ),
            readings=("atelectasis", "subsegmental atelectasis"),
            elaborations=(
                "There is mild volume loss {where}.",
                "A thin linear band is visible {where}.",
            ),
            inferences=_nouns("mass", "{degree} {place} volume loss", "{place} subsegmental collapse"),
        ),
        several=Terms(
            exact=(
                *_nouns("mass", "{degree} {spread} {place} atelectasis", "{degree} {spread} atelectasis {where}"),
                *_nouns("mass", "{degree} {place} linear atelectasis"),
                *_nouns("plural", "bands of atelectasis {where}"),
            ),
            broader=_nouns("plural", "linear opacities {where}", "streaky {place} opacities"),
            readings=("atelectasis", "subsegmental atelectasis"),
            elaborations=("There is volume loss {where}.",),
            inferences=_nouns("mass", "{place} volume loss"),
        ),
        degrees=_COLLAPSE,
    ),
    "edema": Entry(one=_EDEMA, several=_EDEMA, degrees=_DEGREE, located="heart", one_a_side=True),
    "cardiomegaly": Entry(one=_CARDIOMEGALY, several=_CARDIOMEGALY, degrees=_DEGREE, located="heart", one_a_side=True),
    "viral pneumonia": Entry(
        one=Terms(
            exact=_nouns(
                "plural",
                "{place} peripheral ground-glass opacities",
                "peripheral ground-glass opacities {where}",
            ),
            readings=("viral pneumonia",),
            elaborations=("The distribution is typical of viral pneumonia.",),
            inferences=_nouns("mass", "{place} viral pneumonia"),
        ),
        several=Terms(
            exact=_nouns("plural", "bilateral peripheral ground-glass opacities"),
            readings=("viral pneumonia",),
            elaborations=("The distribution is typical of viral pneumonia.",),
            inferences=_nouns("mass", "viral pneumonia", "COVID-19 pneumonia"),
        ),
        degrees={},
        one_a_side=True,
    ),
    "cavity": Entry(
        one=Terms(
            exact=_nouns(
                "count",
                "{size} cavity {where}",
                "{size} {place} cavity",
                "{size} cavitary lesion {where}",
                "thick-walled cavity {where} {measuring}",
            ),
            elaborations=("It contains air.", "Its wall is thick.", "It measures approximately {size} in diameter."),
            inferences=_nouns("count", "{place} cavitary lesion"),
        ),
        several=Terms(
            exact=_nouns("plural", "{count} cavities {where}", "{count} {place} cavitary lesions {measuring}"),
            elaborations=("The largest measures {size}.", "They contain air."),
            inferences=_nouns("plural", "{count} {place} cavitary lesions"),
        ),
        degrees={},
    ),
}

PLAIN = (
    "There {is} {a}.",
    "There {is} {a}.",
    "{np}.",
    "{np}.",
    "{a} {is} seen.",
    "{a} {is} present.",
    "{a} {is} noted.",
    "{a} {is} identified.",
    "{a} {is} visible.",
    "The radiograph shows {a}.",
    "The image demonstrates {a}.",
)
HEDGED = (
    "There {is} likely {a}.",
    "There {is} probably {a}.",
    "{a} {is} suspected.",
    "Probable {np}.",
    "Suspected {np}.",
    "Appearances suggest {a}.",
    "Findings are suggestive of {a}.",
    "Findings suggesting {a}.",
)
COMPARED = (
    "{a} {is} again seen.",
    "{a} {is} unchanged since the prior study.",
    "There {is} {a}, new since the prior study.",
    "{a} {has} increased since the previous examination.",
    "{a} {has} developed since the previous examination.",
)
READ = (
    "There {is} {a}, likely representing {reading}.",
    "{a} {is} seen, in keeping with {reading}.",
    "{a} {is} present, compatible with {reading}.",
    "{a} may represent {reading}.",
    "{np}, consistent with {reading}.",
)
JOINED = (
    "There {is} {a} and {b}.",
    "There {is} {a}, as well as {b}.",
    "{a} and {b} are present.",
    "{a} and {b} are seen.",
    "{a} {is} seen, together with {b}.",
    "{np} and {other}.",
    "The radiograph shows {a} and {b}.",
)
ASSOCIATED = (
    "There {is} {a} with associated {other}.",
    "{a} {is} seen with associated {other}.",
    "{np} with associated {other}.",
)
"""`JOINED` for two findings that belong together, the second without an article."""

ASSOCIATES = frozenset(
    {("pleural effusion", "atelectasis"), ("pleural effusion", "consolidation"), ("cardiomegaly", "edema")}
)
"""Findings that belong together where both are on one side, or neither has a side."""
EXCLUDING = (
    "{a} {is} seen, but there is no {absent}.",
    "There {is} {a} without {absent}.",
    "{np} without {absent}.",
    "{a} {is} present, with no {absent}.",
)

IMPRESSED = (
    "{np}.",
    "{np}.",
    "{np}.",
    "{np}.",
    "{a} {is} present.",
    "{np}.",
    "Likely {np}.",
    "Probable {np}.",
    "Possible {np}.",
    "Findings suggesting {a}.",
    "Findings consistent with {a}.",
)

_AIRSPACE = frozenset({"consolidation", "ground-glass opacity", "edema", "atelectasis", "viral pneumonia"})
_FOCAL = frozenset({"nodule", "mass", "cavity"})
_PLEURAL = frozenset({"pleural effusion", "pneumothorax"})
LUNG = _AIRSPACE | _FOCAL
"""Findings that make a lung not clear."""

ABSENT: Mapping[str, frozenset[str]] = {
    "pleural effusion": frozenset({"pleural effusion"}),
    "effusion": frozenset({"pleural effusion"}),
    "pneumothorax": frozenset({"pneumothorax"}),
    "focal consolidation": frozenset({"consolidation", "viral pneumonia"}),
    "consolidation": frozenset({"consolidation", "viral pneumonia"}),
    "focal airspace disease": _AIRSPACE,
    "infiltrate": _AIRSPACE,
    "focal lung opacity": LUNG,
    "ground-glass opacity": frozenset({"ground-glass opacity", "viral pneumonia"}),
    "suspicious nodule": _FOCAL,
    "pulmonary mass": _FOCAL,
    "pulmonary nodule": _FOCAL,
    "pulmonary edema": frozenset({"edema"}),
    "vascular congestion": frozenset({"edema"}),
    "atelectasis": frozenset({"atelectasis"}),
    "cardiomegaly": frozenset({"cardiomegaly"}),
}
"""What may be denied, and the findings of which none may be there when it is."""

UNACCOMPANIED: Mapping[str, tuple[str, ...]] = {
    "consolidation": ("pleural effusion", "effusion", "pneumothorax"),
    "ground-glass opacity": ("consolidation", "pleural effusion"),
    "nodule": ("pleural effusion", "consolidation"),
    "mass": ("pleural effusion", "atelectasis"),
    "pleural effusion": ("consolidation", "pneumothorax", "pulmonary edema"),
    "pneumothorax": ("pleural effusion", "effusion"),
    "atelectasis": ("consolidation", "pleural effusion"),
    "edema": ("pleural effusion", "cardiomegaly"),
    "cardiomegaly": ("pulmonary edema", "vascular congestion", "pleural effusion"),
    "viral pneumonia": ("pleural effusion",),
    "cavity": ("pleural effusion",),
}
"""What might accompany a finding, and so is denied in the same sentence where it does not."""

DENIED = (
    "No {list}.",
    "No {list}.",
    "There is no {list}.",
    "There is no {list}.",
    "There is no evidence of {list}.",
    "No {list} is seen.",
    "No {list} is identified.",
    "Negative for {list}.",
    "No definite {list}.",
)

NORMAL: Mapping[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "heart": (
        frozenset({"cardiomegaly"}),
        (
            "The heart is normal in size.",
            "Heart size is within normal limits.",
            "The cardiac silhouette is normal.",
            "The heart is not enlarged.",
            "The cardiothoracic ratio is normal.",
            "Heart size is normal.",
        ),
    ),
    "vessels": (
        frozenset({"edema"}),
        (
            "The pulmonary vasculature is normal.",
            "Pulmonary vascularity is within normal limits.",
            "The pulmonary vessels are not congested.",
        ),
    ),
    "mediastinum": (
        frozenset(),
        (
            "The mediastinal contours are unremarkable.",
            "The mediastinum is midline.",
            "There is no mediastinal shift.",
            "The upper mediastinum is not widened.",
            "The trachea is midline.",
        ),
    ),
    "lungs": (
        LUNG | _PLEURAL,
        (
            "The lungs are clear.",
            "Both lungs are clear.",
            "The lungs are well expanded and clear.",
            "Lungs are clear bilaterally.",
            "The lung fields are clear.",
        ),
    ),
    "pleura": (
        _PLEURAL,
        ("The pleural spaces are clear.", "The pleural surfaces are unremarkable."),
    ),
    "angles": (
        frozenset({"pleural effusion"}),
        ("Both costophrenic angles are sharp.", "The costophrenic angles are clear."),
    ),
    "diaphragm": (
        frozenset({"pleural effusion"}),
        ("The hemidiaphragms are well defined.", "The diaphragm is smooth in outline."),
    ),
}
"""Topic to the findings that forbid its statements, and the statements."""

OTHERWISE = (
    "The lungs are otherwise clear.",
    "The remainder of the lungs is clear.",
    "No other focal abnormality is seen.",
    "Otherwise unremarkable examination.",
)

ASIDES: Mapping[str, tuple[str, ...]] = {
    "bones": (
        "Mild degenerative changes are present in the thoracic spine.",
        "There is an old healed fracture of the left sixth rib.",
        "Old right rib fractures are noted.",
        "The visualized bones are intact.",
        "No acute bony abnormality is identified.",
        "The osseous structures are unremarkable.",
        "There is mild scoliosis of the thoracic spine.",
        "The bones appear demineralized.",
        "Degenerative change is noted in the right shoulder.",
        "There is no acute rib fracture.",
    ),
    "technique": (
        "The patient is slightly rotated.",
        "Evaluation is mildly limited by patient rotation.",
        "A single frontal view was obtained.",
        "The inspiratory effort is adequate.",
        "The examination is technically satisfactory.",
        "The image was acquired with portable equipment.",
        "The lateral view was not obtained.",
        "Overlying soft tissue limits the assessment slightly.",
    ),
    "devices": (
        "A right central venous catheter ends in the superior vena cava.",
        "A left-sided pacemaker is in place with intact leads.",
        "The endotracheal tube ends 4 cm above the carina.",
        "A nasogastric tube passes below the diaphragm.",
        "Median sternotomy wires are intact.",
        "Surgical clips project over the right upper abdomen.",
        "Monitoring leads overlie the chest.",
        "No support devices are present.",
    ),
    "aorta": (
        "The aorta is tortuous.",
        "Calcification is noted in the aortic arch.",
        "The thoracic aorta is mildly ectatic.",
        "The aortic contour is normal.",
    ),
    "abdomen": (
        "No free air is seen beneath the diaphragm.",
        "The upper abdomen is unremarkable.",
        "The visualized soft tissues are unremarkable.",
        "There is no free intraperitoneal air.",
    ),
}
"""What is said beside the matter. None of it is in the picture, and nothing links to it."""

WITH_PRIOR = (
    "Comparison is made with the prior radiograph.",
    "The mediastinal contours are unchanged from the previous examination.",
    "Bony structures are stable compared with the prior study.",
)
WITHOUT_PRIOR = (
    "No prior study is available for comparison.",
    "There are no previous radiographs for comparison.",
)

ADVICE = (
    "Clinical correlation is recommended.",
    "Recommend correlation with the clinical history.",
    "A follow-up radiograph in six weeks is suggested.",
    "The results were discussed with the referring physician.",
)

ALL_CLEAR = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary disease.",
    "No acute findings.",
    "No radiographic evidence of acute disease.",
    "No acute cardiopulmonary process.",
    "There is no acute intrathoracic abnormality.",
    "No active disease in the chest.",
)

INDICATIONS = (
    "Cough and fever.",
    "Shortness of breath.",
    "Chest pain.",
    "Preoperative evaluation.",
    "Dyspnea, rule out pneumonia.",
    "Weight loss.",
    "Hypoxia.",
    "Follow-up examination.",
    "Trauma.",
    "Fatigue and weakness.",
)
