from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from data.made_up import make_set
from nbclient import NotebookClient
from typer.testing import CliRunner

from cxrtutor import guard
from cxrtutor.cli import app
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
    with pytest.raises(InputError, match="Open-I report") as refusal:
        guard.check_site(site)
    assert sentence not in str(refusal.value)


def halves(sentence):
    words = sentence.split()
    return " ".join(words[:3]), " ".join(words[3:])


HIDDEN = {
    "widget.json": lambda text: json.dumps({"children": [{"value": text}]}),
    "table.csv": lambda text: f'id,text\n1,"{text}"\n',
    "drawing.svg": lambda text: f"<svg><text>{text}</text></svg>",
    "lines.jsonl": lambda text: json.dumps(text),
    "widgets.ipynb": lambda text: json.dumps({"cells": [], "metadata": {"widgets": {"x": text}}}),
    "wrapped.json": lambda text: json.dumps("\n".join(halves(text))),
    "wrapped.py": lambda text: f"x = {chr(10).join(halves(text))!r}",
    "wrapped-twice.html": lambda text: f"<script>{json.dumps(json.dumps('FINDINGS:' + chr(10) + text))}</script>",
    "alternative.html": lambda text: f'<p>x</p><img alt="{text}">',
    "attribute.html": lambda text: f"<div data-text='{text}'></div>",
    "comparison.html": lambda text: f"<script>for(i=0;i<n;i++); t='{text}'</script>",
    "comparison-and-tags.html": lambda text: f"<script>for(i=0;i<n;i++)</script><b>{text.replace(' ', '</b> <b>')}</b>",
    "page-in-a-page.html": lambda text: (
        f'<iframe srcdoc="&lt;b&gt;{text.replace(" ", "&lt;/b&gt; &lt;b&gt;")}"></iframe>'
    ),
    "escaped-tags.html": lambda text: f"<script>'{text.replace(' ', chr(92) + 'u003cb' + chr(92) + 'u003e')}'</script>",
    "escaped-spaces.html": lambda text: f"<script>'{text.replace(' ', chr(92) + 'u0020')}'</script>",
    "soft-hyphen.html": lambda text: f"<p>{text[:-2]}&shy;{text[-2:]}</p>",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_sentence_is_found_wherever_it_hides(tmp_path, sentence, name):
    (tmp_path / name).write_text(HIDDEN[name](sentence))
    assert len([one for one in guard.check([tmp_path]).problems if "Open-I report" in one]) == 1
    (tmp_path / name).write_text(HIDDEN[name](sentence.rsplit(" ", 1)[0]))
    assert not [one for one in guard.check([tmp_path]).problems if "Open-I report" in one]


def test_a_record_of_the_simulated_set_may_say_what_a_report_says_too(tmp_path, sentence):
    record = {"about": {"config": {"data": {"set": "teaching"}}}, "prompt": sentence}
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert not guard.check([tmp_path]).problems
    record["about"]["config"]["data"]["set"] = "data/open-i"
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert len(guard.check([tmp_path]).problems) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{{"data": {{"redistribution": {}}}}}'),
        ("a.jsonl", '{{"a": 1}}\n{{"redistribution": {}, "b": 2}}\n'),
        ("a.yaml", "data:\n  redistribution: {}  # see the licence\n"),
        ("a.toml", "redistribution = {}\n"),
    ],
)
def test_all_that_does_not_say_that_it_may_be_redistributed_is_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content.format("true"))
    assert not guard.check([tmp_path]).problems
    for value in ("false", '"no"', "null" if name == "a.json" else "", '"true"', "0"):
        (tmp_path / name).write_text(content.format(value))
        [problem] = guard.check([tmp_path]).problems
        assert "redistribut" in problem


def test_a_dicom_file_without_a_preamble_is_known_by_its_name(tmp_path):
    (tmp_path / "film.DCM").write_bytes(b"\x08\x00\x05\x00CS")
    [problem] = guard.check([tmp_path]).problems
    assert "is a DICOM file" in problem


