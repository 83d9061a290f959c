"""How often each ingredient of the world appears in rendered scenes.

Knows shares only. `sample_place` and `sample_clip` turn them into scenes.
"""

from dataclasses import dataclass, fields, replace

from flipbatch.errors import InputError


@dataclass(frozen=True)
class Mix:
    """Shares of scenes, 0 to 1, that have an ingredient.

    Attributes
    ----------
    usual
        The book lies on a table and is filmed by its reader, upright and as a whole: `held`, `low`, `close`,
        `turned` and `formats` do not apply.
    held
        The book is held in the air instead of lying on a table.
    tilted
        One or both halves of the book stand up.
    curved
        Resting pages bulge, and their corners curl.
    several
        Several pages are in the air at once.
    lifted
        A page only begins to lift, or has nearly landed.
    prints
        Notebooks, blank books and textbooks with boxes and pictures, instead of prose.
    close
        The camera is so near that it crops the book, or further away than usual.
    low
        The camera looks from a low angle or from the side.
    turned
        The book is turned in the frame.
    formats
        The frame is square, landscape or 3:4 instead of 9:16.
    hands
        Hands beyond a reader's usual two: more of them, from all sides, faster, holding and pinching.
    sun
        Hard light with patterns of shadow.
    dark
        Under- or overexposed frames, strong casts of colour, faded tones.
    degraded
        Low resolution, sharpening, strong compression and blur.
    tables
        The table is dark, grained or covered with cloth.
    objects
        Other things lie on the table.
    """

    usual: float = 0.35
    held: float = 0.35
    tilted: float = 0.45
    curved: float = 0.7
    several: float = 0.25
    lifted: float = 0.4
    prints: float = 0.6
    close: float = 0.5
    low: float = 0.4
    turned: float = 0.35
    formats: float = 0.35
    hands: float = 0.5
    sun: float = 0.4
    dark: float = 0.35
    degraded: float = 0.4
    tables: float = 0.8
    objects: float = 0.3

    def as_usual(self) -> "Mix":
        """Return the mix of scenes that are filmed as usual."""
        return replace(self, held=0.0, low=0.0, close=0.0, turned=0.0, formats=0.0)

    def without(self, ingredient: str) -> "Mix":
        """Return the mix without an ingredient.

        Raises
        ------
        InputError
            If there is no such ingredient.
        """
        names = [field.name for field in fields(self)]
        if ingredient not in names:
            raise InputError(f"Scenes have no ingredient {ingredient!r}: they have {', '.join(names)}.")
        return replace(self, **{ingredient: 0.0})


WORLD = Mix()
"""Books anywhere: what models that are to meet unknown books learn from."""
DESK = Mix(**{field.name: 0.0 for field in fields(Mix)})
"""A book on a desk, filmed by its reader: the demo."""
