"""The benchmark: questions chosen to target sizes, written as Parquet with a manifest that a rebuild reproduces."""
