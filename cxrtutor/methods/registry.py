"""Every method by name."""

from __future__ import annotations

import difflib

from ..errors import InputError
from . import afloc, convirt, gloria, lsm, mgca, mlip
from .method import Method

METHODS: dict[str, Method] = {module.METHOD.name: module.METHOD for module in (convirt, gloria, lsm, afloc, mgca, mlip)}


def method(name: str) -> Method:
    """The method called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"There is no method {name!r}.{hint} The methods are: {', '.join(METHODS)}.")
    return METHODS[name]
