"""What is a test, what does it ask for, and what is it given?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .patients import PATIENTS


def tests_among(names: Mapping[str, Any]) -> dict[str, Callable[..., object]]:
    """The functions whose names begin with test_, in the order in which they were defined."""
    return {name: value for name, value in names.items() if name.startswith("test_") and inspect.isroutine(value)}


def asked_for(test: Callable[..., object]) -> list[str]:
    """The names of what a test wants to be given: its arguments without a default."""
    parameters = inspect.signature(test).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]


def given(test: Callable[..., object], sick: str | None) -> dict[str, Callable[..., Any]]:
    """What a test is given: the patients that it asks for, all healthy but the one named `sick`."""
    return {one.name: one.function(sick=one.name == sick) for one in PATIENTS if one.name in asked_for(test)}
