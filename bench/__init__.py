"""Benchmarks and measures, each beside its peer or its target. Run from the project's root; never shipped."""
