"""One run of a test: judged, stopped in time, and without a trace."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from cxrtutor.clinic.running import SHOWN, run

NAMES = ["first"]
COUNT = 0
OF_NUMPY, OF_PYTHON, OF_TORCH = np.random.default_rng(1), random.Random(1), torch.Generator().manual_seed(1)


def twice(x):
    return 2 * x


def judged(test, limit=5.0):
    return run(test, {"twice": twice}, limit)


def test_a_promise_that_holds():
    def holds(twice):
        assert twice(2) == 4

    assert judged(holds).passed


def test_a_promise_that_fails_is_told_with_its_line():
    def fails(twice):
        result = twice(2)
        assert result == 5, "not five"

    outcome = judged(fails)
    assert not outcome.passed
    assert outcome.message.startswith("AssertionError: not five")  # pytest adds the values to it
    assert outcome.message.endswith(', in `assert result == 5, "not five"`')


def test_whatever_is_raised_is_an_answer():
    def leaves(twice):
        sys.exit(3)

    assert not judged(leaves).passed and "SystemExit: 3" in judged(leaves).message


def test_a_test_that_returns_is_no_test():
    def returns(twice):
        return twice(2) == 5

    assert not judged(returns).passed and "asserts" in judged(returns).message


def test_what_is_printed_is_kept(capsys):
    def talks(twice):
        print("twice two is", twice(2))
        print("a warning", file=sys.stderr)

    assert judged(talks).printed == "twice two is 4\na warning\n"
    assert capsys.readouterr() == ("", "")


def test_of_much_that_is_printed_the_end_is_kept():
    def talks(twice):
        print("word " * SHOWN, "the end")

    assert len(judged(talks).printed) == SHOWN and judged(talks).printed.endswith("the end\n")


class TestTime:
    def stopped(self, test):
        start = time.monotonic()
        outcome = judged(test, limit=0.2)
        assert not outcome.passed and outcome.message == "not done after 0.2 seconds"
        return time.monotonic() - start

    def test_a_loop_without_end_is_ended(self):
        turns = [0]

        def loops(twice):
            while True:
                turns[0] += 1

        self.stopped(loops)
        after = turns[0]
        time.sleep(0.1)
        assert turns[0] == after > 0

    def test_so_is_one_that_catches_what_it_can(self):
        def loops(twice):
            while True:
                try:
                    twice("a" * 1000)
                    raise ValueError
                except Exception:
                    pass

        self.stopped(loops)

    def test_one_who_cannot_be_reached_is_left(self):
        # In a process of its own: under a tracer, such as that of coverage, CPython itself waits for the sleeper.
        program = """
import time
from cxrtutor.clinic.running import run

def sleeps(twice):
    time.sleep(60)

outcome = run(sleeps, {"twice": abs}, 0.2)
assert not outcome.passed and outcome.message == "not done after 0.2 seconds", outcome
"""
        subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


class TestTraces:
    def test_names_and_data_of_the_module_are_copies(self):
        def writes(twice):
            global COUNT
            COUNT += 1
            NAMES.append("second")
            assert COUNT == 1 and NAMES == ["first", "second"]

        assert judged(writes).passed and judged(writes).passed
        assert COUNT == 0 and NAMES == ["first"]

    def test_so_are_those_that_a_function_inside_names(self):
        def writes(twice):
            def inside():
                NAMES.append("second")

            inside()

        assert judged(writes).passed
        assert NAMES == ["first"]

    def test_generators_of_the_module_are_copies(self):
        drawn = []

        def draws(twice):
            drawn.append((OF_NUMPY.random(), OF_PYTHON.random(), float(torch.rand((), generator=OF_TORCH))))

        judged(draws), judged(draws)
        assert drawn[0] == drawn[1]

    def test_defaults_are_copies(self):
        def remembers(twice, seen=[]):  # noqa: B006
            seen.append(1)
            assert len(seen) == 1

        assert judged(remembers).passed and judged(remembers).passed

    @pytest.mark.parametrize(
        "draw", [lambda: float(torch.rand(())), lambda: float(np.random.rand()), random.random], ids=["t", "n", "r"]
    )
    def test_random_numbers_are_the_same_and_nobody_elses(self, draw):
        drawn = []

        def draws(twice):
            drawn.append(draw())

        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        expected = [draw(), draw()]
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        found = [draw()]
        judged(draws), judged(draws)
        assert [*found, draw()] == expected
        assert drawn[0] == drawn[1] not in expected

    def test_the_default_type_is_set_back(self):
        def changes(twice):
            torch.set_default_dtype(torch.float64)

        assert judged(changes).passed
        assert torch.get_default_dtype() == torch.float32
