// What can be scrolled sideways becomes a stop of the Tab key, so that the arrow keys scroll it too; and only that.
// The theme does so once for code that is in sight; solutions are folded then, and formulas are not yet set.
addEventListener("DOMContentLoaded", () => {
  const watch = new ResizeObserver((parts) => {
    for (const { target } of parts) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  const scrolling = ".bd-article :is(pre, div.math, .cell_output, .cell_output > *, .pst-scrollable-table-container)";
  for (const part of document.querySelectorAll(scrolling)) watch.observe(part);
});
