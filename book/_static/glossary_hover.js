/* Shows a word's meaning, which its link carries, beside the word: on hover, on focus, and on a first tap.
   Escape puts it away; the pointer may rest on it. A second tap, a click or Enter goes to the glossary. */
(() => {
  const GAP = 6; // pixels between the word and its meaning, and to the window's edge

  const meaning = document.createElement("div");
  meaning.id = "glossary-meaning";
  meaning.setAttribute("role", "tooltip");
  meaning.hidden = true;
  document.body.append(meaning);

  let shown = null;
  let leaving = 0;

  const hide = () => {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    meaning.hidden = true;
  };

  const place = () => {
    const at = shown.getClientRects()[0];
    const farthest = document.documentElement.clientWidth - meaning.offsetWidth - GAP;
    const below = at.bottom + GAP;
    const fits = below + meaning.offsetHeight <= window.innerHeight;
    meaning.style.left = `${Math.max(GAP, Math.min(at.left, farthest))}px`;
    meaning.style.top = `${fits ? below : Math.max(GAP, at.top - GAP - meaning.offsetHeight)}px`;
  };

  const show = (word) => {
    clearTimeout(leaving);
    if (shown === word) return;
    hide();
    shown = word;
    word.setAttribute("aria-describedby", meaning.id);
    meaning.textContent = word.dataset.definition;
    meaning.hidden = false;
    place();
  };

  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(hide, 150);
  };

  for (const word of document.querySelectorAll("a.glossary-term")) {
    let firstTap = false;
    word.addEventListener("pointerdown", (event) => (firstTap = event.pointerType === "touch" && shown !== word));
    word.addEventListener("click", (event) => firstTap && (event.preventDefault(), show(word)));
    word.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(word));
    word.addEventListener("pointerleave", leave);
    word.addEventListener("focus", () => show(word));
    word.addEventListener("blur", hide);
  }
  meaning.addEventListener("pointerenter", () => clearTimeout(leaving));
  meaning.addEventListener("pointerleave", leave);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // The Tab key scrolls the page to the word that it comes to: the meaning goes along.
  window.addEventListener("scroll", () => (shown === document.activeElement ? place() : hide()), { passive: true });
})();
