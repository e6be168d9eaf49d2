import json

import numpy as np
import pandas as pd
import pytest
from small_measurements import table
from small_sets import Knows, Positions, random_studies

from cxrtutor.errors import InputError
from cxrtutor.evaluation.evaluate import evaluate
from cxrtutor.evaluation.measurements import Measurements, average_runs, same_samples


def test_the_macro_mean_counts_every_category_once():
    measured = table(
        ("a", "a", "mass", 1.0), ("b", "b", "mass", 0.0), ("c", "c", "mass", np.nan), ("d", "d", "edema", 0.2)
    )
    assert measured.macro()["iou"] == pytest.approx((0.5 + 0.2) / 2)
    assert measured.by_finding()["iou"].to_dict() == {"edema": 0.2, "mass": 0.5}
    assert measured.by_finding()["samples"].to_dict() == {"edema": 1, "mass": 3}
    assert measured.undefined()["iou"] == 1
    assert measured.of_findings(["edema"]).macro()["iou"] == 0.2


def test_what_is_saved_is_what_is_loaded(tmp_path):
    studies = random_studies(12)
    measured = evaluate(Knows(studies, noise=0.5), Positions(), studies)
    measured.rows.loc[2, "iou"] = np.nan
    measured.save(tmp_path / "deep" / "m.json")
    loaded = Measurements.load(tmp_path / "deep" / "m.json")
    pd.testing.assert_frame_equal(loaded.rows, measured.rows, check_dtype=False, atol=5.1e-5, rtol=0)
    assert (loaded.protocol, loaded.prompts) == ("afloc", "precise")
    first = (tmp_path / "deep" / "m.json").read_bytes()
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == first


@pytest.mark.parametrize(
    "content", ["", "[]", '{"rows": {}}', '{"protocol": "afloc", "prompts": "p", "rows": {"iou": [1]}}']
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match="does not hold measurements"):
        Measurements.load(tmp_path / "m.json")


def test_measurements_are_values_that_json_can_hold():
    measured = table(("a", "p", "mass", np.nan), ("b", "q", "mass", 0.25))
    content = json.loads(json.dumps(measured.to_json(), allow_nan=False))
    pd.testing.assert_frame_equal(Measurements.from_json(content).rows[list(measured.rows)], measured.rows)


def test_measurements_of_retrieval_come_back_too(tmp_path):
    measured = table(("a", "p", "mass", 0.5), ("b", "q", "edema", np.nan))
    rows = measured.rows.drop(columns=["iou", "dice", "cnr", "pointing"]).assign(**{"recall@5": [1.0, np.nan]})
    Measurements(rows, "retrieval among 2 studies", "image to report").save(tmp_path / "m.json")
    pd.testing.assert_frame_equal(Measurements.load(tmp_path / "m.json").rows[list(rows)], rows)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no measurements at"):
        Measurements.load(tmp_path / "m.json")


def test_runs_are_averaged_sample_by_sample_whatever_their_order():
    first = table(("a", "a", "mass", 1.0), ("b", "b", "mass", 0.0))
    second = table(("b", "b", "mass", 0.5), ("a", "a", "mass", 0.0))
    mean = average_runs([first, second])
    assert mean.rows.set_index("study")["iou"].to_dict() == {"a": 0.5, "b": 0.25}
    assert average_runs([first]).macro()["iou"] == first.macro()["iou"]
    with pytest.raises(InputError, match="no run"):
        average_runs([])


def test_only_the_same_samples_under_one_protocol_are_compared():
    first, more = table(("a", "a", "mass", 1.0)), table(("a", "a", "mass", 1.0), ("b", "b", "mass", 1.0))
    with pytest.raises(InputError, match=r"different samples: 1 .*'b'"):
        same_samples(first, more)
    with pytest.raises(InputError, match="different protocols"):
        average_runs([first, table(("a", "a", "mass", 1.0), protocol="chexlocalize")])
