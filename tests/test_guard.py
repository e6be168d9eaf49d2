from __future__ import annotations

import json

import nbformat
import pytest

from cxrtutor import guard
from cxrtutor.errors import InputError


@pytest.fixture
def site(tmp_path):
    """A built site that may be published."""
    (tmp_path / "index.html").write_text("<p>The lungs are clear.</p>")
    (tmp_path / guard.LEDGER_NAME).write_text('{"name": "teaching set", "redistribution": true}\n')
    return tmp_path


@pytest.fixture(scope="module")
def sentence():
    """A sentence of an Open-I report, taken from the installed package at run time and written nowhere."""
    opening = min(guard.protected_sentences())
    return " ".join(guard.protected_sentences()[opening][0])


def notebook(path, outputs, count=None):
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=outputs, execution_count=count)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell]), path)
    return path


def test_a_stripped_notebook_passes(tmp_path):
    guard.check_notebook(notebook(tmp_path / "a.ipynb", []))


@pytest.mark.parametrize(("outputs", "count"), [([nbformat.v4.new_output("stream", text="2")], None), ([], 7)])
def test_a_notebook_with_outputs_is_refused(tmp_path, outputs, count):
    with pytest.raises(InputError, match=r"a\.ipynb, cell 2: .*nbstripout"):
        guard.check_notebook(notebook(tmp_path / "a.ipynb", outputs, count))


def test_a_site_of_redistributable_data_passes(site):
    notebook(site / "a.ipynb", [])
    guard.check_site(site)


def test_a_site_without_a_ledger_is_refused(site):
    (site / guard.LEDGER_NAME).unlink()
    with pytest.raises(InputError, match="unknown"):
        guard.check_site(site)


def test_a_site_whose_chapters_opened_a_restricted_set_is_refused(site, monkeypatch):
    monkeypatch.setenv(guard.LEDGER_VARIABLE, str(site / guard.LEDGER_NAME))
    guard.note_opened({"name": "teaching set", "redistribution": True})
    guard.check_site(site)
    guard.note_opened({"name": "MS-CXR", "redistribution": False})
    with pytest.raises(InputError, match="MS-CXR"):
        guard.check_site(site)


def test_a_card_that_says_nothing_counts_as_restricted(site, monkeypatch):
    monkeypatch.setenv(guard.LEDGER_VARIABLE, str(site / guard.LEDGER_NAME))
    guard.note_opened({"name": "found on a disk"})
    with pytest.raises(InputError, match="found on a disk"):
        guard.check_site(site)


def test_nothing_is_noted_outside_a_build(tmp_path, monkeypatch):
    monkeypatch.delenv(guard.LEDGER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    guard.note_opened({"name": "MS-CXR", "redistribution": False})
    assert list(tmp_path.iterdir()) == []


def test_a_record_made_from_a_restricted_set_is_refused(site):
    record = {"runs": [{"data": {"name": "MS-CXR", "redistribution": True}}]}
    (site / "record.json").write_text(json.dumps(record))
    guard.check_site(site)
    record["runs"][0]["data"]["redistribution"] = False
    (site / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"record\.json"):
        guard.check_site(site)


def test_a_notebook_with_outputs_in_the_site_is_refused(site):
    notebook(site / "source.ipynb", [nbformat.v4.new_output("stream", text="2")])
    with pytest.raises(InputError, match="has an output"):
        guard.check_site(site)


@pytest.mark.parametrize(
    "page",
    ["<p>{}.</p>", '<script>const report = {{"findings": "{}."}}</script>', "<pre><span>{}</span></pre>"],
    ids=["prose", "data in a script", "output"],
)
def test_a_page_that_quotes_an_open_i_report_is_refused(site, sentence, page):
    shown = sentence.upper().replace(" ", "</b> <b>" if page.startswith("<p>") else ",\n ")
    (site / "index.html").write_text("<p>Before it</p>" + page.format(shown))
    with pytest.raises(InputError, match="Open-I report"):
        guard.check_site(site)


def test_part_of_a_sentence_is_not_a_quotation(site, sentence):
    (site / "index.html").write_text("<p>" + sentence.rsplit(" ", 1)[0] + "</p>")
    guard.check_site(site)


def test_all_reports_are_read():
    assert len(list(guard.open_i_reports())) == 3955
    assert sum(map(len, guard.protected_sentences().values())) > 5000
