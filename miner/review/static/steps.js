// Question, answer and the chain's steps, each with its evidence and the reader's verdict on it.
import { byId, el, key } from "./dom.js";
import { valueOf } from "./review.js";
import { cutter } from "./text.js";
import { ATTRIBUTES, FINDING_VERDICTS, STEP_VERDICTS, TASKS } from "./words.js";

export class Steps {
  #list = byId("steps");
  #told;
  #item = null;
  #rows = new Map();
  chosen = null;

  /** `told.choose(quotes)` is called when another step is chosen, `told.judge(no, verdict)` when one is judged. */
  constructor(told) {
    this.#told = told;
    this.#list.addEventListener("focusin", (event) => {
      const row = event.target.closest("li[data-no]");
      if (row) this.choose(Number(row.dataset.no));
    });
    this.#list.addEventListener("click", (event) => {
      const row = event.target.closest("li[data-no]");
      if (row && !event.target.closest("button")) row.focus({ preventScroll: true });
    });
  }

  show(item) {
    this.#item = item;
    this.chosen = null;
    byId("task").textContent = item.finding ? "Does the report support this finding?" : TASKS[item.task] ?? item.task ?? "";
    byId("question").textContent = item.finding ? item.finding.observation : item.question ?? "";
    const options = (item.options ?? []).map((option) => el("li", {}, option));
    byId("options").replaceChildren(...options);
    const answer = item.finding ? [el("b", {}, "Status: "), item.finding.status ?? ""] : item.answer ? [el("b", {}, "Answer: "), item.answer] : [];
    byId("answer").replaceChildren(...answer);
    this.#rows.clear();
    this.#list.replaceChildren(...(item.steps ?? []).map((step) => this.#row(step)));
    this.#list.parentElement.scrollTop = 0;
    this.update(item);
  }

  get rows() {
    return [...this.#rows.values()].map((row) => row.line);
  }

  update(item) {
    this.#item = item;
    for (const [no, row] of this.#rows) {
      const judged = valueOf(item.state, `steps.${no}`);
      row.line.dataset.verdict = judged?.verdict ?? "";
      for (const button of row.buttons) button.setAttribute("aria-pressed", String(button.value === judged?.verdict));
      row.picker.hidden = judged?.verdict !== "wrong" || item.locked;
      for (const button of row.attributes) button.setAttribute("aria-pressed", String(button.value === judged?.attribute));
      const said = judged ? `${judged.verdict}${judged.attribute ? `, ${judged.attribute}` : ""}` : "not judged";
      row.said.textContent = judged ? said : "";
      row.line.setAttribute("aria-label", `Step ${no}: ${row.text} ${said}.`);
      for (const button of [...row.buttons, ...row.attributes]) button.disabled = item.locked;
      row.others.textContent = this.#others(item, no);
    }
  }

  #others(item, no) {
    const views = (item.others ?? []).map((view) => [view.reader, view.state.steps?.[no]]);
    if (item.feedback?.state?.steps?.[no]) views.push(["Expected", item.feedback.state.steps[no]]);
    const said = views.filter(([, judged]) => judged);
    return said.map(([who, judged]) => `${who}: ${judged.verdict}${judged.attribute ? ` (${judged.attribute})` : ""}`).join(" · ");
  }

  choose(no) {
    if (no === this.chosen) return;
    this.chosen = no;
    for (const [other, row] of this.#rows) row.line.classList.toggle("chosen", other === no);
    const step = this.#item.steps.find((one) => one.no === no);
    this.#told.choose((step?.evidence ?? []).flatMap((piece) => (piece.quotes ?? []).map((quote) => ({ ...quote, no: piece.no }))));
  }

  #row(step) {
    const buttons = STEP_VERDICTS.map((verdict) =>
      el(
        "button",
        {
          type: "button",
          value: verdict.value,
          "aria-pressed": "false",
          "aria-label": `Step ${step.no} is ${verdict.label}`,
          title: verdict.label,
          on: { click: () => this.#told.judge(step.no, { verdict: verdict.value, attribute: null }) },
        },
        el("span", { "aria-hidden": "true" }, `${verdict.sign} `), key(verdict.key),
      ),
    );
    const attributes = ATTRIBUTES.map((attribute, index) =>
      el(
        "button",
        {
          type: "button",
          value: attribute,
          "aria-pressed": "false",
          "aria-label": `Step ${step.no} is wrong in its ${attribute}`,
          on: { click: () => this.#told.judge(step.no, { verdict: "wrong", attribute }) },
        },
        key(String(index + 1)), ` ${attribute}`,
      ),
    );
    const picker = el("div", { class: "picker", role: "group", "aria-label": "What is wrong", hidden: true }, "What is wrong? ", ...attributes);
    const said = el("span", { class: "said" });
    const others = el("p", { class: "others" });
    const line = el(
      "li",
      { tabindex: "0", "data-no": step.no, "data-stop": "step", role: "group" },
      el("span", { class: "no" }, String(step.no)),
      el(
        "div",
        {},
        el("p", { class: "words" }, step.text),
        step.evidence?.length ? el("ul", { class: "evidence" }, ...step.evidence.map((piece) => this.#evidence(piece))) : null,
        picker,
        others,
      ),
      el("div", { class: "verdicts" }, ...buttons, said),
    );
    this.#rows.set(step.no, { line, buttons, attributes, picker, said, others, text: step.text });
    return line;
  }

  #evidence(piece) {
    const texts = new Map((this.#item.reports ?? []).map((report) => [report.which, cutter(report.text)]));
    const quotes = (piece.quotes ?? []).map((quote) => {
      const words = texts.get(quote.which)?.(quote.start, quote.end).replace(/\s+/g, " ").trim();
      return words ? `“${words}”${quote.which === "prior" ? " (prior)" : ""}` : "";
    });
    const said = quotes.filter(Boolean).join(" … ") || (piece.kind === "inferred_normal" ? "the report is silent" : "no quote");
    return el("li", {}, el("b", {}, `${piece.finding}: ${piece.presence}`), ` ${said}`);
  }
}

/** Return the verdict of the rubric that a key from 1 to 5 names. */
export const verdictByKey = (name) => (/^[1-5]$/.test(name) ? FINDING_VERDICTS[Number(name) - 1].value : null);
