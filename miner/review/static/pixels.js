// Samples to grey values on the screen. A radiograph keeps its 16 bits until the very last step, a table that has an entry
// for each value; a smaller copy is taken where many samples fall on one pixel of the screen, so that nothing flickers.

/** Samples of one image with smaller copies of them, each half as wide and high as the one before. */
export class Picture {
  #levels;

  /** Raises a plain Error where the number of samples is not what width and height say. */
  constructor({ buffer, width, height, bits, center, windowWidth, inverted }) {
    const data = bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
    if (!width || !height || data.length !== width * height) throw new Error("The image came incomplete.");
    this.width = width;
    this.height = height;
    this.bits = bits;
    this.inverted = inverted;
    this.#levels = [{ data, width, height }];
    const known = center !== null && windowWidth !== null && windowWidth > 0;
    this.window = known ? { center, width: windowWidth } : spread(data);
  }

  /** Return the copy to draw from where one of its samples takes `scale` pixels of the screen, and how much smaller it is. */
  level(scale) {
    let index = 0;
    while (scale * 2 ** (index + 1) <= 1 && this.#at(index).width > 2 && this.#at(index).height > 2) index += 1;
    return { ...this.#at(index), shrink: 2 ** index };
  }

  #at(index) {
    while (this.#levels.length <= index) this.#levels.push(halved(this.#levels[this.#levels.length - 1]));
    return this.#levels[index];
  }
}

/** Return an image of half the size; each of its samples is the mean of four. */
export function halved({ data, width, height }) {
  const [w, h] = [width >> 1, height >> 1];
  const made = new data.constructor(w * h);
  for (let y = 0, to = 0; y < h; y += 1) {
    let from = 2 * y * width;
    for (let x = 0; x < w; x += 1, to += 1, from += 2) {
      made[to] = (data[from] + data[from + 1] + data[from + width] + data[from + width + 1] + 2) >> 2;
    }
  }
  return { data: made, width: w, height: h };
}

/** Return the window between the first and the 99th percentile, for an image that came without one. */
export function spread(data) {
  const counts = new Uint32Array(65_536);
  for (let index = 0; index < data.length; index += 1) counts[data[index]] += 1;
  const at = (share) => {
    let left = data.length * share;
    let value = 0;
    while (value < 65_535 && (left -= counts[value]) > 0) value += 1;
    return value;
  };
  const [low, high] = [at(0.01), at(0.99)];
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** Return the grey value of each sample value, as pixels of a canvas; a window is `{center, width}` in samples. */
export function greys(bits, window, inverted) {
  const made = new Uint32Array(bits === 16 ? 65_536 : 256);
  const low = window.center - window.width / 2;
  for (let value = 0; value < made.length; value += 1) {
    const share = Math.min(1, Math.max(0, (value - low) / window.width));
    const grey = Math.round((inverted ? 1 - share : share) * 255);
    made[value] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return made;
}

/**
 * Fill `out` with the samples under a rectangle of the screen, row by row, between the four nearest ones.
 *
 * `frame` is `{x, y, width, height, left, top, scale}`: the rectangle in pixels of the screen, where the image's corner lies
 * and how many pixels one of its samples takes.
 */
export function resample(level, frame, out) {
  const { data, width, height, shrink } = level;
  const step = 1 / (frame.scale * shrink);
  const columns = new Int32Array(frame.width);
  const next = new Int32Array(frame.width);
  const shares = new Int32Array(frame.width);
  const place = (at, count) => Math.min(count - 1, Math.max(0, at));
  for (let x = 0; x < frame.width; x += 1) {
    const at = place((frame.x + x + 0.5 - frame.left) * step - 0.5, width);
    columns[x] = at | 0;
    next[x] = Math.min(width - 1, columns[x] + 1);
    shares[x] = ((at - columns[x]) * 256) | 0;
  }
  for (let y = 0, to = 0; y < frame.height; y += 1) {
    const at = place((frame.y + y + 0.5 - frame.top) * step - 0.5, height);
    const row = at | 0;
    const share = ((at - row) * 256) | 0;
    const upper = row * width;
    const lower = Math.min(height - 1, row + 1) * width;
    for (let x = 0; x < frame.width; x += 1, to += 1) {
      const [one, other, part] = [columns[x], next[x], shares[x]];
      const above = data[upper + one] * (256 - part) + data[upper + other] * part;
      const below = data[lower + one] * (256 - part) + data[lower + other] * part;
      // Up to 2^16 times 2^8 fits a small integer; the second product is done as a float.
      out[to] = (above * (256 - share) + below * share) / 65_536;
    }
  }
}
