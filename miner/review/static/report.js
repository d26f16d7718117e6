// The report's words, by sections that fold, with the quotes of the chosen step lit up.
import { el } from "./dom.js";
import { parts, pieces } from "./text.js";

const TITLES = { current: "Report", prior: "Report of the prior image" };

export class Report {
  #place;
  #reports = [];
  #folds = [];
  // Sections that the reader folded stay folded in the items that follow.
  #folded = new Set();
  #lit = 0;

  constructor(place) {
    this.#place = place;
  }

  show(reports) {
    this.#reports = reports;
    this.#folds = [];
    const shown = reports.map((report) => {
      const title = reports.length > 1 && report.which === "current" ? "Report of the current image" : TITLES[report.which] ?? "Report";
      return el("article", { "data-which": report.which }, el("h3", {}, title), ...this.#sections(report));
    });
    this.#place.replaceChildren(...(shown.length ? shown : [el("p", { class: "muted" }, "There is no report with this item.")]));
    this.#place.scrollTop = 0;
    this.light([]);
  }

  #sections(report) {
    return pieces(report.text, report.sections ?? []).map((piece) => {
      const body = el("p", { class: "words" });
      const fold = { report, piece, body, details: null };
      this.#folds.push(fold);
      if (piece.name === null) return body;
      fold.details = el("details", { open: !this.#folded.has(piece.name) }, el("summary", {}, piece.name), body);
      // Opened for a quote is not opened by the reader: only the own hand is remembered.
      fold.details.firstChild.addEventListener("click", () => {
        if (fold.details.open) this.#folded.add(piece.name);
        else this.#folded.delete(piece.name);
      });
      return fold.details;
    });
  }

  /** Light up the quotes `{which, start, end, no}` and bring the first of them into view. */
  light(quotes) {
    this.#lit = 0;
    for (const { report, piece, body, details } of this.#folds) {
      const own = quotes.filter((quote) => quote.which === report.which);
      const made = parts(report.text, piece, own).map((part) =>
        part.quotes.length ? el("mark", { title: `evidence ${part.quotes.join(", ")}` }, part.text) : part.text,
      );
      body.replaceChildren(...made);
      if (details && made.some((part) => typeof part !== "string")) details.open = true;
      else if (details) details.open = !this.#folded.has(piece.name);
    }
    this.#bring(0);
  }

  /** Bring the next lit quote into view; false where there is none. */
  next() {
    const marks = this.#marks();
    if (!marks.length) return false;
    this.#bring((this.#lit + 1) % marks.length);
    return true;
  }

  /** Fold all sections, or open them all. */
  foldAll() {
    const named = this.#folds.filter((fold) => fold.details);
    const open = !named.some((fold) => fold.details.open);
    for (const { details, piece } of named) {
      details.open = open;
      if (open) this.#folded.delete(piece.name);
      else this.#folded.add(piece.name);
    }
  }

  #marks() {
    return [...this.#place.querySelectorAll("mark")];
  }

  #bring(index) {
    const marks = this.#marks();
    for (const mark of marks) mark.classList.remove("here");
    const mark = marks[index];
    if (!mark) return;
    this.#lit = index;
    if (marks.length > 1) mark.classList.add("here");
    // Within the report's own frame, so that the page itself never jumps.
    const frame = this.#place.getBoundingClientRect();
    const box = mark.getBoundingClientRect();
    if (box.top < frame.top + 8 || box.bottom > frame.bottom - 8) {
      this.#place.scrollTop += box.top - frame.top - frame.height / 3;
    }
  }
}
