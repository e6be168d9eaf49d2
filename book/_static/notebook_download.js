/* Saves this page's notebook where the page was opened from a file; there its text comes as a script beside it. */
if (location.protocol === "file:") {
  for (const button of document.querySelectorAll('a.btn-download-source-button[href$=".ipynb"]')) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const script = document.createElement("script");
      window.saveNotebook = (text) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
        link.download = decodeURIComponent(button.href.split("/").pop());
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
        script.remove();
      };
      script.src = `${button.href}.js`;
      document.head.append(script);
    });
  }
}
