"""Reports: metrics and totals of a run become one HTML page and terminal lines.

For the page, `contents` gathers what a run has, `warnings` and `differences` derive sentences and results,
`views` and `plots` make rows and shapes of them, and `page` fills the template and writes the file. For the
terminal, `terminal` makes lines, with `score_table`. Both format numbers by `values`. Does not know Ray, and
reads no table.
"""
