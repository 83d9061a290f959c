"""Probabilities become decisions, counts and intervals. Knows tables; knows no pixels and no files."""
