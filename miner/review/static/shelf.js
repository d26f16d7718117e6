// Items and their images, fetched before they are wanted.
import { Unreachable, getJson, getSamples } from "./api.js";
import { Picture } from "./pixels.js";

const KEPT = 6;
const TRIES = 40;
const PAUSE_MS = 1_500;
export const SMALL_SIDE = 1024;

export class Shelf {
  #items = new Map();

  /** Return a promise of an item and its images, the same one while it is kept. */
  get(position) {
    const kept = this.#items.get(position) ?? this.#fetch(position);
    this.#items.delete(position);
    this.#items.set(position, kept);
    for (const old of [...this.#items.keys()].slice(0, -KEPT)) this.#items.delete(old);
    return kept;
  }

  /** Fetch it anew the next time. */
  forget(position) {
    this.#items.delete(position);
  }

  #fetch(position) {
    const made = getJson(`items/${position}`).then((item) => {
      const pictures = new Map();
      for (const facts of (item.images ?? []).filter((one) => !one.problem)) pictures.set(facts.no, small(position, facts));
      return { item, pictures };
    });
    // What failed is asked for again when it is wanted.
    made.catch(() => this.#items.get(position) === made && this.#items.delete(position));
    return made;
  }
}

function small(position, facts) {
  const made = fetchPicture(`images/${position}/${facts.no}?side=${SMALL_SIDE}`);
  made.catch(() => {}); // said where the image would be
  return made;
}

/** Return a promise of an image's samples in full size. */
export const full = (position, facts) => fetchPicture(`images/${position}/${facts.no}`);

// A server that is away for a moment is asked again; what it says of an image is final.
async function fetchPicture(path) {
  for (let tries = 1; ; tries += 1) {
    try {
      return new Picture(await getSamples(path));
    } catch (trouble) {
      if (!(trouble instanceof Unreachable) || tries === TRIES) throw trouble;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
