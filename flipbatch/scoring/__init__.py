"""Scoring: a manifest becomes tables.

`job` runs a command: `models` loads the bundles, `build_manifest` builds the manifest, `shards` divides it,
`manifest_parts` writes it, and `run` starts or resumes the run. An `executor` (`local_executor` or
`ray_executor`) takes shards through `score_shard`, with the checks of `engines` and `attempts`; `progress`
reports. With ``--adapt``, `first_pass` scores a `place_sample` before the run starts, and the run reads its
`place_offsets`. `merge` reads `committed_shards`, writes the tables and sums `totals` and `figures`; `verify`
and `finish` end the run. `read_results` reads a finished run. Only `ray_executor` imports Ray.
"""
