"""Metrics and tables become terminal lines and one HTML page."""
