// Every key, once: what the help shows, and what the line at the foot says where the reader stands.
import { byId, el } from "./dom.js";

const HELP = [
  ["Judging", [
    ["↓ ↑ or Enter", "go on, go back: the steps, then the three scores, then done"],
    ["R W U", "the step is right, wrong, unnecessary; after W a number says what is wrong"],
    ["A", "all steps without a verdict are right"],
    ["F V C", "go to factuality, validity, completeness"],
    ["0 … 9, 1 then 0", "the score; − before or after it makes it negative; ← → change it by one; ⌫ clears it"],
    ["1 … 5", "where a finding is asked: the verdict"],
    ["M N", "write what is missing, write a note; Esc leaves the text"],
    ["X", "cannot judge this item"],
    ["Enter, Ctrl+Enter", "done, and the next item; Ctrl+Enter from anywhere"],
    ["Y", "in an adjudication: my own scores are my final word"],
  ]],
  ["Reading", [
    ["Q", "the next quote of the chosen step"],
    ["S", "fold or open all sections of the report"],
    ["> <", "the next item, the one before, without being done"],
    ["G", "the next item that is open"],
  ]],
  ["Images", [
    ["Z, Shift+Z", "larger, smaller (or the wheel)"],
    ["Shift+arrows", "move (or drag with the right button)"],
    ["B, Shift+B", "brighter, darker (or drag up and down)"],
    ["K, Shift+K", "more contrast, less (or drag left and right)"],
    ["I O", "invert; the whole image as it came"],
    ["L D", "link the two images or not; dragging moves or windows"],
    ["E P", "another view of the same examination; large images"],
  ]],
  ["Page", [["T", "dark or light"], ["?", "this help"]]],
];

const HINTS = {
  step: "R right · W wrong · U unnecessary · A all right · Q next quote · ↓ next",
  wrong: "1 presence · 2 location · 3 side · 4 severity · 5 change · 6 certainty · 7 other · ↓ next",
  axis: "0–9 score (1 0 for ten) · − negative · ← → by one · Enter next",
  verdict: "1–5 verdict · Enter done",
  done: "Enter done · ↑ back",
  text: "Esc back to the scores · Ctrl+Enter done",
  views: "F V C final scores · Y as I said · Enter done",
};

/** Return the line of keys that help at a stop. */
export const hintAt = (stop) => `${HINTS[stop] ?? HINTS.done} · ? all keys`;

/** Build the help, once. */
export function makeHelp() {
  const dialog = byId("help");
  const groups = HELP.map(([title, rows]) =>
    el("section", {}, el("h3", {}, title), el("dl", {}, ...rows.flatMap(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)]))),
  );
  byId("help-keys").replaceChildren(...groups);
  byId("help-open").addEventListener("click", () => dialog.showModal());
  return dialog;
}
