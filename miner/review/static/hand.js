// The keyboard, and the few things that buttons of the page's head do.
import { byId } from "./dom.js";
import { hintAt } from "./keys.js";
import { asksFinal, asksVerdict, isLocked, prefixOf, valueOf } from "./review.js";
import { verdictByKey } from "./steps.js";
import { ATTRIBUTES, AXES, STEP_VERDICTS } from "./words.js";

const ARROWS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };

export class Hand {
  #app;
  #desk;
  #last = null;

  constructor(app) {
    this.#app = app;
    this.#desk = app.desk;
    document.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("focusin", (event) => this.#moved(event.target));
    byId("help").addEventListener("close", () => this.#desk.item && this.start());
    byId("theme").addEventListener("click", () => this.#theme());
    if (new URLSearchParams(location.search).get("theme") === "light") this.#theme();
    const letters = "abcdefghijklmnopqrstuvwxyz";
    this.commands = Object.fromEntries([...letters].filter((letter) => this[`key_${letter}`]).map((letter) => [letter, this[`key_${letter}`].bind(this)]));
  }

  /** Begin an item at its first stop, or go on where the reader was. */
  start(isNew = false) {
    if (isNew) this.#last = null;
    if (byId("help").open) return;
    if (this.#last?.isConnected) {
      this.#focus(this.#last);
      return;
    }
    // Where the steps are judged already, the reader begins behind them.
    const { item, judge, stops } = this.#desk;
    this.#focus(isLocked(item) ? byId("done") : item.locked ? judge.stops[0] : stops[0]);
  }

  goTo(field) {
    this.#focus(document.querySelector(`[data-field="${field}"]`));
  }

  #focus(element) {
    if (!element) return;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  #moved(target) {
    const stop = target.closest?.("[data-stop]");
    if (stop) this.#last = stop;
    this.#hint(target);
  }

  #hint(target = document.activeElement) {
    const stop = target.closest?.("[data-stop]");
    const isWrong = stop?.dataset.stop === "step" && stop.dataset.verdict === "wrong";
    const isText = target.tagName === "TEXTAREA";
    const isFinal = this.#desk.item && asksFinal(this.#desk.item) && stop?.dataset.stop !== "axis";
    byId("hint").textContent = hintAt(isText ? "text" : isWrong ? "wrong" : isFinal ? "views" : stop?.dataset.stop);
  }

  #walk(by) {
    const stops = this.#desk.stops;
    const at = stops.indexOf(this.#current());
    this.#focus(stops[Math.min(stops.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
  }

  #current() {
    return document.activeElement.closest?.("[data-stop]") ?? this.#last;
  }

  #pressed(event) {
    if (byId("help").open || byId("desk").hidden) {
      if (byId("help").open && (event.key === "?" || event.key === "Enter")) byId("help").close();
      else if (!byId("end").hidden && (event.key === "," || event.key === "<")) this.#app.step(0);
      else if (!byId("end").hidden && event.key.toLowerCase() === "g") this.#app.next();
      else return;
      event.preventDefault();
      return;
    }
    if (event.key === "Enter" && event.ctrlKey) {
      event.preventDefault();
      if (!event.repeat) this.#app.finish();
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target.tagName === "TEXTAREA") {
      if (event.key === "Escape") this.#focus(this.#last?.isConnected ? this.#last : this.#desk.stops[0]);
      return;
    }
    this.#app.say("");
    if (this.#act(event)) event.preventDefault();
  }

  // True where the key meant something.
  #act(event) {
    if (event.shiftKey && ARROWS[event.key]) {
      this.#desk.viewer.move(...ARROWS[event.key]);
      return true;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.#walk(event.key === "ArrowDown" ? 1 : -1);
      return true;
    }
    if (event.key === "Enter") return this.#enter(event);
    if (event.key === "?") byId("help").showModal();
    else if (event.key === "." || event.key === ">") this.#app.step(1);
    else if (event.key === "," || event.key === "<") this.#app.step(-1);
    else if (this.#figure(event.key)) return true;
    else if (this.commands[event.key.toLowerCase()]) this.commands[event.key.toLowerCase()](event.shiftKey);
    else return false;
    return true;
  }

  #enter(event) {
    const stop = document.activeElement.closest?.("[data-stop]");
    if (!stop) return document.activeElement === document.body && (this.#walk(0), true);
    if (document.activeElement !== stop || stop.dataset.stop === "done") {
      if (stop.id !== "done") return false; // a button of a step: the browser presses it
      if (!event.repeat) this.#app.finish();
      return true;
    }
    const stops = this.#desk.stops;
    // From the last score Enter is "done": the button behind it need not be visited.
    if (stops[stops.indexOf(stop) + 1]?.id === "done") {
      if (!event.repeat) this.#app.finish();
    } else {
      this.#walk(1);
    }
    return true;
  }

