"""Benchmarks: `python -m benchmarks` prints every table. Timings are figures, never tests."""
