"""Frames of films become files, named as training reads them."""
