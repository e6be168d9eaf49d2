import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from small_measurements import rows, table

from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval, paired_difference
from cxrtutor.evaluation.published import published
from cxrtutor.evaluation.tables import ResultTable

LSM, GLOBAL = (rows(np.random.default_rng(seed).random(40), ("mass", "edema")) for seed in (0, 1))
OTSU = table(("a", "a", "mass", 0.5), ("b", "b", "mass", 0.25), protocol="chexlocalize")


@pytest.fixture
def compared():
    return ResultTable({"LSM & <co>_1": LSM, "global": GLOBAL}, ("iou", "cnr"))


def csv_rows(table: ResultTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def test_a_metric_that_a_row_lacks_is_named():
    with pytest.raises(InputError, match="LSM was not measured by recall@1, but by: iou"):
        ResultTable({"LSM": LSM}, ("iou", "recall@1"))


def test_every_form_holds_the_same_numbers(compared):
    cell = str(interval(LSM, "cnr"))
    text, latex = str(compared), compared.to_latex()
    assert cell in text and "protocol afloc" in text and "CNR" in text
    assert cell in latex and r"LSM \& <co>\_1 & " in latex and latex.count(r"\\") == 3

    html = ElementTree.fromstring(compared._repr_html_())
    assert [th.text for th in html.iter("th")] == ["Method", "IoU", "CNR", "LSM & <co>_1", "global"]
    assert [td.text for td in html.iter("td")][1] == cell

    first, second = csv_rows(compared)
    assert first["method"] == "LSM & <co>_1" and second["protocol"] == "afloc"
    assert float(first["cnr_low"]) == pytest.approx(interval(LSM, "cnr").low, abs=1e-6)
    assert float(second["iou"]) == pytest.approx(GLOBAL.macro()["iou"], abs=1e-6)


def test_text_is_aligned(compared):
    _, _, head, _, first, second, _, _ = str(compared).splitlines()
    assert head.index("IoU") == first.index(str(interval(LSM, "iou"))) == second.index(str(interval(GLOBAL, "iou")))


def test_every_form_says_how_many_samples_there_are(compared):
    assert compared.note == "40 samples of 40 patients."
    for form in (str(compared), compared._repr_html_(), compared.to_latex()):
        assert compared.note in form
    assert [row["samples"] for row in csv_rows(compared)] == ["40", "40"]


def test_intervals_are_over_what_the_ids_are_of():
    over_images = ResultTable({"LSM": LSM}, ("iou",), unit="images")
    assert "interval over images)" in over_images.caption and over_images.note.endswith("images.")
    assert "patients" not in str(over_images)


def test_what_a_metric_leaves_out_is_counted_by_row():
    nan = float("nan")
    holed = rows([nan, nan, 0.5, 0.25], ("mass", "edema"), patients=list("aabb"))
    whole = rows([0.1, 0.2, 0.3, 0.4], ("mass", "edema"), patients=list("aabb"))
    compared = ResultTable({"holed": holed, "whole": whole}, ("iou",))
    assert compared.note == "4 samples of 2 patients. IoU undefined and left out: holed 2, whole 0."
    assert [row["iou_undefined"] for row in csv_rows(compared)] == ["2", "0"]
    assert ResultTable({"holed": holed}, ("cnr",)).note.endswith("CNR undefined and left out: 2.")
    fewer = ResultTable({"all": whole, "some": whole.of_findings(["mass"])}, ("iou",))
    assert fewer.note == "all 4 samples of 2 patients, some 2 samples of 2 patients."


class TestProtocols:
    def test_rows_of_different_protocols_are_refused(self):
        with pytest.raises(InputError, match="LSM: afloc, other: chexlocalize"):
            ResultTable({"LSM": LSM, "other": OTSU})
        with pytest.raises(InputError, match="at least one row"):
            ResultTable({})

    def test_a_table_about_protocols_says_so_and_names_each(self):
        both = ResultTable({"LSM": LSM, "other": OTSU}, ("iou",), across_protocols=True)
        assert both.caption.endswith("rows of different protocols: afloc, chexlocalize")
        html = ElementTree.fromstring(both._repr_html_())
        assert [th.text for th in html.iter("th")][:3] == ["Method", "IoU", "Protocol"]
        *_, first, second, _, _ = str(both).splitlines()
        assert first.endswith("afloc") and second.endswith("chexlocalize")
        assert r"& chexlocalize \\" in both.to_latex()
        assert [row["protocol"] for row in csv_rows(both)] == ["afloc", "chexlocalize"]

    def test_one_protocol_needs_no_column(self):
        assert str(ResultTable({"LSM": LSM}, across_protocols=True)) == str(ResultTable({"LSM": LSM}))

    def test_a_threshold_chosen_by_the_truth_is_an_upper_bound(self):
        best = table(("a", "a", "mass", 0.5), protocol="best")
        assert "best (upper bound: its threshold is chosen by the truth)" in str(ResultTable({"LSM": best}))
        assert "upper bound" not in str(ResultTable({"LSM": LSM}))
        both = ResultTable({"Otsu": OTSU, "hindsight": best}, across_protocols=True)
        assert "upper bound" in str(both).splitlines()[5] and "upper bound" not in str(both).splitlines()[4]


class TestReference:
    def test_every_other_row_has_its_paired_difference(self):
        table = ResultTable({"LSM": LSM, "global": GLOBAL}, ("iou", "cnr"), reference="LSM")
        difference = paired_difference(GLOBAL, LSM, "cnr")
        assert table.differences == {
            "global": {metric: paired_difference(GLOBAL, LSM, metric) for metric in ("iou", "cnr")}
        }
        assert "Δ: less LSM on the same samples" in table.caption
        html = ElementTree.fromstring(table._repr_html_())
        assert [th.text for th in html.iter("th")][:5] == ["Method", "IoU", "Δ IoU", "CNR", "Δ CNR"]
        cells = [td.text for td in html.iter("td")]
        assert cells[:4] == [str(interval(LSM, "iou")), "-", str(interval(LSM, "cnr")), "-"]
        assert cells[7] == str(difference)
        assert r"$\Delta$ CNR" in table.to_latex() and str(difference) in table.to_latex()
        first, second = csv_rows(table)
        assert first["cnr_difference"] == ""
        assert float(second["cnr_difference_low"]) == pytest.approx(difference.low, abs=1e-6)

    def test_a_difference_over_fewer_samples_says_so(self):
        gaps = rows(np.random.default_rng(0).random(40), ("mass", "edema"))
        gaps.rows.loc[:4, "iou"] = np.nan
        table_ = ResultTable({"LSM": LSM, "silent": gaps}, ("iou", "cnr"), reference="LSM")
        counting = (gaps.rows.iou.notna() & LSM.rows.iou.notna()).sum()
        assert f"Δ IoU over the samples that count for both rows: silent {counting}." in table_.note
        assert "Δ CNR over" not in table_.note
        assert "count for both" not in ResultTable({"LSM": LSM, "global": GLOBAL}, reference="LSM").note

    def test_a_reference_must_be_a_row_of_the_same_protocol_and_samples(self):
        with pytest.raises(InputError, match=r"'lsm' is no row. The rows are: LSM"):
            ResultTable({"LSM": LSM}, reference="lsm")
        with pytest.raises(InputError, match="no paired difference"):
            ResultTable({"LSM": LSM, "other": OTSU}, reference="LSM", across_protocols=True)
        with pytest.raises(InputError, match="different samples"):
            str(ResultTable({"LSM": LSM, "half": LSM.of_findings(["mass"])}, reference="LSM"))


class TestPublished:
    @pytest.fixture
    def beside(self):
        figures = published(method="AFLoc", dataset="MS-CXR")
        return ResultTable({"LSM": LSM}, ("iou", "pointing")).beside(figures, "the teaching set")

    def test_each_row_says_what_it_is(self, beside):
        lines = str(beside).splitlines()
        rule = next(i for i, line in enumerate(lines) if line.startswith("Published: "))
        above, below = lines[:rule], lines[rule + 1 : -2]
        assert "Not to be compared number by number" in lines[rule] and set(lines[rule - 1]) == {"-"}
        assert above[-2].endswith("afloc                 the teaching set  measured here")
        assert all("MS-CXR" in line for line in below) and not any("MS-CXR" in line for line in above)
        figure, rerun, *findings = below
        assert "≈ 0.325 (0.315 to 0.334)" in figure and "afloc-skipping-empty" in figure
        assert figure.endswith("AFLoc, arXiv 2401.02044 (read off a figure)")
        assert "0.784" in rerun and rerun.endswith("(verified)") and "afloc, re-run" in rerun
        assert len(findings) == 8 and findings[0].split()[:3] == ["AFLoc", "(atelectasis)", "0.382"]

    def test_in_every_form(self, beside):
        html = ElementTree.fromstring(beside._repr_html_())
        own, others = html.findall("tbody")
        assert len(own.findall("tr")) == 1 and len(others.findall("tr")) == 1 + 10
        assert others.find("tr/th").get("colspan") == "6"
        latex = beside.to_latex()
        assert latex.count(r"\midrule") == 2 and r"$\approx$ 0.325 (0.315 to 0.334)" in latex
        ours, figure, *_ = csv_rows(beside)
        assert ours["source"] == "" and ours["samples"] == "40" and ours["protocol"] == "afloc"
        assert (figure["iou"], figure["iou_low"], figure["dataset"]) == ("0.325000", "0.315000", "MS-CXR")
        assert figure["certainty"] == "read off a figure" and figure["samples"] == ""

    def test_they_take_no_part_in_paired_differences(self):
        compared = ResultTable({"LSM": LSM, "global": GLOBAL}, ("iou",), reference="LSM")
        beside = compared.beside(published(method="AFLoc", metric="iou", finding="edema"))
        assert beside.differences.keys() == {"global"}
        [line] = [line for line in str(beside).splitlines() if line.startswith("AFLoc")]
        assert line.split()[2:4] == ["0.260", "-"]
        assert beside.intervals.keys() == {"LSM", "global"}

    def test_figures_of_other_metrics_have_no_place(self):
        with pytest.raises(InputError, match=r"None of these figures is of the table's metrics \(iou\)"):
            ResultTable({"LSM": LSM}, ("iou",)).beside(published(metric="auroc"))
