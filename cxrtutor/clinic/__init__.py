"""The bug clinic: ten functions of this book's world, ten planted bugs, and tests that readers write to find them.

    def test_rows_add_up(codes):                   # asks for a patient by its name
        assert torch.allclose(codes(scores).sum(dim=1), torch.ones(len(scores)))

    clinic.grade([test_rows_add_up])

A test counts if it passes on the healthy function; a bug is killed if such a test fails on it.
"""

from .grading import Grade, grade, grade_file
from .patients import hint, patient, ward

__all__ = ["Grade", "grade", "grade_file", "hint", "patient", "ward"]
