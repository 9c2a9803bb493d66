// MathJax draws an inline formula in one piece; where it is wider than its line it scrolls in its own box.
{
  const fit = () =>
    document.querySelectorAll("mjx-container:not([display])").forEach((formula) => {
      formula.classList.remove("wide");
      const box = formula.parentElement.closest("p, li, td, th, dd, dt, figcaption, h1, h2, h3, h4, .caption-text");
      if (box) formula.classList.toggle("wide", formula.scrollWidth > box.clientWidth);
    });
  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    fit();
    window.addEventListener("resize", fit);
  });
}
