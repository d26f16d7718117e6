// Every change goes to the server at once, in order. What cannot be sent is kept in this page and tried again: a batch
// stays as it was put together, so that the server can tell by its event ids that it had it already.
import { Refused } from "./api.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 4_000;
// In characters, which may be three bytes each: the server takes a million bytes at once.
const LARGEST_BATCH = 100_000;

const newId = () => {
  // randomUUID exists on loopback and over https only; a study on another host may be neither.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

export class Saves {
  #post;
  #told;
  #waiting = [];
  #batch = null;
  #sending = false;
  #failures = 0;
  #timer = 0;
  #over = false;
  #idle = [];

  /**
   * `post(position, body)` sends a batch. `told` is asked to show: `state(what, count, sentence)`,
   * `saved(position, reply, isLast)`, `conflict(position, refusal, changes)`, `refused(position, refusal)`.
   */
  constructor(post, told) {
    this.#post = post;
    this.#told = told;
  }

  get unsaved() {
    return this.#waiting.length + (this.#batch?.changes.length ?? 0);
  }

  /** Keep a change of a field and send it as soon as the ones before it are saved. */
  add(position, field, old, value, seconds) {
    this.#waiting.push({ position, seconds, change: { event: newId(), field, old, new: value } });
    this.#send();
  }

  /** Wait until all is saved; false where that cannot come any more. */
  settled() {
    if (this.#over) return Promise.resolve(false);
    if (!this.unsaved) return Promise.resolve(true);
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Try again now: the network is back, or the reader wants to. */
  retry() {
    clearTimeout(this.#timer);
    this.#send();
  }

  async #send() {
    if (this.#sending || this.#over) return;
    this.#batch ??= this.#next();
    if (this.#batch === null) return;
    this.#sending = true;
    if (!this.#failures) this.#told.state("saving", this.unsaved, "");
    const { position, changes, seconds } = this.#batch;
    try {
      const reply = await this.#post(position, { changes, seconds });
      this.#batch = null;
      this.#failures = 0;
      this.#told.saved(position, reply, !this.#waiting.some((one) => one.position === position));
    } catch (trouble) {
      this.#failed(trouble);
    }
    this.#sending = false;
    if (this.#over) return;
    if (this.#failures) {
      this.#timer = setTimeout(() => this.#send(), Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1)));
    } else if (this.unsaved) {
      this.#send();
    } else {
      this.#told.state("saved", 0, "");
      this.#resolve(true);
    }
  }

  #next() {
    if (!this.#waiting.length) return null;
    const { position } = this.#waiting[0];
    let [count, size] = [0, 0];
    for (const one of this.#waiting) {
      size += JSON.stringify(one.change).length;
      if (one.position !== position || (count && size > LARGEST_BATCH)) break;
      count += 1;
    }
    const taken = this.#waiting.splice(0, count);
    const seconds = Math.round(taken.reduce((sum, one) => sum + one.seconds, 0) * 1000) / 1000;
    return { position, seconds, changes: taken.map((one) => one.change) };
  }

  #failed(trouble) {
    const status = trouble instanceof Refused ? trouble.status : 0;
    if (status === 403 || status === 410) {
      this.#over = true;
      this.#told.state("over", this.unsaved, trouble.message);
      this.#resolve(false);
      return;
    }
    if (status === 0 || status === 408 || status === 429 || status >= 500) {
      this.#failures += 1;
      this.#told.state("waiting", this.unsaved, trouble.message);
      return;
    }
    // The server will never take this batch: what was built on it goes too, and the page shows what is saved.
    const { position } = this.#batch;
    const lost = [...this.#batch.changes, ...this.#waiting.filter((one) => one.position === position).map((one) => one.change)];
    this.#batch = null;
    this.#waiting = this.#waiting.filter((one) => one.position !== position);
    this.#failures = 0;
    if (status === 409) this.#told.conflict(position, trouble, lost);
    else this.#told.refused(position, trouble);
  }

  #resolve(value) {
    for (const resolve of this.#idle.splice(0)) resolve(value);
  }
}
