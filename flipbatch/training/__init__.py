"""Labelled frames become model bundles. Only `job` knows Ray."""
