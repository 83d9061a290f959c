"""Metrics and totals of a run become one HTML page and terminal lines. Knows no Ray and reads no table."""
