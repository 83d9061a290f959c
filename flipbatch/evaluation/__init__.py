"""Evaluation: probabilities become predictions, metrics and intervals.

`calibration` fits temperature, offset and threshold on validation, with the checks of `labelled`;
`reliability` measures the calibration. `threshold` makes predictions, `videos` makes one row per video of
them, and `tally` sums these rows, with `counts` (confusion matrices) and `bootstrap` (intervals). `paired`
compares the tallies of two models. `adaptation` estimates by how much the logits of a place are shifted, with
what `adaptation_prior` says of a model. `smoothing` looks at the frames around a frame, `page_turns` finds
runs of flips, `stills` chooses a frame between two of them, and `event_tally` compares them with the labels.
`columns` reads masks from tables. Does not know pixels or files.
"""
