"""Frames: files are listed, read and decoded.

For the list, `manifest` takes rows from `manifest_listing` or from `manifest_table`, which reads
`table_parts` by `table_text`, `table_formats`, `table_columns`, `table_cells` and `table_uris`. `names` and
`words` read paths, `row_batches` makes rows, `sorted_rows` checks them, `folder_notes` and `notes` collect
what users should know, `short_uris` shortens examples, `external_sort` sorts any number of rows and
`manifest_fingerprint` identifies them. `places` says which frames ``--adapt`` shifts alike.

For the pixels, `load` reads files and calls `decode`, in `isolation` if it must be. `decode` chooses `jpeg`
or `pillow_formats` (with `completeness`), and `fitting` places the picture. `jpeg` decodes a refused file
again as `jpeg_plain` rewrites it, by `jpeg_segments`, `jpeg_code` and `jpeg_blocks`. A `rejection` is the
reason for no pixels. `appearance` says how sharp a frame is. Does not know models or metrics.
"""
