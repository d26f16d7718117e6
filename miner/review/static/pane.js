// One image on a canvas, drawn at the resolution of the screen.
import { sentence as asSentence } from "./api.js";
import { el } from "./dom.js";
import { greys, resample } from "./pixels.js";

const NAMES = { prior: "Prior", current: "Current" };

export class Pane {
  #context;
  #samples = new Uint16Array(0);
  #drawnAt = "";
  #greysOf = "";
  #table = null;
  #frame = null;
  picture = null;
  facts = null;

  constructor() {
    this.canvas = el("canvas", { role: "img" });
    this.#context = this.canvas.getContext("2d", { alpha: false });
    this.title = el("p", { class: "facts" });
    this.window = el("p", { class: "facts window", "aria-hidden": "true" });
    this.problem = el("p", { class: "problem", hidden: true });
    this.other = el("button", { type: "button", class: "other", hidden: true });
    this.element = el("figure", { class: "pane" }, this.canvas, this.title, this.window, this.problem, this.other);
  }

  /** Say which image is meant before its samples are there. */
  announce(facts, count, at) {
    this.facts = facts;
    this.picture = null;
    this.#drawnAt = "";
    const size = facts.width ? ` · ${facts.width} × ${facts.height}` : "";
    const name = `${NAMES[facts.which] ?? "Image"}${facts.view ? ` · ${facts.view}` : ""}`;
    this.title.textContent = `${name}${size}${facts.bits ? ` · ${facts.bits} bit` : ""}`;
    this.canvas.setAttribute("aria-label", `${name} image`);
    this.other.hidden = count < 2;
    this.other.textContent = `${at + 1} of ${count} · other (E)`;
    this.problem.hidden = true;
    this.element.classList.add("waiting");
    this.#clear();
  }

  /** Show samples; those of the full size take the place of the smaller ones. */
  take(picture) {
    this.picture = picture;
    this.#drawnAt = this.#greysOf = "";
    this.element.classList.remove("waiting");
  }

  /** Say in a sentence why there is no image. */
  fail(sentence) {
    this.picture = null;
    this.element.classList.remove("waiting");
    this.problem.textContent = asSentence(sentence);
    this.problem.hidden = false;
    this.#clear();
  }

  /** Follow the size that the page gives; true where it changed. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.element.clientWidth, this.element.clientHeight].map((size) => Math.max(1, Math.round(size * ratio)));
    if (this.canvas.width === width && this.canvas.height === height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    this.#drawnAt = "";
    return true;
  }

  /** Return the pixels of the screen that one sample takes at a zoom. */
  scale(zoom) {
    return Math.min(this.canvas.width / this.picture.width, this.canvas.height / this.picture.height) * zoom;
  }

  /** Draw what a view shows: `{zoom, x, y, level, contrast, inverted}`. */
  draw(view) {
    if (!this.picture) return;
    this.#place(view);
    const window = this.shownWindow(view);
    const inverted = view.inverted !== this.picture.inverted;
    const named = `${window.center} ${window.width} ${inverted}`;
    if (named !== this.#greysOf) {
      this.#table = greys(this.picture.bits, window, inverted);
      this.#greysOf = named;
    }
    this.#clear();
    const { x, y, width, height } = this.#frame;
    if (width > 0 && height > 0) {
      const made = this.#context.createImageData(width, height);
      const pixels = new Uint32Array(made.data.buffer);
      const [samples, table] = [this.#samples, this.#table];
      for (let index = 0; index < pixels.length; index += 1) pixels[index] = table[samples[index]];
      this.#context.putImageData(made, x, y);
    }
    this.window.textContent = `C ${Math.round(window.center)} W ${Math.round(window.width)}${view.inverted ? " · inverted" : ""} · ${view.zoom.toFixed(1)}×`;
  }

  shownWindow(view) {
    const { center, width } = this.picture.window;
    return { center: center + view.level * width, width: Math.max(1, width * view.contrast) };
  }

  // Samples are taken anew only where something moved: while the window is dragged, the table alone changes.
  #place(view) {
    const at = `${view.zoom} ${view.x} ${view.y}`;
    if (at === this.#drawnAt) return;
    const scale = this.scale(view.zoom);
    const [wide, high] = [this.canvas.width, this.canvas.height];
    const left = wide / 2 - view.x * this.picture.width * scale;
    const top = high / 2 - view.y * this.picture.height * scale;
    const x = Math.max(0, Math.round(left));
    const y = Math.max(0, Math.round(top));
    const width = Math.min(wide, Math.round(left + this.picture.width * scale)) - x;
    const height = Math.min(high, Math.round(top + this.picture.height * scale)) - y;
    this.#frame = { x, y, width, height, left, top, scale };
    if (width > 0 && height > 0) {
      if (this.#samples.length < width * height) this.#samples = new Uint16Array(width * height);
      resample(this.picture.level(scale), this.#frame, this.#samples);
    }
    this.#drawnAt = at;
  }

  #clear() {
    this.#context.fillStyle = "#000";
    this.#context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }
}
