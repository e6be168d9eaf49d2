import pandas as pd
import pytest

from cxrtutor.errors import InputError
from cxrtutor.evaluation.published import PUBLISHED, Published, published
from cxrtutor.localization.protocols import PROTOCOLS

ENTERED_TWICE = """
afloc-skipping-empty, iou/dice/cnr
RSNA Pneumonia: GLoRIA .278/.411/1.225, BioViL .296/.434/1.303, MedKLIP .318/.465/1.034, AFLoc .342/.485/1.540
MS-CXR: GLoRIA .269/.393/1.289, BioViL .228/.343/1.084, MedKLIP .264/.395/1.04, AFLoc .325/.462/1.638
COVID Rural: GLoRIA .139/.224/.665, BioViL .192/.299/.977, MedKLIP .174/.281/.840, AFLoc .211/.323/1.064
afloc, re-run, iou/dice/cnr/pointing
MS-CXR: MedKLIP .187/.294/.952/.412, GLoRIA .242/.364/1.280/.656, AFLoc .323/.461/1.631/.784
medklip, pointing/iou/dice
RSNA Pneumonia: GLoRIA .833/.218/.347, BioViL .852/.303/.439, MedKLIP .866/.317/.465, G2D .884/.335/.477
biovil, absolute CNR, cnr
MS-CXR: ConVIRT .818, GLoRIA .930, BioViL 1.027, BioViL-L 1.142
"""
"""The tables of localization, typed once more: a slip in one of the two is a difference."""


def one(**asked) -> Published:
    [row] = published(**asked)
    return row


def test_figures_of_every_table():
    afloc = one(method="AFLoc", dataset="MS-CXR", metric="iou", protocol="afloc-skipping-empty")
    assert (afloc.value, afloc.low, afloc.high, afloc.certainty) == (0.325, 0.315, 0.334, "read off a figure")
    assert str(afloc) == "≈ 0.325 (0.315 to 0.334)" and "2401.02044" in afloc.source
    assert one(method="GLoRIA", dataset="COVID Rural", metric="cnr").value == 0.665
    assert one(method="BioViL-L").value == 1.142
    assert one(method="G2D", metric="pointing").value == 0.884
    assert one(method="AFLoc", finding="pneumothorax").value == 0.120
    assert one(method="MGCA", dataset="SIIM", labels=0.1).value == 0.593
    assert one(method="ConVIRT", dataset="Object-CXR", labels=1.0).value == 0.159
    assert str(one(method="MGCA", dataset="CheXpert", labels=0.01)) == "0.876"


def test_what_was_entered_twice_agrees():
    protocol, metrics, entered = "", [], {}
    for line in ENTERED_TWICE.strip().splitlines():
        dataset, colon, rows = line.partition(": ")
        if not colon:
            protocol, names = line.rsplit(", ", 1)
            metrics = names.split("/")
            continue
        for row in rows.split(", "):
            method, values = row.split(" ")
            for metric, value in zip(metrics, values.split("/"), strict=True):
                entered[method, dataset, metric, protocol] = float(value)
    means = [row for row in PUBLISHED if row.finding is None and row.labels is None]
    assert {(row.method, row.dataset, row.metric, row.protocol): row.value for row in means} == entered


def test_a_method_read_in_two_ways_stands_there_twice():
    rows = published(method="MedKLIP", dataset="MS-CXR", metric="iou")
    assert {row.protocol: row.value for row in rows} == {"afloc-skipping-empty": 0.264, "afloc, re-run": 0.187}


def test_no_figure_stands_there_twice_and_each_is_possible():
    key = ["method", "dataset", "metric", "protocol", "finding", "labels"]
    frame = pd.DataFrame(published())
    assert len(frame) == len(PUBLISHED) == 4 * 3 * 3 + 3 * 4 + 8 + 4 + 4 * 3 + 5 * (7 * 3 - 1)
    assert not frame.duplicated(key).any()
    assert frame.value.between(0, 1)[frame.metric != "cnr"].all() and frame.value.between(0, 2).all()
    assert frame[["source", "protocol", "certainty"]].map(bool).all(axis=None)


def test_limits_enclose_their_value():
    bounded = [row for row in PUBLISHED if row.low is not None]
    assert len(bounded) == 3 and all(row.low < row.value < row.high for row in bounded)


def test_more_labels_rarely_hurt():
    """A slip of a column in the transfer table would break the order of many rows."""
    frame = pd.DataFrame(row for row in PUBLISHED if row.labels)
    by_labels = frame.pivot_table(index=["method", "dataset", "metric"], columns="labels", values="value")
    assert not (by_labels.diff(axis=1) < -0.01).any(axis=None)
    random = by_labels.loc["random weights"]
    assert (by_labels.loc["MGCA"] >= random)[1.0].all()


def test_only_what_was_read_off_a_figure_has_an_error():
    assert {row.error for row in PUBLISHED if row.certainty == "verified"} == {0}
    assert {(row.metric, row.error) for row in PUBLISHED if row.error} == {
        ("iou", 0.001),
        ("dice", 0.001),
        ("cnr", 0.004),
    }


def test_protocols_of_localization_that_we_have_bear_our_names():
    assert {"afloc-skipping-empty", "medklip"} <= {row.protocol for row in PUBLISHED} & set(PROTOCOLS)


def test_what_nobody_published():
    with pytest.raises(InputError, match=r"No published figure has the method 'LSM'.*AFLoc.*MGCA"):
        published(method="LSM")
    assert published(method="MGCA", metric="cnr") == []
