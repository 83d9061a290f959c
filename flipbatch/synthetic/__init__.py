"""Synthetic data: rendered frames of people who turn pages, in three dimensions.

`sample_place` and `sample_clip` draw a `scene` with `scaled_random` numbers, as often with each ingredient as
a `mix` says. `renderer` draws its moments: `paper`, `book` and `hand` (with its `bones`) become a `mesh`,
`page` and `surfaces` draw the `textures` in an `atlas`, `brightness` and `shadow` light it, `view` sees it
and `film` exposes it. `stream` yields endless frames at training size with their exact `frame_state`;
`dataset` writes labelled films of full size, and `turning_film` shows several turns, one after the other.
Imports no other package of flipbatch.
"""