def test_part_of_a_sentence_is_not_a_quotation(site, sentence):
    (site / "index.html").write_text("<p>" + sentence.rsplit(" ", 1)[0] + "</p>")
    guard.check_site(site)


def test_all_reports_are_read():
    assert len(list(guard.open_i_reports())) == 3955
    assert sum(map(len, guard.protected_sentences().values())) > 5000


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A set that may be redistributed, and one that may not, both prepared."""
    folder = tmp_path_factory.mktemp("sets")
    for name, free in (("free", True), ("secret", False)):
        card = make_set(folder / name, {"train": 2}) / "card.json"
        content = json.loads(card.read_text()) | {"name": f'A "{name}" set & more', "redistribution": free}
        card.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def executed(sets, tmp_path_factory):
    """A notebook that opened both sets, and one that opened the free one, as Jupyter runs them in a build."""
    folder = tmp_path_factory.mktemp("book")
    opening = "from cxrtutor.data.dataset import StudyDataset\n"
    free, secret = (f"StudyDataset({str(sets / name)!r})" for name in ("free", "secret"))
    codes = {
        "restricted": [f"{opening}{free}[0].id", f"{secret}[0].image.shape, {secret}[1].id", "1 + 1", f"len({secret})"],
        "open": [f"{opening}{free}[0].id"],
    }
    for name, cells in codes.items():
        cells = [nbformat.v4.new_markdown_cell(f"# {name}"), *map(nbformat.v4.new_code_cell, cells)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(guard.LEDGER_VARIABLE, str(folder / guard.LEDGER_NAME))
            NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


def test_a_notebook_is_marked_once_in_each_cell_that_opens_a_restricted_set(executed):
    cells = [cell for cell in nbformat.read(executed / "restricted.ipynb", 4).cells if cell.cell_type == "code"]
    marks = [[output for output in cell.outputs if guard.restricted_sets(json.dumps(output))] for cell in cells]
    assert [len(found) for found in marks] == [0, 1, 0, 1]
    banner = marks[1][0].data
    assert set(banner) == {"text/html", "text/plain"}
    for form in banner.values():
        assert guard.restricted_sets(form) == ["A 'secret' set & more"]
        assert "may not be redistributed" in form
    assert not guard.restricted_sets((executed / "open.ipynb").read_text())


def test_an_executed_notebook_that_is_marked_is_refused_by_name(executed):
    with pytest.raises(
        InputError, match=r"restricted\.ipynb: shows data of A 'secret' set.*Without its outputs.*may be"
    ):
        guard.check_notebook(executed / "restricted.ipynb")


@pytest.fixture(scope="module")
def built(executed, tmp_path_factory):
    """The site that the book's machinery makes of both, strictly."""
    site = tmp_path_factory.mktemp("site")
    (executed / "index.md").write_text("# Book\n\n```{toctree}\nrestricted\nopen\n```\n")
    settings = {
        "extensions": "myst_nb",
        "nb_execution_mode": "off",
        "html_theme": "basic",
        "exclude_patterns": guard.LEDGER_NAME,
        "suppress_warnings": "myst.linkify",
    }
    options = [word for setting in settings.items() for word in ("-D", "=".join(setting))]
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-C", *options, executed, site]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (site / guard.LEDGER_NAME).write_text((executed / guard.LEDGER_NAME).read_text())
    return site


def test_the_page_of_a_restricted_notebook_says_so_and_is_refused_by_name(built):
    assert "<strong>This notebook shows data of A" in (built / "restricted.html").read_text()
    problems = guard.check([built]).problems
    assert len([one for one in problems if one.startswith(f"{built / 'restricted.html'}: shows data of A 'sec")]) == 1
    assert not [one for one in problems if "open.html" in one or "index.html" in one]
    with pytest.raises(InputError, match=r"restricted\.html"):
        guard.check_site(built)