  // Figures, signs and what clears a score mean what they mean where the reader stands.
  #figure(name) {
    const stop = this.#current();
    const kind = stop?.dataset.stop;
    if (kind === "step" && /^[1-7]$/.test(name) && stop.dataset.verdict === "wrong") {
      this.#desk.judgeStep(Number(stop.dataset.no), { verdict: "wrong", attribute: ATTRIBUTES[Number(name) - 1] });
      this.#walk(1);
      return true;
    }
    if (kind === "axis") return this.#desk.judge.type(stop.dataset.field, name);
    const verdict = asksVerdict(this.#desk.item) ? verdictByKey(name) : null;
    if (verdict && !isLocked(this.#desk.item)) {
      this.#desk.change(`${prefixOf(this.#desk.item)}verdict`, verdict);
      this.goTo(`${prefixOf(this.#desk.item)}verdict`);
      return true;
    }
    if (/^[0-9]$/.test(name)) this.#app.say("A number is a score: go to one with F, V or C, or with ↓.");
    return /^[0-9]$/.test(name);
  }

  #judgeStep(value) {
    const stop = this.#current();
    if (stop?.dataset.stop !== "step") {
      this.#app.say("That is a verdict on a step: go to one with ↑.");
      return;
    }
    const no = Number(stop.dataset.no);
    this.#desk.judgeStep(no, { verdict: value, attribute: null });
    // A wrong step waits for what is wrong; the others are dealt with.
    if (value !== "wrong" && valueOf(this.#desk.item.state, `steps.${no}`)) this.#walk(1);
    else this.#focus(stop);
    this.#hint();
  }

  #axis(index) {
    this.goTo(prefixOf(this.#desk.item) + AXES[index].field);
  }

  #text(letter) {
    this.#focus(document.querySelector(`textarea[data-text="${letter}"]`));
  }

  key_r() { this.#judgeStep(STEP_VERDICTS[0].value); }
  key_w() { this.#judgeStep(STEP_VERDICTS[1].value); }
  key_u() { this.#judgeStep(STEP_VERDICTS[2].value); }
  key_f() { this.#axis(0); }
  key_v() { this.#axis(1); }
  key_c() { this.#axis(2); }
  key_m() { this.#text("m"); }
  key_n() { this.#text("n"); }
  key_s() { this.#desk.report.foldAll(); }
  key_g() { this.#app.next(); }
  key_t() { this.#theme(); }
  key_i() { this.#desk.viewer.invert(); }
  key_o() { this.#desk.viewer.fit(); }
  key_z(back) { this.#desk.viewer.zoom(back ? 0.8 : 1.25); }
  key_b(back) { this.#desk.viewer.window(back ? -0.05 : 0.05, 1); }
  key_k(back) { this.#desk.viewer.window(0, back ? 1.15 : 1 / 1.15); }

  key_a() {
    this.#desk.allRight();
    this.#focus(this.#desk.judge.stops[0]);
  }

  key_x() {
    this.#desk.judge.toggleCannot();
    this.#focus(byId("done"));
  }

  key_y() {
    if (this.#desk.asISaid()) this.#focus(byId("done"));
  }

  key_q() {
    if (!this.#desk.report.next()) this.#app.say("This step has no quote.");
  }

  key_e() {
    if (!this.#desk.viewer.others()) this.#app.say("There is no other view of this examination.");
  }

  key_l() {
    const { viewer } = this.#desk;
    viewer.linked = !viewer.linked;
    byId("pictures").classList.toggle("alone", !viewer.linked);
    this.#app.say(viewer.linked ? "The images move together." : "Each image moves alone.");
  }

  key_d() {
    const { viewer } = this.#desk;
    viewer.moves = !viewer.moves;
    byId("pictures").classList.toggle("moves", viewer.moves);
    this.#app.say(viewer.moves ? "Dragging moves the image." : "Dragging changes window and level.");
  }

  key_p() {
    document.body.classList.toggle("wide");
  }

  #theme() {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    byId("theme").setAttribute("aria-pressed", String(root.dataset.theme === "light"));
    // Kept in the address and nowhere on this computer.
    const search = root.dataset.theme === "light" ? "?theme=light" : "";
    history.replaceState(null, "", `${location.pathname}${search}${location.hash}`);
  }
}
