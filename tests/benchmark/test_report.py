"""The report: one page that asks for nothing else, the same in Markdown, all numbers in a table; films are guarded."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from evaluation.small_measurements import rows
from small_benchmark import made_up, record_all, write_benchmark
from transfer.small_tasks import small_teaching_set

from cxrtutor import guard
from cxrtutor.benchmark.benchmark import Benchmark, load_benchmark
from cxrtutor.benchmark.films import PicturedFilm, pictured_films
from cxrtutor.benchmark.report import NOT_CLINICAL, BenchmarkReport, _leading
from cxrtutor.benchmark.sections import TIDY, Row, Section
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.evaluation.tables import ResultTable

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("report")
    return load_benchmark(write_benchmark(folder, small_teaching_set(folder / "set")))


@pytest.fixture(scope="module")
def report(asked: Benchmark) -> BenchmarkReport:
    return BenchmarkReport(asked, {trial.file: made_up(trial) for trial in asked.all_trials()})


@pytest.fixture(scope="module")
def written(report: BenchmarkReport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = report.write(tmp_path_factory.mktemp("written"))
    return {path.suffix: path for path in files}


@pytest.fixture(scope="module")
def page(written: dict[str, Path]) -> str:
    return written[".html"].read_text()


class TestPage:
    def test_it_asks_for_nothing_else(self, page: str) -> None:
        asked_for = re.findall(r"""(?:src|href)=["']([^"']*)""", page) + re.findall(r"url\(([^)]*)", page)
        assert asked_for and all(one.startswith(("#", "data:")) for one in asked_for)
        assert "<script" not in page and "@import" not in page

    def test_the_contents_lead_to_every_part(self, page: str) -> None:
        links, parts = re.findall(r'href="#([^"]+)"', page), re.findall(r'<section id="([^"]+)"', page)
        assert links == parts and len(set(parts)) == len(parts) == 6

    def test_words_of_the_file_are_words(self, page: str) -> None:
        assert "<h1>Two methods &amp; &lt;one&gt; network</h1>" in page
        assert "<one>" not in page

    def test_it_says_what_it_is_not_for(self, page: str) -> None:
        assert NOT_CLINICAL in page

    def test_tables_say_what_their_cells_are(self, page: str) -> None:
        tables = [ElementTree.fromstring(one) for one in re.findall(r"<table.*?</table>", page, re.DOTALL)]
        assert len(tables) == 1 + 3 * 2 + 1
        for table in tables:
            assert "".join(table.find("caption").itertext()).strip()
            assert all(cell.get("scope") == "col" for cell in table.findall("thead/tr/th"))
            assert all(row.find("th").get("scope") in ("row", "rowgroup") for row in table.findall("tbody/tr"))

    def test_every_film_is_told_in_words(self, page: str) -> None:
        pictures = re.findall(r'<img src="data:image/webp;base64,[^"]+" alt="([^"]+)"', page)
        assert len(pictures) == 2 == page.count("<img")
        assert all("heat maps of IoU LSM 0." in alt and "convirt 0." in alt for alt in pictures)

    def test_one_more_writing_is_the_same_to_the_last_byte(self, report: BenchmarkReport, page: str) -> None:
        assert BenchmarkReport(report.benchmark, report.records).to_html() == page

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [360, 1400])
    def test_it_fits_narrow_and_wide_in_light_and_dark(
        self, browser: Browser, written: dict[str, Path], width: int, scheme: str
    ) -> None:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        seen = context.new_page()
        seen.goto(written[".html"].as_uri())
        assert seen.evaluate("document.documentElement.scrollWidth") <= width
        paper, ink = seen.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
            ".map(colour => colour.match(/\\d+/g).reduce((sum, part) => sum + Number(part), 0) / 3)"
        )
        assert (paper > 200 and ink < 60) if scheme == "light" else (paper < 60 and ink > 200)
        context.close()


def test_the_best_and_its_equals_are_bold(report: BenchmarkReport) -> None:
    head, *rows = report._glance()
    assert head == ["Table", "By", "LSM", "convirt", "a network"]
    assert [row[:2] for row in rows] == [
        ["Where", "IoU"],
        ["Which: opacity, 50 %", "AUROC"],
        ["Which: opacity, 100 %", "AUROC"],
    ]
    where = rows[0][2:]
    assert where[0].startswith("**0.6") and where[1].startswith("0.3") and where[2] == ""
    for section, row in zip(report.sections, rows, strict=True):
        alike = set(section.verdicts.alike.iloc[0].split("; ")) - {""}
        bold = {name for name, cell in zip(head, row, strict=True) if cell.startswith("**")}
        assert bold == {next(iter(section.rows)), *alike}


def test_what_is_undefined_is_not_the_best() -> None:
    nothing, something = (rows(np.full(9, value)) for value in (np.nan, 0.5))
    table = {"one": Row({0: something}), "another": Row({0: nothing})}
    section = Section("", "", "iou", table, ResultTable({name: row.pooled for name, row in table.items()}))
    assert _leading(section) == {"one"}


def test_names_that_hold_commas_are_not_taken_for_two(asked: Benchmark, report: BenchmarkReport) -> None:
    names = {"lsm": "LSM, as it was", "convirt": "ConVIRT"}
    named = replace(asked, spec=asked.spec.model_copy(update={"names": names}))
    text = BenchmarkReport(named, report.records).to_markdown()
    assert "LSM, as it was; ConVIRT |" in text


