// What is asked, and in which words: the three axes, the verdicts on a step, the rubric's verdicts on a finding.

// Seven bands of an axis, from the worst to the best.
const bandOf = (value) =>
  value === -10 ? 0 : value < -5 ? 1 : value < 0 ? 2 : value === 0 ? 3 : value < 5 ? 4 : value < 8 ? 5 : value < 10 ? 6 : 7;

export const AXES = [
  {
    field: "factuality",
    key: "F",
    label: "Factuality",
    asks: "Is it true?",
    ends: ["all false", "all true"],
    bands: [
      "nothing is true", "mostly wrong", "more wrong than right", "half right, half wrong", "more right than wrong",
      "right but for small slips", "right in all that matters", "all is true",
    ],
  },
  {
    field: "validity",
    key: "V",
    label: "Validity",
    asks: "Does it lead to the answer?",
    ends: ["none follow", "all follow"],
    bands: [
      "no step follows", "hardly anything follows", "gaps that decide", "half of it follows", "follows with large gaps",
      "follows with small gaps", "follows well", "every step follows",
    ],
  },
  {
    field: "completeness",
    key: "C",
    label: "Completeness",
    asks: "Is all there?",
    ends: ["all missing", "all there"],
    bands: [
      "all is missing", "most is missing", "more missing than there", "half of it is there", "what matters is missing",
      "small things are missing", "all that matters is there", "nothing is missing",
    ],
  },
];

/** Return a score as people read it, with a true minus sign. */
export const number = (value) => (value === null || value === undefined ? "–" : String(value).replace("-", "−"));

/** Return what a score means on its axis. */
export const inWords = (axis, value) => (value === null ? "not scored yet" : axis.bands[bandOf(value)]);

export const STEP_VERDICTS = [
  { value: "right", key: "R", label: "right", sign: "✓" },
  { value: "wrong", key: "W", label: "wrong", sign: "✗" },
  { value: "unnecessary", key: "U", label: "unnecessary", sign: "○" },
];

export const ATTRIBUTES = ["presence", "location", "side", "severity", "change", "certainty", "other"];

// The rubric's five verdicts on a finding, in its words.
export const FINDING_VERDICTS = [
  { value: "supported", label: "Supported", means: "the report states it, or it follows" },
  { value: "contradicted", label: "Contradicted", means: "the report says the opposite, or another side, place or degree" },
  { value: "unmentioned_normal", label: "Unmentioned, normal", means: "says normal or absent; the report is silent" },
  { value: "unmentioned_abnormal", label: "Unmentioned, abnormal", means: "says abnormal or present; nothing supports it" },
  { value: "not_assessable", label: "Not assessable", means: "nothing that one could check" },
];

export const TASKS = {
  binary: "Yes or no",
  single: "One finding of several",
  multiple: "The right combination",
  anomaly: "All that is abnormal",
  temporal: "Change since the prior image",
};
