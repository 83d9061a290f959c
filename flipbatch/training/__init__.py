"""Training: labelled frames become model bundles.

`job` runs a command with its `options`: `splits` or `folds` assign frames, `decode_once` decodes them through
a `trainer` (`local_trainer` or `ray_trainer`) into a `frame_cache`, and `train_models` trains each model by
`fit_model`; `leak` counts equal pictures. `fit_model` runs `fit` over `epoch`s, with `recipes`, `augment`,
`early_stopping`, `distributed` and `process_settings`, then `assess` calibrates and tests. `comparison` or
`fold_results` summarise. Only `ray_trainer` imports Ray.
"""
