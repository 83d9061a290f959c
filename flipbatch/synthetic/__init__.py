"""Synthetic data: rendered videos of page turns.

`sampling` draws a `scene` with `scaled_random` numbers. `renderer` draws its moments: the `background`, the
`page` and the `hand` (with its `bones`) as `layer`s, by the camera's `geometry` and the `light`. `dataset`
writes labelled frames. Imports no other package of flipbatch.
"""
