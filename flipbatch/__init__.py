"""flipbatch tells from one video frame whether a page is being flipped.

The rooms of this package stand in the order in which the data flows; ``README.md`` draws the way.
"""

__version__ = "0.1.0"
