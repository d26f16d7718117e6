// The desk: one item at a time with its pictures, steps, report and scores, and the reader's changes to it.
import { byId, el } from "./dom.js";
import { Judge } from "./judge.js";
import { Report } from "./report.js";
import { asksFinal, asksVerdict, isFinished, isLocked, isOpen, lacking, prefixOf, same, valueOf, withValue } from "./review.js";
import { full } from "./shelf.js";
import { Steps } from "./steps.js";
import { Viewer } from "./viewer.js";
import { AXES } from "./words.js";

export class Desk {
  #told;
  #loaded = null;
  item = null;
  position = null;

  /** `told.changed(field, old, value)` saves, `told.finish()` goes on, `told.say(sentence)` speaks. */
  constructor(told) {
    this.#told = told;
    this.report = new Report(byId("report-text"));
    this.steps = new Steps({ choose: (quotes) => this.report.light(quotes), judge: (no, verdict) => this.judgeStep(no, verdict) });
    this.judge = new Judge({
      change: (field, value) => this.change(field, value),
      finish: () => told.finish(),
      say: (sentence) => told.say(sentence),
    });
    this.viewer = new Viewer(byId("pictures"), {
      small: (facts) => this.#loaded.pictures.get(facts.no),
      full: (facts) => full(this.position, facts),
    });
  }

  /** Show a loaded item; resolves when its images are drawn. */
  show(position, loaded) {
    this.#loaded = loaded;
    this.position = position;
    this.item = loaded.item;
    this.item.locked = !isOpen(this.item, "steps");
    document.body.classList.toggle("no-pictures", !(this.item.images ?? []).length);
    document.body.classList.toggle("pair", (this.item.images ?? []).length > 1);
    document.body.dataset.what = this.item.finding ? "finding" : "chain";
    this.report.show(this.item.reports ?? []);
    this.steps.show(this.item);
    this.judge.show(this.item);
    this.#extras();
    return this.viewer.show(this.item.images ?? []);
  }

  #extras() {
    const told = [];
    if (this.item.round === "training") told.push("Training: your scores here are for practice, and you are told afterwards what was expected.");
    if (asksFinal(this.item)) told.push("Adjudication: here are both readers' views beside yours; now say what shall stand.");
    else if (this.item.round === "adjudication") told.push("Adjudication: score it yourself first; then both readers' views are shown.");
    if (this.item.stale) told.push("This chain was made anew since the study was drawn, so nothing more can be saved for it. Go on with Enter.");
    byId("about").replaceChildren(...told.map((sentence) => el("p", {}, sentence)));
  }

  /** The elements that Enter and the arrows walk through, in order. */
  get stops() {
    return [...this.steps.rows, ...this.judge.stops];
  }

  /** Set a field of the review, if it is another value than before. */
  change(field, value) {
    const old = valueOf(this.item.state, field);
    if (same(old, value) || !isOpen(this.item, field)) return;
    this.item.state = withValue(this.item.state, field, value);
    this.#told.changed(field, old, value);
    this.update();
  }

  /** Show what the server holds in place of what this page had. */
  take(state) {
    this.item.state = state;
    this.update();
  }

  update() {
    this.steps.update(this.item);
    this.judge.update(this.item);
  }

  judgeStep(no, verdict) {
    if (this.item.locked) return;
    const old = valueOf(this.item.state, `steps.${no}`);
    // The same key again takes the verdict back.
    const again = old?.verdict === verdict.verdict && verdict.attribute === null && old.attribute === null;
    this.change(`steps.${no}`, again ? null : verdict);
  }

  /** Say that every step without a verdict is right. */
  allRight() {
    if (this.item.locked) return;
    for (const step of this.item.steps ?? []) {
      if (valueOf(this.item.state, `steps.${step.no}`) === null) this.change(`steps.${step.no}`, { verdict: "right", attribute: null });
    }
  }

  /** Take the own scores as the final word. */
  asISaid() {
    if (!asksFinal(this.item)) return false;
    const fields = asksVerdict(this.item) ? ["verdict"] : AXES.map((axis) => axis.field);
    for (const field of [...fields, "cannot_judge"]) this.change(`final.${field}`, valueOf(this.item.state, field));
    return true;
  }

  /** Say what is still lacking as a field, or mark the item as done and return null. */
  finish() {
    this.judge.commit();
    if (isLocked(this.item)) return null;
    const field = lacking(this.item);
    if (field === null) this.change(`${prefixOf(this.item)}done`, true);
    return field;
  }

  get isFinished() {
    return isFinished(this.item) || isLocked(this.item);
  }

  /** Say whether something is shown only after the reader's own word: both views, or feedback. */
  get awaitsMore() {
    if (this.item.round === "adjudication") return this.item.state.done && !Array.isArray(this.item.others);
    return this.item.round === "training" && this.item.state.done && !this.item.feedback;
  }
}
