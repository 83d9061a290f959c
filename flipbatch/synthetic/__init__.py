"""Rendered videos of page turns. Imports no other room."""
