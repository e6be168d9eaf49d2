"""axe-core, which reads a page as browsers hand it to assistive technology and says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Page

_OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that may judge a page in the dark otherwise than in the light."""

# A program's words repeat a few colours thousands of times; one of each is enough, and the page is judged sooner.
_ONE_OF_EACH_COLOUR = """() => {
    const seen = new Set();
    for (const token of document.querySelectorAll(".highlight pre span[class]")) {
        if (seen.has(token.className)) token.replaceWith(...token.childNodes);
        else seen.add(token.className);
    }
}"""

_UNFOLD = """() => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    for (const button of document.querySelectorAll("button.toggle-button-hidden")) button.click();
    for (const cell of document.querySelectorAll(".cell")) cell.style.contentVisibility = "visible";
}"""

# A formula is MathML to screen readers, which axe-core does not take for text.
_JUDGE = """async (options) => {
    const { violations } = await axe.run(document, options);
    const isFormula = (id, { element }) => id === "empty-table-header" && element.querySelector("math");
    return violations.flatMap(({ id, impact, nodes }) =>
        nodes.filter((node) => !isFormula(id, node))
            .map(({ target, failureSummary }) => `${id} (${impact}) at ${target.flat()}: ${failureSummary}`),
    );
}"""


def unfolded(page: Page) -> None:
    """Opens what a page keeps folded or does not lay out yet: it would not be judged. Done once, before `faults`."""
    page.evaluate(_UNFOLD)
    page.evaluate(_ONE_OF_EACH_COLOUR)


def faults(page: Page, schemes: Sequence[str] = ("light", "dark")) -> list[str]:
    """Whatever axe-core finds on the page as it now stands: mode, rule, how bad, where, and why.

    All rules are asked, those of good practice too; in the dark, those of colours.
    """
    from axe_playwright_python.base import AXE_SCRIPT

    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = []
    for scheme in schemes:
        rules = _OF_COLOURS if scheme == "dark" else None
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(200)  # colours may change slowly
        options = {"resultTypes": ["violations"], "elementRef": True} | ({"runOnly": rules} if rules else {})
        found += [f"{scheme}: {fault}" for fault in page.evaluate(_JUDGE, options)]
    return found
