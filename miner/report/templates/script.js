"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const themes = ["system", "light", "dark"];
  const apply = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    button.textContent = "Theme: " + theme;
    button.dataset.theme = theme;
  };
  // A page opened from disk may not be allowed to remember; it works without.
  const remembered = () => { try { return localStorage.getItem("cxr-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("cxr-theme", theme); } catch { /* not kept */ } };
  apply(themes.includes(remembered()) ? remembered() : "system");
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(button.dataset.theme) + 1) % themes.length];
    apply(next);
    remember(next);
  });

  for (const form of document.querySelectorAll("form.filters")) {
    const section = form.closest("section");
    const examples = [...section.querySelectorAll("details.example")];
    const selects = [...form.querySelectorAll("select")];
    const shown = form.querySelector("output");
    const none = section.querySelector(".none");
    const update = () => {
      let count = 0;
      for (const example of examples) {
        const fits = selects.every((select) => !select.value || (example.dataset[select.dataset.filter] || "").split("|").includes(select.value));
        example.hidden = !fits;
        if (fits) count += 1;
      }
      shown.textContent = count === examples.length ? `${count} examples` : `${count} of ${examples.length} examples`;
      none.hidden = count > 0;
    };
    form.hidden = false;
    form.addEventListener("change", update);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(update));
  }
})();
