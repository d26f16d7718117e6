// Offsets are counted in code points, as Python counts them; JavaScript counts an emoji twice.

/** Return a function that gives the text from one code point up to another. */
export function cutter(text) {
  const points = /[\ud800-\udfff]/.test(text) ? Array.from(text) : null;
  return (start, end) => (points ? points.slice(start, end).join("") : text.slice(start, end));
}

/** Return the number of code points. */
export const pointCount = (text) => (/[\ud800-\udfff]/.test(text) ? Array.from(text).length : text.length);

/** Return a text's pieces `{start, end, name}` in order: its sections, and what stands between them without a name. */
export function pieces(text, sections) {
  const found = [];
  const cut = cutter(text);
  const length = pointCount(text);
  let at = 0;
  for (const section of [...sections].sort((one, other) => one.start - other.start)) {
    if (section.start < at) continue;
    const between = cut(at, section.start).trim();
    if (between && !isHeading(between, section.name)) found.push({ start: at, end: section.start, name: null });
    found.push({ start: section.start, end: section.end, name: section.name });
    at = section.end;
  }
  if (cut(at, length).trim()) found.push({ start: at, end: length, name: null });
  return found;
}

// A heading over a section is said by the fold's own line.
const isHeading = (between, name) => between.replace(/[\s:*_#-]+/g, " ").trim().toLowerCase() === name.replace(/[\s_]+/g, " ").toLowerCase();

/** Return the parts `{text, quotes}` of a piece, cut where quotes begin and end; `quotes` are numbers of evidence. */
export function parts(text, piece, quotes) {
  const cut = cutter(text);
  const inside = quotes.filter((quote) => quote.start < piece.end && quote.end > piece.start);
  const edges = new Set([piece.start, piece.end]);
  for (const quote of inside) {
    edges.add(Math.max(piece.start, quote.start));
    edges.add(Math.min(piece.end, quote.end));
  }
  const sorted = [...edges].sort((one, other) => one - other);
  return sorted.slice(0, -1).map((start, index) => ({
    text: cut(start, sorted[index + 1]),
    quotes: inside.filter((quote) => quote.start <= start && quote.end >= sorted[index + 1]).map((quote) => quote.no),
  }));
}
