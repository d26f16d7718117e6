"""Disks that are full, files that are damaged, runs that are killed: what is promised in docs/reliability.md."""
