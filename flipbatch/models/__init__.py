"""Pixels become probabilities: two networks, their bundles, the predictor. Knows no Ray."""
