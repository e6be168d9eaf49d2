"""The sentence widget in a real browser, on a page without a kernel."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from widget_page import assert_fits, assert_stands_out, opened

import cxrtutor.viewing.widgets as widgets
from cxrtutor.data.mentions import TERMS, mentions, rules
from cxrtutor.data.sources.open_i import read_reports
from cxrtutor.viewing.widgets.sentence_reader import SentenceReader

SOURCE = Path(widgets.__file__).with_name("sentence_rules.js").read_text(encoding="utf-8")
EXAMPLES = ["No effusion, but a small nodule.", "Pneumonia cannot be excluded."]
CUES = ["no", "not", "without", "no change in", "has resolved", "cannot be excluded", "may", "vs", "is unlikely", "is"]
ENDS = ["likely", "is suspected", "vs. ", ")"]
WORDS = [
    *TERMS,
    *CUES,
    *ENDS,
    ",",
    ";",
    ". ",
    "or",
    "and",
    "but",
    "left",
    "right",
    "both",
    "larger on the left",
    "the",
    "acute",
]


@pytest.fixture(scope="module")
def in_page(browser):
    """`in_page(sentences)`: what the module reads in each, as Python would have it."""
    page = browser.new_page()
    page.set_content('<!doctype html><title>Test</title><link rel="icon" href="data:,">')
    script = """async ([source, rules, sentences]) => {
        const url = URL.createObjectURL(new Blob([source, "export { sentenceReader };"], { type: "text/javascript" }));
        const { sentenceReader } = await import(url);
        return sentences.map((sentence) => sentenceReader(rules)(sentence).mentions);
    }"""
    yield lambda sentences: page.evaluate(script, [SOURCE, rules(), sentences])
    page.close()


def by_python(sentence: str) -> list[dict]:
    return [{**asdict(one), "span": list(one.span)} for one in mentions(sentence)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text("aeN,. ;x\u00e9", max_size=30),
        max_size=12,
    )
)
def test_the_page_reads_what_the_package_reads(in_page, sentences):
    assert in_page(sentences) == [by_python(sentence) for sentence in sentences]


def test_the_page_reads_real_sentences_alike(in_page):
    sentences = sorted({sentence.text for _, report in read_reports() for sentence in report.sentences})[::4]
    assert len(sentences) > 2000
    assert in_page(sentences) == [by_python(sentence) for sentence in sentences]


@pytest.fixture
def widget(request):
    """A page with one widget, over http or from a file; at the end nothing was asked for and nothing went wrong."""
    with opened(request, SentenceReader(EXAMPLES[0], EXAMPLES)) as page:
        page.get_by_role("textbox").wait_for()
        yield page


def told(page) -> list[str]:
    return page.locator(".told li").all_inner_texts()


@pytest.mark.parametrize("widget", ["http", "file"], indirect=True)
def test_what_is_typed_is_read(widget):
    assert told(widget) == ["pleural effusion is not there", "nodule is there"]
    assert widget.locator(".read .cue").all_inner_texts() == ["No"]
    assert "".join(widget.locator(".read .scope").all_inner_texts()) == "No effusion, "
    widget.get_by_role("button", name=EXAMPLES[1]).click()
    assert widget.get_by_role("textbox").input_value() == EXAMPLES[1] and told(widget) == ["pneumonia is possible"]
    widget.get_by_role("textbox").fill("Small left effusion <b>&")
    assert told(widget) == ["pleural effusion is there (left)"]
    assert widget.locator(".read").inner_text() == "Small left effusion <b>&"
    widget.get_by_role("textbox").fill("")
    assert told(widget) == ["It names nothing that the rules know."]


def test_who_cannot_see_hears_it(widget):
    assert widget.get_by_role("status").text_content() == "pleural effusion is not there; nodule is there"


@pytest.mark.parametrize("width", [320, 400, 900])
def test_it_fits_its_page_and_stands_out(widget, width):
    assert_fits(widget, width, "textarea", ".told")
    assert_stands_out(widget, "textarea", ".read", ".told li", ".help", ".field span")
