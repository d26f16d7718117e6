// What others said: both readers' views in an adjudication, and the feedback of a training item.
import { el } from "./dom.js";
import { asksFinal, asksVerdict } from "./review.js";
import { AXES, FINDING_VERDICTS, number } from "./words.js";

const labelOf = (verdict) => FINDING_VERDICTS.find((one) => one.value === verdict)?.label ?? "–";

function row(who, state, item) {
  const cells = asksVerdict(item) ? [labelOf(state.verdict)] : AXES.map((axis) => number(state[axis.field]));
  const words = [state.missing ? `Missing: ${state.missing}` : "", state.comment ?? ""].filter(Boolean).join(" · ");
  const scores = state.cannot_judge ? cells.map(() => "cannot judge") : cells;
  return el("tr", {}, el("th", { scope: "row" }, who), ...scores.map((cell) => el("td", {}, cell)), el("td", { class: "words" }, words));
}

function table(caption, views, item) {
  const heads = asksVerdict(item) ? ["Verdict"] : AXES.map((axis) => axis.label);
  return el(
    "table",
    { class: "views" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, el("td", {}), ...heads.map((head) => el("th", { scope: "col" }, head)), el("th", { scope: "col" }, "Note"))),
    el("tbody", {}, ...views.map(([who, state]) => row(who, state, item))),
  );
}

/** Return the elements that show what others said of an item; none before the reader's own word is given. */
export function views(item) {
  if (item.feedback) {
    const shown = item.feedback.state ? [table("Your scores and the expected ones", [["You", item.state], ["Expected", item.feedback.state]], item)] : [];
    return [el("p", { class: "feedback", id: "feedback" }, el("b", {}, "Feedback. "), item.feedback.text || "This is what was said of it before."), ...shown];
  }
  if (asksFinal(item)) {
    const rows = [...item.others.map((view) => [view.reader, view.state]), ["You", item.state]];
    return [table("The readers differ. What is your final word?", rows, item)];
  }
  return [];
}
