"""How many bugs do your tests find? Each test meets the healthy functions first, and then the bugs."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from .patients import PATIENTS, Patient
from .running import Outcome, run
from .submission import opened
from .tests import asked_for, given, tests_among

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 10.0
"""Seconds that a run of a test may compute."""

Run = Callable[[str | None], Outcome]
"""Runs a test on the healthy patients (None), or with the patient of that name in its sick form."""


@dataclass(frozen=True)
class Examined:
    """What became of a test.

    Attributes:
        name: of the test.
        counts: whether it passed on the healthy functions that it asks for.
        problem: why it does not count.
        printed: what it printed last, on the healthy functions.
        killed: the names of the patients whose bugs it found.
    """

    name: str
    counts: bool
    problem: str = ""
    printed: str = ""
    killed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grade:
    """How many bugs were killed, by which tests; a notebook shows it as two tables.

    Attributes:
        patients: whose bugs were asked for.
        tests: every test, with what became of it.
    """

    patients: tuple[Patient, ...]
    tests: tuple[Examined, ...]

    @property
    def killers(self) -> dict[int, list[str]]:
        """By each patient's number, the tests that found its bug."""
        return {one.number: [test.name for test in self.tests if one.name in test.killed] for one in self.patients}

    @property
    def killed(self) -> int:
        """How many bugs were found."""
        return sum(map(bool, self.killers.values()))

    @property
    def share(self) -> float:
        """The share of the bugs that were found: the grade, from 0 to 1."""
        return self.killed / len(self.patients)

    @property
    def bugs(self) -> pd.DataFrame:
        """One row a patient: whether its bug lives, and what killed it or what to ask next."""
        import pandas as pd

        killers = self.killers
        rows = [
            {
                "patient": one.number,
                "function": one.name,
                "bug": "killed" if killers[one.number] else "alive",
                "by": ", ".join(killers[one.number]) or f"nobody yet; ask clinic.hint({one.number})",
            }
            for one in self.patients
        ]
        return pd.DataFrame(rows)

    @property
    def set_aside(self) -> pd.DataFrame:
        """The tests that do not count, with the reason and what they printed."""
        import pandas as pd

        rows = [
            {"test": one.name, "does not count": one.problem, "printed": one.printed}
            for one in self.tests
            if not one.counts
        ]
        return pd.DataFrame(rows, columns=["test", "does not count", "printed"])

    def to_json(self) -> dict[str, Any]:
        """The grade as JSON has it."""
        return {
            "killed": self.killed,
            "of": len(self.patients),
            "share": self.share,
            "bugs": [
                {"patient": one.number, "function": one.name, "killed_by": self.killers[one.number]}
                for one in self.patients
            ],
            "tests": [asdict(one) for one in self.tests],
        }

    def __str__(self) -> str:
        parts = [self._headline, self.bugs.to_string(index=False)]
        parts += [_in_words(one) for one in self.tests if not one.counts]
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import pandas as pd

        tables = [self.bugs, *([self.set_aside] if len(self.set_aside) else [])]
        with pd.option_context("display.max_colwidth", None):
            shown = [one.to_html(index=False, justify="left") for one in tables]
        return "\n".join([f"<p>{html.escape(self._headline)}</p>", *shown])

    @property
    def _headline(self) -> str:
        counting = sum(one.counts for one in self.tests)
        idle = [one.name for one in self.tests if one.counts and not one.killed]
        finding = f" These found nothing: {', '.join(idle)}." if idle else ""
        return (
            f"{self.killed} of {len(self.patients)} bugs killed. "
            f"{counting} of {len(self.tests)} tests pass on healthy code and count.{finding}"
        )


def grade(
    tests: Iterable[Callable[..., object]] | Mapping[str, Any],
    patients: Sequence[Patient] = PATIENTS,
    *,
    limit: float | int = LIMIT,
) -> Grade:
    """Grade test functions, right here; each asks for the functions under test by their names, as its arguments.

    A test counts if it passes on healthy code. A bug is killed if a test that counts fails on it.

    Args:
        tests: the functions; or names and what they stand for, such as `globals()`, of which all test_ functions count.
        patients: whose bugs are asked for: all ten, or a `ward`.
        limit: seconds that a run may compute.
    """
    functions = list(tests_among(tests).values()) if isinstance(tests, Mapping) else list(tests)
    runs = [(test.__name__, asked_for(test), _here(test, limit)) for test in functions]
    return _graded(runs, patients)


def grade_file(path: Path, patients: Sequence[Patient] = PATIENTS, *, limit: float | int = LIMIT) -> Grade:
    """Grade a file of tests, as `grade` does; every run has a process of its own.

    Raises:
        InputError: the file is missing or no Python, cannot be run, or holds no test.
    """
    with opened(path) as submission:

        def of(name: str) -> Run:
            return lambda sick: submission.run(name, sick, limit)

        return _graded([(name, asked, of(name)) for name, asked in submission.tests.items()], patients)


def _here(test: Callable[..., object], limit: float | int) -> Run:
    return lambda sick: run(test, given(test, sick), limit)


def _graded(runs: Sequence[tuple[str, Sequence[str], Run]], patients: Sequence[Patient]) -> Grade:
    watched = tqdm(runs, desc="tests", unit="test", disable=None, delay=5)
    return Grade(tuple(patients), tuple(_examined(name, asked, start, patients) for name, asked, start in watched))


def _examined(name: str, asked: Sequence[str], start: Run, patients: Sequence[Patient]) -> Examined:
    if unknown := [one for one in asked if one not in {patient.name for patient in PATIENTS}]:
        known = ", ".join(patient.name for patient in patients)
        return Examined(name, False, f"It asks for {', '.join(unknown)}; patients here are {known}.")
    asked_here = [patient.name for patient in patients if patient.name in asked]
    if not asked_here:
        return Examined(name, False, "It asks for no patient here. Name one as an argument.")
    healthy = start(None)
    if not healthy.passed:
        return Examined(name, False, f"It fails on healthy code: {healthy.message}", healthy.printed)
    killed = tuple(sick for sick in asked_here if not start(sick).passed)
    return Examined(name, True, printed=healthy.printed, killed=killed)


def _in_words(one: Examined) -> str:
    printed = f"\n  It printed: {one.printed.strip()}" if one.printed.strip() else ""
    return f"{one.name} does not count. {one.problem}{printed}"
