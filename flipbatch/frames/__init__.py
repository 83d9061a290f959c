"""A file becomes pixels: names, manifests, decoding. Knows no model and no label statistics."""
