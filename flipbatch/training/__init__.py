"""Labelled frames become model bundles. Only `ray_trainer` imports Ray."""