def test_a_hidden_output_does_not_hide_that_a_set_was_opened(built, tmp_path):
    for name in ("index.html", "open.html", guard.LEDGER_NAME):
        (tmp_path / name).write_bytes((built / name).read_bytes())
    [problem] = guard.check([tmp_path]).problems
    assert "its chapters opened A 'secret' set" in problem and "output may be hidden" in problem


@pytest.mark.parametrize(
    "widget",
    [
        '<script type="application/vnd.jupyter.widget-state+json">{"html": "<b data-%s=\\"MS-CXR\\">"}</script>',
        '<div data-state="{&quot;html&quot;: &quot;<b data-%s=\\&quot;MS-CXR\\&quot;>&quot;}"></div>',
        "<pre>This notebook shows data (%s=&quot;MS-CXR&quot;)</pre>",
    ],
    ids=["state in a script", "state in an attribute", "plain text"],
)
def test_a_mark_in_a_widget_is_found(site, widget):
    (site / "index.html").write_text(widget % guard.MARK)
    with pytest.raises(InputError, match=r"index\.html: shows data of MS-CXR"):
        guard.check_site(site)


def test_a_widget_state_file_is_searched_too(site):
    (site / "state.json").write_text(json.dumps({"html": f'<b data-{guard.MARK}="MS-CXR">'}))
    with pytest.raises(InputError, match=r"state\.json: shows data of MS-CXR"):
        guard.check_site(site)


def test_a_build_is_known_to_be_one(monkeypatch):
    monkeypatch.delenv(guard.LEDGER_VARIABLE, raising=False)
    assert not guard.publishing()
    monkeypatch.setenv(guard.LEDGER_VARIABLE, "ledger")
    assert guard.publishing()


def test_a_truth_file_restricts_unless_it_is_ones_own(tmp_path, monkeypatch):
    from cxrtutor.data.truth_files import read_truth

    monkeypatch.setenv(guard.LEDGER_VARIABLE, str(tmp_path / "ledger"))
    truth = tmp_path / "truth.csv"
    truth.write_text("patientId,x,y,width,height,Target\na,1,2,3,4,1\n")
    read_truth(truth, redistribution=True)
    read_truth(truth)
    noted = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [one["redistribution"] for one in noted] == [True, False] and "RSNA" in noted[1]["name"]


def test_prepared_sets_and_films_are_refused(sets, tmp_path):
    assert not guard.check([sets / "free"]).problems
    problems = guard.check([sets / "secret"]).problems
    assert {one.rsplit("/", 1)[1].split(":")[0] for one in problems} == {"card.json", "train-00000.parquet"}
    (tmp_path / "train.parquet").write_bytes((sets / "free" / "train-00000.parquet").read_bytes())
    (tmp_path / "film.png").write_bytes(bytes(128) + b"DICM")
    problems = guard.check([tmp_path]).problems
    assert len(problems) == 2 and "no card beside it" in problems[1] and "DICOM" in problems[0]


def test_a_notebook_or_a_text_that_quotes_an_open_i_report_is_refused(tmp_path, sentence):
    quoting = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"They wrote: {sentence}.")])
    nbformat.write(quoting, tmp_path / "a.ipynb")
    (tmp_path / "b.md").write_text(f"- {sentence}\n")
    assert len([one for one in guard.check([tmp_path]).problems if "Open-I report" in one]) == 2


def test_a_broken_notebook_or_record_is_no_pass(tmp_path):
    (tmp_path / "a.ipynb").write_text("{")
    (tmp_path / "b.json").write_text('{"redistribution": ')
    assert len(guard.check([tmp_path]).problems) == 2


def test_the_command_names_what_it_checked_and_what_it_found(site, built, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(app, ["guard"]).exception, InputError)
    result = CliRunner().invoke(app, ["guard", str(site)])
    assert result.exit_code == 0 and "1 pages" in result.stdout and "Nothing was found that must not" in result.stdout
    result = CliRunner().invoke(app, ["guard", str(site), str(built), "--json"])
    said = json.loads(result.stdout)
    assert result.exit_code == 2 and said["checked"]["sites"] == 2 and "restricted.html" in said["problems"][0]
    result = CliRunner().invoke(app, ["guard", str(built)])
    assert result.exit_code == 2 and "Nothing was found" not in result.stdout
    assert "Not to be published" in result.stdout and "restricted.html" in result.stdout


