// A review as a value: what a field holds, what it becomes, what is still lacking. Nothing here touches the page.
import { AXES } from "./words.js";

const TEXTS = new Set(["comment", "missing"]);

/** Return the part of the state that a field lies in, and its name there. */
function placeOf(state, field) {
  if (field.startsWith("final.")) return [state.final ?? {}, field.slice(6)];
  if (field.startsWith("steps.")) return [state.steps ?? {}, field.slice(6)];
  return [state, field];
}

/** Return what a field of a state holds: null where it was never set, and "" for a text. */
export function valueOf(state, field) {
  const [part, name] = placeOf(state, field);
  return part[name] ?? (TEXTS.has(name) ? "" : name === "done" || name === "cannot_judge" ? false : null);
}

/** Return the state with one field set. */
export function withValue(state, field, value) {
  if (field.startsWith("final.")) return { ...state, final: { ...state.final, [field.slice(6)]: value } };
  if (field.startsWith("steps.")) return { ...state, steps: { ...state.steps, [field.slice(6)]: value } };
  return { ...state, [field]: value };
}

/** Say whether two values of a field are the same. */
export function same(one, other) {
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") return one === other;
  return one.verdict === other.verdict && (one.attribute ?? null) === (other.attribute ?? null);
}

/** Say whether a verdict is asked, and not three scores. */
export const asksVerdict = (item) => Boolean(item.finding);

/** Say whether both views are shown and a final is asked. */
export const asksFinal = (item) => item.round === "adjudication" && Array.isArray(item.others) && item.state.done;

/** Return what stands before each field that is asked now. */
export const prefixOf = (item) => (asksFinal(item) ? "final." : "");

/** Return the first field without which the item is not done, or null. */
export function lacking(item) {
  const prefix = prefixOf(item);
  if (valueOf(item.state, `${prefix}cannot_judge`)) return null;
  const asked = asksVerdict(item) ? ["verdict"] : AXES.map((axis) => axis.field);
  return asked.map((field) => prefix + field).find((field) => valueOf(item.state, field) === null) ?? null;
}

/** Say whether all that is asked of this reader is done. */
export const isFinished = (item) => Boolean(item.state.done && (item.round !== "adjudication" || item.state.final?.done));

/** Say whether nothing may be changed any more: the chain is another now, or the word in training is given. */
export const isLocked = (item) => Boolean(item.stale || (item.round === "training" && item.state.done));

/** Say whether a field may be changed now: one's own view stays as it was before the others' were seen. */
export const isOpen = (item, field) =>
  !isLocked(item) && (item.round !== "adjudication" || !item.state.done || field.startsWith("final."));

/** Return the score that typing a key gives, `undefined` where the key is none; `typed` is what came before it. */
export function typedScore(value, typed, key) {
  const minus = key === "-" || key === "−";
  if (minus && (value === null || value === 0 || typed === "+")) return { value, typed: "-" };
  if (minus) return { value: -Math.abs(value), typed: "" };
  if (key === "+") return { value: value === null ? null : Math.abs(value), typed: "+" };
  if (!/^[0-9]$/.test(key)) return undefined;
  if (key === "0" && typed.endsWith("1")) return { value: typed.startsWith("-") ? -10 : 10, typed: "" };
  const score = Number(key);
  return typed === "-" && score ? { value: -score, typed: `-${key}` } : { value: score, typed: key };
}
