"""Every kind of objective, for tests that all of them must pass. All take what `batches.paired` gives."""

from __future__ import annotations

from collections.abc import Callable

from cxrtutor.alignment import (
    GlobalAlignment,
    LocalAlignment,
    MaskedContrast,
    MultiLevelAlignment,
    PrototypeAlignment,
    TokenAlignment,
    TransportAlignment,
)
from cxrtutor.alignment.alignment import Objective

OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "global": GlobalAlignment,
    "words": lambda: LocalAlignment("words", "shallow"),
    "sentences": lambda: LocalAlignment("sentences", "deep", background=True),
    "levels": MultiLevelAlignment,
    "tokens": lambda: TokenAlignment(weights="uniform"),
    "prototypes": lambda: PrototypeAlignment(8, 5, frozen_epochs=0),
    "transport": TransportAlignment,
    "unbalanced transport": lambda: TransportAlignment(relaxation=(None, 0.1)),
    "partial transport": lambda: TransportAlignment(mass=0.5),
    "masked contrast": lambda: MaskedContrast(weights="uniform"),
}
