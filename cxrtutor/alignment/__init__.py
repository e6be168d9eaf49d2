"""Objectives that pull an image and its report together, globally and locally."""

from importlib import import_module

_HOMES = {
    "Alignment": "alignment",
    "Objective": "alignment",
    "PairedFeatures": "alignment",
    "GlobalAlignment": "global_alignment",
    "LocalAlignment": "local_alignment",
    "MaskedContrast": "masked_contrast",
    "MultiLevelAlignment": "multi_level_alignment",
    "PrototypeAlignment": "prototype_alignment",
    "PatchReconstruction": "patch_reconstruction",
    "SentenceAlignment": "sentence_alignment",
    "TokenAlignment": "token_alignment",
    "TransportAlignment": "transport_alignment",
    "WeightedSum": "weighted_sum",
    "WordAlignment": "word_alignment",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    """Loads an objective, and with it torch, when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
