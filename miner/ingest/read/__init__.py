"""What readers of corpora share: files that may be damaged or hostile, large CSVs, frames, worker processes."""
