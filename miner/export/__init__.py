"""Exports of a benchmark, one small module per format; what they share is in rows.py, parquet.py and export.py."""
