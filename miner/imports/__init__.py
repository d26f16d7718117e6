"""Published benchmarks in their makers' layouts, read into the same folders that `cxr bench compile` writes."""
