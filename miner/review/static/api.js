// The only place that speaks to the server. Addresses are relative to the reader's own link.

/** The server answered, and not with what was asked for. */
export class Refused extends Error {
  constructor(status, body) {
    super(sentence(typeof body?.error === "string" ? body.error : `the server answered with ${status}`));
    this.status = status;
    this.state = body?.state ?? null;
  }
}

/** Return words as a sentence: a capital and a full stop. */
export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");

/** The server did not answer at all. */
export class Unreachable extends Error {}

const PATIENCE_MS = 15_000;

async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) return [response, await (options.raw ? response.arrayBuffer() : response.json())];
  } catch {
    throw new Unreachable("The server does not answer.");
  }
  throw new Refused(response.status, await response.json().catch(() => null));
}

/** Return what stands at an address, read from JSON; raises Refused and Unreachable. */
export const getJson = async (path) => (await answer(path, { headers: { Accept: "application/json" } }))[1];

/** Send JSON and return the answer's. */
export async function postJson(path, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const sent = JSON.stringify(body);
  // Small ones go out even while the page is being left; browsers refuse that for large ones.
  return (await answer(path, { method: "POST", headers, body: sent, keepalive: sent.length < 15_000 }))[1];
}

/** Return an image's samples and what its headers say about them. */
export async function getSamples(path) {
  const [response, buffer] = await answer(path, { raw: true });
  const told = (name) => {
    const value = response.headers.get(name);
    return value === null || value === "" ? null : Number(value);
  };
  return {
    buffer,
    width: told("X-Width"),
    height: told("X-Height"),
    bits: told("X-Bits"),
    center: told("X-Window-Center"),
    windowWidth: told("X-Window-Width"),
    inverted: told("X-Inverted") === 1,
  };
}
