"""Slides: what of a chapter is shown when, whose outputs they are, and that a deck opens from a file."""

from __future__ import annotations

import re

import nbformat
import pytest
from classroom.conftest import NOTEBOOKS, notebook_of, read, small_chapter
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output

from cxrtutor.classroom import slides
from cxrtutor.classroom.exercises import pieces
from cxrtutor.classroom.slides import (
    as_html,
    blocks,
    copy_libraries,
    make_slides,
    plain_markdown,
    slides_of,
    with_outputs,
)
from cxrtutor.errors import InputError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIGURE = {"figure": {"caption": "A small picture.", "name": "fig-x"}, "image": {"alt": 'A "pixel" & no more.'}}


def lecture():
    """One of each: title and card, prediction, formula, box, figure, function, value, silent cell, exercise."""
    notebook = notebook_of(
        "# A title\n\n```{admonition} After this chapter you can\n- do it.\n\n*You need:* time.\n```\n\nAn opening.",
        "#py\nimport math",
        "## A section\n\nIts first paragraph, as {cite}`somebody` says.\n\nA second one, with a [link](../book/a.md)."
        "\n\n"
        "$$a\n\n=b$$\n\n**Predict.** How many?",
        "#py\n42",
        "```{admonition} Pitfall\n:class: warning\nMind the step.\n\nIt is high.\n```",
        "#py\nfigure()",
        "### Below\n\n- a point",
        "#py\ndef double(x):\n    return 2 * x\n\n\ndouble(2)",
        "#py\nassert double(2) == 4",
        "## Exercises\n\n````{exercise} X\n:label: x\nDo x.\n````\n\n```{solution-start} x\n```",
        "#py\nsecret = 1",
        "```{solution-end}\n```\n\n## What stays\n\n- A point.",
    )
    notebook.cells[3].outputs = [new_output("execute_result", {"text/plain": "42"}, execution_count=1)]
    notebook.cells[5].outputs = [new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"})]
    notebook.cells[5].metadata["mystnb"] = FIGURE
    return notebook


def shown(notebook):
    return [(cell.metadata.slideshow.slide_type, cell.source) for cell in notebook.cells]


def test_the_slides_of_an_untagged_chapter_follow_its_rhythm():
    assert shown(slides_of(lecture())) == [
        ("slide", "# A title"),
        ("-", "> **After this chapter you can**\n>\n> - do it."),
        ("notes", "*You need:* time."),
        ("notes", "An opening."),
        ("slide", "## A section"),
        ("-", "Its first paragraph, as says."),
        ("notes", "A second one, with a link."),
        ("-", "$$a\n\n=b$$"),
        ("subslide", "**Predict.** How many?"),
        ("fragment", "42"),
        ("subslide", "> **Pitfall**\n>\n> Mind the step."),
        ("notes", "It is high."),
        ("subslide", "figure()"),
        ("-", "*A small picture.*"),
        ("subslide", "### Below"),
        ("-", "- a point"),
        ("subslide", "def double(x):\n    return 2 * x\n\n\ndouble(2)"),
        ("slide", "## What stays"),
        ("-", "- A point."),
    ]


@pytest.mark.parametrize("slide_type", ["slide", "subslide", "fragment", "notes", "-"])
def test_a_tagged_cell_is_taken_at_its_word(slide_type):
    notebook = lecture()
    for cell in notebook.cells:
        cell.metadata["slideshow"] = {"slide_type": "skip"}
    notebook.cells[1].metadata["slideshow"] = {"slide_type": slide_type}
    assert shown(slides_of(notebook)) == [(slide_type, "import math")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_makes_slides_without_solutions_and_without_marks_of_its_markup(path):
    source = read(path)
    for cell in source.cells:
        if cell.cell_type == "code":  # as in the book that was built
            cell.outputs = [new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"})]
    made = slides_of(source)
    nbformat.validate(made)
    solutions = {piece.cell.source for piece in pieces(source) if piece.solution_of and len(piece.cell.source) > 40}
    texts = [cell.source for cell in made.cells]
    assert not solutions & set(texts)
    words = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert not re.search(r"`{3,}\{|\{[a-z]+\}`|^:\w+:|\]\((?!https?://)", words, re.MULTILINE)
    assert made.cells[0].metadata.slideshow.slide_type == "slide"


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("as {cite}`a,b` say", "as say"),
        ("see {ref}`the words <target>` and {term}`word`", "see the words and word"),
        ("[in](../book/x.md#y), [out](https://x.org)", "in, [out](https://x.org)"),
        ("```{warning}\nMind.\n```", "> **Warning**\n>\n> Mind."),
        ("````{admonition} Of `x`\n:class: tip\n```python\nx\n```\n````", "> **Of `x`**\n>\n> ```python\n> x\n> ```"),
        ("```python\nx\n```", "```python\nx\n```"),
    ],
)
def test_plain_markdown(myst, plain):
    assert plain_markdown(myst) == plain


def test_blocks_end_at_empty_lines_but_not_within_a_fence_or_a_formula():
    text = "a\nb\n\n````{x}\n```\n\n```\n\n````\n\n$$c\n\nd$$\n\ne $$f$$ g\n\nh"
    assert list(blocks(text)) == ["a\nb", "````{x}\n```\n\n```\n\n````", "$$c\n\nd$$", "e $$f$$ g", "h"]


def test_outputs_are_those_of_the_books_last_build(tmp_path):
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    built = lecture()
    for number, cell in enumerate(cell for cell in built.cells if cell.cell_type == "code"):
        cell.execution_count = number + 1
    get_cache(tmp_path / "cache").cache_notebook_bundle(CacheBundleIn(built, "x.ipynb"), check_validity=False)
    unbuilt = lecture()
    for cell in unbuilt.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(unbuilt, tmp_path / "x.ipynb")
    assert with_outputs(tmp_path / "x.ipynb", tmp_path / "cache").cells[3].outputs[0].data["text/plain"] == "42"


def test_a_chapter_that_was_not_built_is_run_and_one_that_fails_is_told(tmp_path):
    nbformat.write(notebook_of("# A", "#py\n6 * 7"), tmp_path / "x.ipynb")
    assert with_outputs(tmp_path / "x.ipynb", tmp_path / "none").cells[1].outputs[0].data["text/plain"] == "42"
    nbformat.write(notebook_of("# A", "#py\n1 / 0"), tmp_path / "y.ipynb")
    with pytest.raises(InputError, match=r"y\.ipynb cannot be run"):
        with_outputs(tmp_path / "y.ipynb", tmp_path / "none")


@pytest.mark.parametrize("failure", [CellTimeoutError("600 s"), DeadKernelError("Kernel died")])
def test_a_chapter_that_takes_too_long_or_ends_its_kernel_is_told(failure, tmp_path, monkeypatch):
    def fail(client):
        raise failure

    nbformat.write(notebook_of("# A", "#py\n1"), tmp_path / "x.ipynb")
    monkeypatch.setattr(NotebookClient, "execute", fail)
    with pytest.raises(InputError, match=r"x\.ipynb cannot be run"):
        with_outputs(tmp_path / "x.ipynb", tmp_path / "none")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(slides.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install sphinx_revealjs"):
        copy_libraries(tmp_path)


def test_decks_are_made_of_the_chapters_that_are_named(small_book, tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "with_outputs", lambda chapter, cache: small_chapter())
    assert [deck.name for deck in make_slides(small_book, tmp_path, ["6"])] == ["06-small.slides.html"]
    with pytest.raises(InputError, match="no chapter '7'"):
        make_slides(small_book, tmp_path, ["7"])


@pytest.fixture(scope="module")
def deck(browser, tmp_path_factory):
    """A deck, opened from a file; at the end nothing was asked of a network and nothing went wrong."""
    folder = tmp_path_factory.mktemp("slides")
    copy_libraries(folder)
    (folder / "x.slides.html").write_text(as_html(slides_of(lecture()), "x"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto((folder / "x.slides.html").as_uri())
    page.wait_for_function("window.Reveal?.isReady() && document.querySelector('mjx-container')")
    yield page
    assert [url for url in asked if not url.startswith((folder.as_uri(), "data:"))] == []
    assert complaints == []
    page.close()


def test_a_deck_is_led_by_the_keyboard_and_shows_the_answer_after_the_question(deck):
    seen, answer = [], deck.locator(".fragment")
    while not seen or not deck.evaluate("Reveal.isLastSlide()"):
        seen.append(deck.evaluate("Reveal.getCurrentSlide().innerText"))
        assert deck.evaluate("(s => s.scrollWidth <= s.clientWidth)(Reveal.getCurrentSlide())"), seen[-1]
        if "Predict" in seen[-1]:
            assert ("visible" in answer.get_attribute("class")) == ("Predict" in seen[-2])
        deck.keyboard.press("Space")
        assert len(seen) < 20
    seen.append(deck.evaluate("Reveal.getCurrentSlide().innerText"))
    assert sum("Predict" in text for text in seen) == 2  # bare, and with the answer
    assert seen[0].startswith("A title") and seen[-1].startswith("What stays")
    assert not any(word in text for text in seen for word in ("secret", "Do x", "figure()", "import math"))


def test_formulas_figures_and_notes_are_there(deck):
    assert deck.locator("mjx-container").count() == 1
    assert deck.locator("section img").get_attribute("alt") == 'A "pixel" & no more.'
    assert any("A second one" in note for note in deck.locator("aside.notes").all_text_contents())
    assert deck.locator("pre", has_text="return 2 * x").count() == 1
