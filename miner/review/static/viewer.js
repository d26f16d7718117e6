// The image, or prior and current side by side: zoom, move, window and level, invert and fit, together or each alone.
import { Pane } from "./pane.js";

const FIT = { zoom: 1, x: 0.5, y: 0.5 };
const PLAIN = { ...FIT, level: 0, contrast: 1, inverted: false };
// Drawn a little larger than its samples still looks whole; beyond that the full size is fetched.
const ENOUGH = 1.2;

export class Viewer {
  #place;
  #images;
  #panes = [];
  #views = [];
  #lists = [];
  #at = [];
  #frame = 0;
  #turn = 0;
  #painted = [];
  linked = true;
  moves = false;

  /** `images.small(facts)` and `images.full(facts)` give promises of pictures. */
  constructor(place, images) {
    this.#place = place;
    this.#images = images;
    new ResizeObserver(() => this.#redraw()).observe(place);
  }

  get isEmpty() {
    return this.#panes.length === 0;
  }

  /** Show an item's images; resolves when all of them are drawn or said to be broken. */
  show(images) {
    this.#turn += 1;
    this.#lists = chosen(images);
    this.#at = this.#lists.map(() => 0);
    this.#views = this.#lists.map(() => ({ ...PLAIN }));
    // Panes are kept, so that nothing flashes between two items.
    while (this.#panes.length < this.#lists.length) this.#panes.push(this.#pane(this.#panes.length));
    this.#panes.length = this.#lists.length;
    this.#place.replaceChildren(...this.#panes.map((pane) => pane.element));
    return Promise.all(this.#lists.map((_, index) => this.#load(index)));
  }

  #pane(index) {
    const pane = new Pane();
    pane.other.addEventListener("click", () => this.#other(index));
    pane.canvas.addEventListener("pointerdown", (event) => this.#drag(index, event));
    pane.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    pane.canvas.addEventListener("dblclick", () => this.fit());
    pane.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = pane.canvas.getBoundingClientRect();
      const at = [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
      this.zoom(Math.exp(-event.deltaY / 400), index, at);
    }, { passive: false });
    return pane;
  }

  async #load(index) {
    const turn = this.#turn;
    const pane = this.#panes[index];
    const facts = this.#lists[index][this.#at[index]];
    pane.announce(facts, this.#lists[index].length, this.#at[index]);
    if (facts.problem) {
      pane.fail(facts.problem);
      return;
    }
    try {
      const picture = await this.#images.small(facts);
      if (turn !== this.#turn || pane.facts !== facts) return;
      pane.take(picture);
      pane.resize();
      this.#paint(index);
    } catch (trouble) {
      if (turn === this.#turn && pane.facts === facts) pane.fail(trouble.message);
    }
  }

  #other(index) {
    this.#at[index] = (this.#at[index] + 1) % this.#lists[index].length;
    this.#views[index] = { ...PLAIN };
    this.#load(index);
  }

  /** Show the next view of the same examination where there is one. */
  others() {
    const several = this.#lists.map((list, index) => (list.length > 1 ? index : -1)).filter((index) => index >= 0);
    for (const index of several) this.#other(index);
    return several.length > 0;
  }

  #change(index, made) {
    for (const which of this.#views.keys()) {
      if (this.linked || which === index) Object.assign(this.#views[which], made(this.#views[which], this.#panes[which]));
    }
    this.#redraw();
  }

  zoom(factor, index = 0, at = [0, 0]) {
    this.#change(index, (view, pane) => {
      if (!pane.picture) return {};
      const zoom = Math.min(16, Math.max(0.5, view.zoom * factor));
      // The point under the pointer stays where it is.
      const share = (size, full) => (size / pane.scale(1) / full) * (1 / view.zoom - 1 / zoom);
      const x = view.x + at[0] * share(pane.canvas.width, pane.picture.width);
      const y = view.y + at[1] * share(pane.canvas.height, pane.picture.height);
      return { zoom, x: inside(x), y: inside(y) };
    });
  }

  /** Move what is seen by a share of the pane. */
  move(right, down, index = 0) {
    this.#change(index, (view, pane) => {
      if (!pane.picture) return {};
      const scale = pane.scale(view.zoom);
      return {
        x: inside(view.x + (right * pane.canvas.width) / scale / pane.picture.width),
        y: inside(view.y + (down * pane.canvas.height) / scale / pane.picture.height),
      };
    });
  }

  /** Make it brighter by a share of the window, and the window wider by a factor. */
  window(brighter, wider, index = 0) {
    this.#change(index, (view, pane) => {
      const sign = pane.picture && view.inverted !== pane.picture.inverted ? 1 : -1;
      return {
        level: Math.min(2, Math.max(-2, view.level + sign * brighter)),
        contrast: Math.min(8, Math.max(0.02, view.contrast * wider)),
      };
    });
  }

  invert() {
    const inverted = !this.#views[0]?.inverted;
    for (const view of this.#views) view.inverted = inverted;
    this.#redraw();
  }

  /** Show the whole image as it came. */
  fit() {
    this.#views = this.#views.map((view) => ({ ...PLAIN, inverted: view.inverted }));
    this.#redraw();
  }

  #drag(index, start) {
    start.preventDefault();
    const { canvas } = this.#panes[index];
    const moving = (start.button !== 0) !== (this.moves !== start.shiftKey);
    let [x, y] = [start.clientX, start.clientY];
    const step = (event) => {
      const [right, down] = [(event.clientX - x) / canvas.clientWidth, (event.clientY - y) / canvas.clientHeight];
      [x, y] = [event.clientX, event.clientY];
      if (moving) this.move(-right, -down, index);
      else this.window(-down, Math.exp(right * 2), index);
    };
    const end = () => {
      canvas.removeEventListener("pointermove", step);
      canvas.removeEventListener("pointerup", end);
      canvas.removeEventListener("pointercancel", end);
    };
    canvas.setPointerCapture(start.pointerId);
    canvas.addEventListener("pointermove", step);
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
  }

  #redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const index of this.#panes.keys()) this.#paint(index);
    });
  }

  #paint(index) {
    const pane = this.#panes[index];
    pane.resize();
    if (!pane.picture) return;
    const began = performance.now();
    pane.draw(this.#views[index]);
    performance.measure("image drawn", { start: began });
    const { facts, picture } = pane;
    if (facts.width > picture.width && pane.scale(this.#views[index].zoom) > ENOUGH && pane.asked !== facts) this.#fetchFull(index);
  }

  async #fetchFull(index) {
    const pane = this.#panes[index];
    const { facts } = pane;
    pane.asked = facts;
    try {
      const picture = await this.#images.full(facts);
      if (pane.facts !== facts) return;
      pane.take(picture);
      this.#redraw();
    } catch {
      // The smaller one stays; the next turn of the wheel asks again.
      pane.asked = null;
    }
  }
}

const inside = (share) => Math.min(1, Math.max(0, share));

// At most two panes: prior and current, or the first two images of one examination.
function chosen(images) {
  const [prior, current] = ["prior", "current"].map((which) => images.filter((image) => image.which === which));
  if (prior.length && current.length) return [prior, current];
  const all = prior.length ? prior : current;
  return all.length > 1 ? [[all[0], ...all.slice(2)], [all[1]]] : all.map((image) => [image]);
}
