// Where the reader judges: three sliders or five verdicts, what is missing, a comment, cannot judge, done.
import { byId, el, key } from "./dom.js";
import { asksFinal, asksVerdict, isLocked, prefixOf, typedScore, valueOf } from "./review.js";
import { views } from "./views.js";
import { AXES, FINDING_VERDICTS, inWords, number } from "./words.js";

const TEXT_LIMIT = 4_000;
const TEXT_PAUSE_MS = 700;

export class Judge {
  #place = byId("judge");
  #told;
  #item = null;
  #parts = {};
  #typed = { field: null, typed: "" };
  #timer = 0;

  /** `told.change(field, value)` is called for every change, `told.finish()` when the reader says that it is done. */
  constructor(told) {
    this.#told = told;
  }

  /** The elements that Enter and the arrows walk through, in order. */
  get stops() {
    return [...this.#place.querySelectorAll("[data-stop]")];
  }

  show(item) {
    this.#item = item;
    this.#typed = { field: null, typed: "" };
    const prefix = prefixOf(item);
    this.#parts = { prefix, axes: [], verdicts: [], texts: [] };
    const shown = [...views(item)];
    if (!isLocked(item)) {
      shown.push(asksVerdict(item) ? this.#verdicts(prefix) : this.#axes(prefix));
    }
    shown.push(this.#row(item, prefix));
    this.#place.replaceChildren(...shown);
    this.update(item);
  }

  update(item) {
    this.#item = item;
    const { axes, verdicts, texts, prefix, cannot } = this.#parts;
    const without = valueOf(item.state, `${prefix}cannot_judge`);
    for (const { axis, field, input, output } of axes) {
      const value = valueOf(item.state, field);
      input.value = String(value ?? 0);
      this.#say(axis, input, output, value);
    }
    for (const button of verdicts) button.setAttribute("aria-pressed", String(button.value === valueOf(item.state, `${prefix}verdict`)));
    for (const { field, area } of texts) {
      if (document.activeElement !== area) area.value = valueOf(item.state, field);
    }
    cannot?.setAttribute("aria-pressed", String(without));
    this.#place.classList.toggle("cannot", without);
  }

  #say(axis, input, output, value) {
    const words = inWords(axis, value);
    input.classList.toggle("unset", value === null);
    input.style.setProperty("--share", `${((value ?? 0) + 10) * 5}%`);
    input.setAttribute("aria-valuetext", value === null ? words : `${value}, ${words}`);
    output.replaceChildren(el("b", {}, number(value)), ` ${words}`);
    output.dataset.sign = value === null ? "none" : value >= 5 ? "kept" : value < 0 ? "bad" : "low";
  }

  #axes(prefix) {
    const made = AXES.map((axis) => {
      const field = prefix + axis.field;
      const output = el("output", { for: `axis-${axis.field}` });
      const input = el("input", {
        type: "range", min: "-10", max: "10", step: "1", id: `axis-${axis.field}`, "data-stop": "axis", "data-field": field,
        "aria-label": `${prefix ? "Final " : ""}${axis.label}. ${axis.asks} From −10, ${axis.ends[0]}, to 10, ${axis.ends[1]}`,
      });
      input.addEventListener("input", () => this.#say(axis, input, output, input.valueAsNumber));
      input.addEventListener("change", () => this.#told.change(field, input.valueAsNumber));
      // A click on the middle of a slider that was never set changes nothing for the browser, and all for us.
      input.addEventListener("pointerup", () => this.#told.change(field, input.valueAsNumber));
      this.#parts.axes.push({ axis, field, input, output });
      return el(
        "div",
        { class: "axis" },
        el("label", { for: `axis-${axis.field}` }, el("b", {}, axis.label), " ", key(axis.key), el("span", { class: "asks" }, axis.asks)),
        output,
        input,
        el("div", { class: "anchors", "aria-hidden": "true" },
          el("span", {}, `−10 ${axis.ends[0]}`), el("span", {}, `10 ${axis.ends[1]}`)),
      );
    });
    return el("div", { class: "axes", role: "group", "aria-label": prefix ? "Final scores" : "Scores" }, ...made);
  }

  #verdicts(prefix) {
    const buttons = FINDING_VERDICTS.map((verdict, index) =>
      el(
        "button",
        { type: "button", value: verdict.value, "aria-pressed": "false", on: { click: () => this.#told.change(`${prefix}verdict`, verdict.value) } },
        key(String(index + 1)), el("b", {}, ` ${verdict.label} `), el("span", { class: "asks" }, verdict.means),
      ),
    );
    this.#parts.verdicts = buttons;
    return el("div", { class: "rubric", role: "group", tabindex: "0", "data-stop": "verdict", "data-field": `${prefix}verdict`,
      "aria-label": "Does the report support this finding? Keys 1 to 5" }, ...buttons);
  }

  #row(item, prefix) {
    const made = [];
    const locked = isLocked(item);
    if (!locked) {
      if (!prefix && !asksVerdict(item)) made.push(this.#text("missing", "Missing", "M", "what should have been said"));
      made.push(this.#text(`${prefix}comment`, "Note", "N", prefix ? "why it is so" : "anything worth saying"));
      this.#parts.cannot = el("button", { type: "button", class: "cannot-judge", "aria-pressed": "false", on: { click: () => this.toggleCannot() } }, "Cannot judge ", key("X"));
      made.push(this.#parts.cannot);
    }
    const label = locked ? "Next item" : asksFinal(item) ? "Settled, next" : item.round === "adjudication" && !item.state.done ? "Done, show both views" : "Done, next";
    made.push(el("button", { type: "button", id: "done", class: "done", "data-stop": "done", on: { click: () => this.#told.finish() } }, label, " ", key("⏎")));
    return el("div", { class: "rest" }, ...made);
  }

  #text(field, label, letter, asks) {
    const id = `text-${field.replace(".", "-")}`;
    const area = el("textarea", { id, rows: "1", maxlength: String(TEXT_LIMIT), placeholder: asks, spellcheck: "false", "data-text": letter.toLowerCase() });
    area.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.commit(), TEXT_PAUSE_MS);
    });
    area.addEventListener("blur", () => this.commit());
    this.#parts.texts.push({ field, area });
    return el("label", { class: "text", for: id }, el("span", {}, label, " ", key(letter)), area);
  }

  /** Hand on the texts as they stand now. */
  commit() {
    clearTimeout(this.#timer);
    for (const { field, area } of this.#parts.texts ?? []) this.#told.change(field, area.value);
  }

  toggleCannot() {
    const field = `${this.#parts.prefix}cannot_judge`;
    if (this.#parts.cannot) this.#told.change(field, !valueOf(this.#item.state, field));
  }

  /** Take a key on a slider; true where it meant something. */
  type(field, name) {
    const typed = this.#typed.field === field ? this.#typed.typed : "";
    const value = valueOf(this.#item.state, field);
    if (name === "Backspace" || name === "Delete") {
      this.#typed = { field, typed: "" };
      this.#told.change(field, null);
      return true;
    }
    const score = typedScore(value, typed, name);
    if (score === undefined) {
      this.#typed = { field: null, typed: "" };
      return false;
    }
    this.#typed = { field, typed: score.typed };
    if (score.typed === "-") this.#told.say("Minus: now the number.");
    this.#told.change(field, score.value);
    return true;
  }
}
