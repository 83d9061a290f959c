"""Pixels become probabilities: networks, bundles, engines, the predictor. Knows no Ray."""
