"""The measures of an evaluation by name, and what stands in the place of a corpus or task where a line is a mean."""

FACTUALITY, COMPLETENESS, EFFECTIVENESS, RADRSCORE = "factuality", "completeness", "effectiveness", "radrscore"
ACCURACY, FINDING_F1, RATESCORE, OUTCOME = "accuracy", "finding_f1", "ratescore", "outcome"
WEIGHTED = "weighted"
"""A score beside RadRScore that weighs findings."""
REASONING_MEASURES = (FACTUALITY, COMPLETENESS, EFFECTIVENESS, RADRSCORE)
"""RadRScore's three shares, and their mean."""

MEAN = "mean"
"""In the place of a corpus or task: the mean over all of them, corpora of other hospitals left out."""
CROSS_CENTRE = "cross_centre"
"""In the place of a corpus: the mean over those of other hospitals."""
