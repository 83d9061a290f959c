"""Probabilities become F1: counts, calibration, one row per video. Knows no pixels and no files."""
