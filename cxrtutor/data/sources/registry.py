"""The sets that can be prepared, by the names of their scripts."""

from __future__ import annotations

from collections.abc import Mapping

from ..source import Source
from .chestx_det import ChestXDet
from .chexlocalize import Chexlocalize
from .chexpert import Chexpert
from .covid_rural import CovidRural
from .covidx import Covidx
from .mimic_cxr import MimicCxr
from .ms_cxr import MsCxr
from .nih import Nih
from .object_cxr import ObjectCxr
from .open_i import OpenI
from .padchest_gr import PadChestGr
from .rsna import Rsna
from .siim import Siim
from .vindr import VinDr

SETS: Mapping[str, type[Source]] = {
    "mimic_cxr": MimicCxr,
    "ms_cxr": MsCxr,
    "open_i": OpenI,
    "rsna": Rsna,
    "siim": Siim,
    "nih": Nih,
    "chestx_det": ChestXDet,
    "chexpert": Chexpert,
    "chexlocalize": Chexlocalize,
    "covidx": Covidx,
    "covid_rural": CovidRural,
    "object_cxr": ObjectCxr,
    "vindr": VinDr,
    "padchest_gr": PadChestGr,
}
"""`data_scripts/<name>.py` prepares each."""
