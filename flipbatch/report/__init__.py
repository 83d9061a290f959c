"""Reports: metrics, totals and files of a run become one HTML page and terminal lines.

`page` writes the page of a scoring run, `training_page` that of a training run, `folds_page` that of a
cross-validation. `contents` and
`training_contents` gather what a run has. `warnings`, `training_warnings` and `differences` derive sentences
and results. `views` and `video_rows` make rows of them, `plots` shapes, `curves` plots, `gallery` thumbnails.
`html` fills the templates. For the terminal, `terminal` makes lines, with `score_table`. All format numbers
by `values`. Does not know Ray.
"""
