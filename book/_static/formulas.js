// Sets the formulas once the page can be read and its widgets answer: MathJax is the slowest part of a page.
// It comes without its menu, half of its weight, which would make each formula a stop of the Tab key.
const folder = new URL("mathjax", document.currentScript.src);
addEventListener("load", () => {
  MathJax.loader = { load: ["input/tex", "output/chtml", "a11y/assistive-mml"] };
  setTimeout(() => {
    const script = Object.assign(document.createElement("script"), { src: `${folder}/startup.js` });
    document.head.append(script);
  });
});
