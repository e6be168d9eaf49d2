"""What a grade counts, and what it says."""

from __future__ import annotations

import json

import torch
from clinic_page import model_tests, page_tests
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor import clinic
from cxrtutor.clinic.patients import PATIENTS


def test_rows_of_codes_add_up(codes):
    """Passed by both: the clinic's own tests call it, and pytest must not."""
    assert torch.allclose(codes(torch.rand(3, 2)).sum(dim=1), torch.ones(3))


test_rows_of_codes_add_up.__test__ = False


def always_fails(codes):
    print("an <alarm>")
    raise AssertionError("always & everywhere")


class TestCounting:
    def test_no_tests_kill_nothing(self):
        grade = clinic.grade([])
        assert (grade.killed, grade.share, len(grade.patients)) == (0, 0, 10)

    def test_the_model_solution_kills_all_ten(self):
        grade = clinic.grade(test for tests in model_tests().values() for test in tests)
        assert (grade.killed, grade.share) == (10, 1)
        assert all(test.counts for test in grade.tests)

    @given(st.sets(st.sampled_from([one.name for one in PATIENTS]), max_size=2))
    def test_each_bug_is_killed_by_those_who_mean_it(self, chosen):
        grade = clinic.grade([model_tests()[name][-1] for name in sorted(chosen)])
        assert {one.name for one in PATIENTS if grade.killers[one.number]} == chosen
        assert grade.share == len(chosen) / 10

    def test_a_false_alarm_does_not_count(self):
        grade = clinic.grade([always_fails, test_rows_of_codes_add_up])
        assert grade.killed == 0
        assert [test.counts for test in grade.tests] == [False, True]
        assert grade.tests[0].problem.startswith("It fails on healthy code: AssertionError: always & everywhere")
        assert grade.tests[0].printed == "an <alarm>\n"

    def test_one_test_may_ask_for_several_patients(self):
        def both(codes, report_vectors):
            test_rows_of_codes_add_up(codes)
            assert report_vectors(torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.bool)).shape == (1, 3)

        assert clinic.grade([both]).tests[0].killed == ("report_vectors",)

    def test_who_asks_for_nobody_known_is_told(self):
        def misspelt(code):
            pass

        def alone():
            pass

        problems = [test.problem for test in clinic.grade([misspelt, alone]).tests]
        assert "It asks for code; patients here are sharpness, attention" in problems[0]
        assert "no patient here" in problems[1]

    def test_a_notebooks_names_are_searched_for_tests(self):
        names = {**page_tests(), "helper": always_fails, "test_data": [1]}
        assert [test.name for test in clinic.grade(names).tests] == list(page_tests())

    def test_a_ward_is_graded_for_itself(self):
        tests = [test for tests in model_tests().values() for test in tests]
        ward = clinic.ward("blue")
        grade = clinic.grade(tests, ward)
        assert grade.patients == ward and grade.share == 1
        assert {name for test in grade.tests for name in test.killed} == {one.name for one in ward}
        assert sum(test.counts for test in grade.tests) < len(tests)

    def test_a_grade_does_not_depend_on_luck(self):
        def lucky(codes):
            assert torch.rand(()) < 0.5

        def unlucky(codes):
            assert torch.rand(()) >= 0.5

        first, second = (clinic.grade([lucky, unlucky, *page_tests().values()]).to_json() for _ in range(2))
        assert first == second
        assert [test["counts"] for test in first["tests"][:2]].count(True) == 1


class TestTelling:
    def test_a_survivor_is_told_by_number_and_not_by_cause(self):
        row = clinic.grade([test_rows_of_codes_add_up]).bugs.set_index("patient").loc[7]
        assert row.to_dict() == {"function": "codes", "bug": "alive", "by": "nobody yet; ask clinic.hint(7)"}

    def test_in_words(self):
        told = str(clinic.grade([always_fails, *model_tests()["codes"]]))
        assert told.startswith("1 of 10 bugs killed. 1 of 2 tests pass on healthy code and count.")
        assert "always_fails does not count." in told and "It printed: an <alarm>" in told

    def test_who_found_nothing_is_named(self):
        assert "These found nothing: test_rows_of_codes_add_up." in str(clinic.grade([test_rows_of_codes_add_up]))

    def test_in_a_notebook(self):
        page = clinic.grade([always_fails])._repr_html_()
        assert page.count("<table") == 2
        assert "always &amp; everywhere" in page and "an &lt;alarm&gt;" in page and "..." not in page
        assert clinic.grade([])._repr_html_().count("<table") == 1

    def test_as_json(self):
        made = clinic.grade([always_fails, *model_tests()["codes"]]).to_json()
        assert json.loads(json.dumps(made))["bugs"][6] == {
            "patient": 7,
            "function": "codes",
            "killed_by": ["test_half_precision_is_enough"],
        }
        assert (made["killed"], made["of"], made["share"]) == (1, 10, 0.1)