def test_markdown_has_tables_that_hang_together(written: dict[str, Path]) -> None:
    text = written[".md"].read_text()
    assert f"**{NOT_CLINICAL}**" in text and "data:image" not in text
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 1 + 3 * 2 + 2 + 1  # two have published rows
    for table in tables:
        lines = table.strip().split("\n")
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines}) == 1
        assert set(lines[1]) == {"|", "-"}


def test_the_table_of_all_numbers_can_be_read(written: dict[str, Path], report: BenchmarkReport) -> None:
    table = pd.read_csv(written[".csv"])
    assert tuple(table.columns) == TIDY
    assert len(table) == len(report.tidy)
    lsm = table[(table.table == "Where") & (table.method == "LSM") & (table.metric == "iou")].squeeze()
    assert lsm["mean"] == pytest.approx(report.overview.loc["LSM", "Where"], abs=1e-6)
    assert lsm.low < lsm["mean"] < lsm.high and lsm.seeds == 2


def test_what_it_was_made_of_is_told(report: BenchmarkReport) -> None:
    local = report.sources.set_index("experiment").loc["local"]
    assert local.to_dict() == {
        "records": "4 of 4",
        "made": "2026-01-02",
        "machines": "a machine, 1 threads",
        "cxrtutor": "0",
        "training, in seconds": "8",
    }


def test_what_is_not_recorded_and_not_here_is_told(asked: Benchmark) -> None:
    lacking = Benchmark(asked.spec, asked.trials, {"data/x is not prepared here.": ("far",)}, None)
    bare = BenchmarkReport(lacking, {})
    assert bare.left_out == [
        "data/x is not prepared here. (Without it: far.)",
        *(
            f"{name}: {len(trials)} of {len(trials)} trials have no record of today."
            for name, trials in asked.trials.items()
        ),
    ]
    for text in (bare.to_html(), bare.to_markdown()):
        assert "data/x is not prepared here." in text
    assert pd.read_csv(io.StringIO(bare.to_csv())).empty


@pytest.fixture(scope="module")
def films(report: BenchmarkReport) -> list[PicturedFilm]:
    return report.films["Films"]


class TestFilms:
    def test_all_methods_are_asked_about_the_same_films(self, films: list[PicturedFilm]) -> None:
        assert [list(film.heats) for film in films] == [["LSM", "convirt"]] * 2
        assert len({film.prompt for film in films}) == 2

    def test_heat_and_truth_are_on_the_film(self, films: list[PicturedFilm], asked: Benchmark) -> None:
        from cxrtutor.evaluation.evaluate import samples_of
        from cxrtutor.localization.prompts import asking

        studies = StudyDataset(asked.trials["films"][0].config.data.set, "test")
        for film in films:
            [sample] = [
                sample
                for position, study in enumerate(studies)
                for sample in samples_of(position, study, asking("precise")(study))
                if np.array_equal(study.image, film.image) and sample.prompt == film.prompt
            ]
            assert np.array_equal(sample.truth, film.truth)
            right, left = film.heats["convirt"], film.heats["LSM"]
            assert left.shape == film.image.shape == film.truth.shape
            judged = ~np.isnan(left)
            assert np.nanmean(left[:, : left.shape[1] // 2]) < np.nanmean(left[:, left.shape[1] // 2 :])
            assert np.allclose(left[judged], right[:, ::-1][judged], atol=1e-4)

    def test_the_figure_has_a_panel_for_the_film_and_each_method(self, films: list[PicturedFilm]) -> None:
        titles = [axes.get_title() for axes in films[0].figure().axes]
        assert titles[0] == "film and truth" and [title.split("\n")[0] for title in titles[1:]] == ["LSM", "convirt"]

    def test_there_are_none_where_nothing_is_recorded_or_the_set_is_not_here(
        self, asked: Benchmark, report: BenchmarkReport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trials = asked.trials["films"]
        assert pictured_films(trials, {}, {}) == []
        monkeypatch.setattr("cxrtutor.benchmark.films.studies_are_made", lambda name, edition: False)
        assert pictured_films(trials, report.records, {}) == []
        assert "<img" not in BenchmarkReport(asked, report.records).to_html()

    def test_of_a_set_that_may_not_be_passed_on_the_page_alone_is_marked(self, tmp_path: Path) -> None:
        studies = small_teaching_set(tmp_path / "set")
        card = json.loads((studies / "card.json").read_text())
        (studies / "card.json").write_text(json.dumps(card | {"redistribution": False, "name": "Closed <set>"}))
        tables = [{"title": "Where", "experiment": "local"}]
        closed = load_benchmark(write_benchmark(tmp_path, studies, tables=tables))
        record_all(closed, tmp_path / "records")
        page, text, table = BenchmarkReport(closed, closed.records(tmp_path / "records")).write(tmp_path / "out")
        assert guard.restricted_sets(page.read_text()) == ["Closed <set>"]
        assert "FOR YOUR OWN EYES ONLY" in page.read_text()
        assert guard.check([page]).problems
        assert not guard.check([text, table]).problems

    def test_of_a_free_set_nothing_is_marked(self, written: dict[str, Path]) -> None:
        assert not guard.check(list(written.values())).problems
