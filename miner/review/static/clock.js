// The seconds that were spent on each item: not those in another window, nor those of a long absence. The clock is the
// browser's steady one, so that a jump of the computer's time changes nothing.

const ABSENT_MS = 120_000;

export class Clock {
  #spent = new Map();
  #position = null;
  #since = 0;
  #touched = 0;

  constructor() {
    for (const event of ["pointermove", "pointerdown", "wheel", "keydown"]) {
      document.addEventListener(event, () => this.#touch(), { passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#count() : this.#restart()));
  }

  /** The reader looks at this item from now on. */
  turnTo(position) {
    this.#count();
    this.#position = position;
    this.#restart();
  }

  /** Return the seconds of an item that nobody has taken yet. */
  take(position) {
    this.#count();
    const spent = this.#spent.get(position) ?? 0;
    this.#spent.set(position, 0);
    return spent / 1000;
  }

  #touch() {
    const now = performance.now();
    if (now - this.#touched > ABSENT_MS) {
      this.#count();
      this.#since = now;
    }
    this.#touched = now;
  }

  #restart() {
    this.#since = this.#touched = performance.now();
  }

  #count() {
    const now = performance.now();
    const until = Math.min(now, this.#touched + ABSENT_MS);
    if (this.#position !== null && !document.hidden && until > this.#since) {
      this.#spent.set(this.#position, (this.#spent.get(this.#position) ?? 0) + until - this.#since);
    }
    this.#since = now;
  }
}