DICOM_ID = "-".join(["02aa804e", "bde0afdd", "112c0b34", "7bc16630", "4e384014"])


@pytest.mark.parametrize(
    "name",
    [
        "mimic-cxr-2.0.0-metadata.csv.gz",
        "MS_CXR_Local_Alignment_v1.1.0.csv",
        "stage_2_train_labels.csv",
        "gt_segmentations_val.json",
        "hb_annotations_test.json",
        "files/p10/p10000032/s50414267.txt",
        "files/p10/p10000032/s50414267/film.jpg",
    ],
)
def test_an_owners_file_is_refused_by_its_name(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{}")
    [problem] = guard.check([tmp_path]).problems
    assert problem == f"{tmp_path / name}: bears the name of a file of a restricted set. Leave it out."


def test_names_that_are_like_an_owners_pass(tmp_path):
    for name in ("weight_map.json", "mimic_cxr.py", "my_stage_2.csv", "p10.txt", "gt_boxes.py"):
        (tmp_path / name).write_text("{}")
    assert not guard.check([tmp_path]).problems


@pytest.mark.parametrize("name", ["skipped.csv", "record.json"])
def test_a_table_with_ids_of_mimics_images_is_refused(tmp_path, name):
    (tmp_path / name).write_text(f'["{DICOM_ID}", 1]')
    with pytest.raises(InputError, match=rf"{name}: holds ids of images of MIMIC-CXR"):
        guard.check_site(tmp_path / name)
    (tmp_path / name).write_text(f'["{DICOM_ID[:-9]}", 1]')
    guard.check_site(tmp_path / name)


def test_what_is_not_understood_is_named(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG")
    (tmp_path / "weights.bin").write_bytes(bytes(9))
    (tmp_path / "Makefile").write_text("all:\n")
    (tmp_path / "long.txt").write_text("a" + "é" * 9999)  # what is read of it ends within a character
    checked = guard.check([tmp_path])
    assert checked.counts == {"pictures": 5, "other files": 1, "texts": 2} and not checked.problems
    result = CliRunner().invoke(app, ["guard", str(tmp_path)])
    names = ", ".join(str(tmp_path / f"{number}.png") for number in range(3))
    assert f"5 pictures ({names}, ...); 1 other files ({tmp_path / 'weights.bin'})." in result.stdout
    assert result.exit_code == 0 and "May be published" not in result.stdout


def test_by_default_all_is_checked_that_git_tracks_or_does_not_ignore(tmp_path, sets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    for name in ("data/secret/card.json", "ignored/card.json", "anywhere/card.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes((sets / "secret" / "card.json").read_bytes())
    (tmp_path / ".gitignore").write_text("/data/\n/ignored/\n")
    subprocess.run(["git", "add", "-f", "data"], check=True)
    refused = ["anywhere/card.json", "data/secret/card.json"]
    assert [one.split(":")[0] for one in guard.check(guard.publishable()).problems] == refused
    monkeypatch.chdir(tmp_path / "ignored")
    assert [one.split(":")[0] for one in guard.check(guard.publishable()).problems] == [f"../{one}" for one in refused]
    assert CliRunner().invoke(app, ["guard"]).exit_code == 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_build/html").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("*\n")
    assert [path.as_posix() for path in guard.publishable()] == ["data/secret/card.json", "_build/html"]


def test_without_git_the_repositorys_folders_are_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    (tmp_path / "README.md").write_text("a")
    (tmp_path / "data").mkdir()
    assert [path.name for path in guard.publishable()] == ["README.md"]


def test_this_repository_holds_nothing_that_must_not_be_published(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    tracked = [path for path in guard.publishable() if path.parts[0] != "_build"]
    assert tracked and guard.check(tracked).problems == ()
