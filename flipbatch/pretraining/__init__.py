"""Pretraining: rendered frames become the model bundles that come with flipbatch.

`job` trains networks by the numbers of `recipe`, one after the other: `data` draws batches from a `pool` of
rendered frames, or from `imitation_frames` with the outputs of a `teacher`; `step` trains on one batch, with
`region_maps` or `imitation` as the loss; `validation` calibrates. `frozen_blocks` runs layers that do not
change. Knows the training folder's augmentation, first weights and renderers. Does not know Ray.
"""
