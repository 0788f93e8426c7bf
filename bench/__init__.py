"""Benchmarks. Every figure is to be read as a ratio to the others of the same run."""
