"""The ten patients: each bug can be found, is not found by looking, and shows itself in nothing else."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest
from clinic_page import model_tests, smoke_tests, sources

from cxrtutor import clinic
from cxrtutor.clinic import healthy, planted
from cxrtutor.clinic.patients import BEDS, PATIENTS, Patient
from cxrtutor.errors import InputError

GROUPS = [f"group {number}" for number in range(40)]


@pytest.fixture(params=PATIENTS, ids=lambda one: one.name)
def patient(request: pytest.FixtureRequest) -> Patient:
    return request.param


def test_there_are_ten_and_no_function_is_left_over():
    assert [one.number for one in PATIENTS] == list(range(1, 11))
    for module in (healthy, planted):
        functions = [name for name, value in vars(module).items() if inspect.isroutine(value)]
        own = [name for name in functions if getattr(module, name).__module__ == module.__name__]
        assert own == [one.name for one in PATIENTS]


def test_its_bug_is_found_by_its_own_tests(patient):
    assert clinic.grade(model_tests()[patient.name], [patient]).killed == 1


def test_its_bug_passes_for_health_where_one_only_looks(patient):
    smoke = clinic.grade([smoke_tests()[patient.name]], [patient])
    assert smoke.killed == 0 and smoke.tests[0].counts


def test_its_bug_is_its_own(patient):
    """No test of another patient falls over it."""
    others = [test for name, tests in model_tests().items() if name != patient.name for test in tests]
    assert clinic.grade(others, [patient]).killed == 0


def test_from_outside_the_double_looks_like_the_patient(patient):
    well, sick = patient.function(), patient.function(sick=True)
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(well, attribute) == getattr(sick, attribute)
    assert inspect.signature(well) == inspect.signature(sick)


def test_its_chart_promises_in_words(patient):
    assert f"Patient {patient.number}" in patient.chart
    assert all(f"    {name}: " in patient.chart for name in inspect.signature(patient.healthy).parameters)
    assert len(patient.chart.split("```")[2].split()) > 30
    assert patient.chart._repr_markdown_() == str(patient.chart)


def test_its_hints_are_a_ladder(patient):
    ladder = [clinic.hint(patient.number, rung) for rung in (1, 2, 3)]
    assert len(set(ladder)) == 3 and clinic.hint(patient.number) == ladder[0]
    for rung in (0, 4):
        with pytest.raises(InputError, match="rungs 1 to 3"):
            clinic.hint(patient.number, rung)


@pytest.mark.parametrize("number", [0, 11])
def test_a_patient_who_is_not_there(number):
    with pytest.raises(InputError, match="from 1 to 10"):
        clinic.hint(number)


def test_the_page_quotes_no_bug():
    """What stands in a double and not in its patient stands nowhere on the page."""
    page = "\n".join([*sources("markdown"), *sources("code")])
    lines = {line.split("  # ")[0].strip() for line in inspect.getsource(planted).split("\n")[20:]}
    lines -= {line.strip() for line in inspect.getsource(healthy).split("\n")}
    assert len(lines) > 10
    assert not [line for line in lines if line and line in page]


class TestWards:
    def test_all_without_a_group(self):
        assert clinic.ward() == PATIENTS

    def test_a_group_has_its_own_patients_in_its_own_order(self):
        wards = [tuple(one.number for one in clinic.ward(group)) for group in GROUPS]
        assert all(len(set(ward)) == BEDS for ward in wards)
        assert len(set(wards)) == len(GROUPS)
        assert len({frozenset(ward) for ward in wards}) > len(GROUPS) / 2
        assert {number for ward in wards for number in ward} == set(range(1, 11))

    def test_it_follows_from_the_name_alone(self):
        """The same in another process, whose hashes of strings are others; and the same as when this was written."""
        code = "from cxrtutor import clinic; print([one.number for one in clinic.ward('blue')])"
        environment = os.environ | {"PYTHONHASHSEED": "77"}
        told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert told.stdout.strip() == str([one.number for one in clinic.ward("blue")]) == "[8, 10, 2, 7, 6, 3]"
