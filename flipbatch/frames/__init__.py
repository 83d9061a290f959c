"""Frames: files are listed, read and decoded.

For the list, `manifest` takes rows from `manifest_listing` or `manifest_table`, which use `names` and
`row_batches`; `groups` checks them, `notes` collects what users should know, `external_sort` sorts any number
of rows and `manifest_fingerprint` identifies them. For the pixels, `load` reads files and calls `decode`, in
`isolation` if it must be: `decode` chooses `jpeg` or `pillow_formats` (with `completeness`) and `fitting`
places the picture; a `rejection` is the reason for no pixels. Does not know models or metrics.
"""
