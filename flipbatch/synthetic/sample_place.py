"""Random places: camera, film, light, surroundings, book and skin.

They are the same in the `flip` and the `notflip` video of one place. Knows scenes and random numbers; knows
no pixels, no files and no frame numbers.
"""

import numpy as np

from flipbatch.synthetic.mix import Mix
from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import Book, Camera, Color, Film, Light, Pattern, Place, Print, Side, Vector

PORTRAIT = 9 / 16
CROPS = 1.2
"""Width of the open book, in frame widths, from which on a camera may look at one page only."""


def sample_aspect(mix: Mix, rng: ScaledRandom) -> float:
    """Return the width of the frame over its height."""
    chance, other = rng.random(), float(rng.choice([1.0, 0.75, 4 / 3, 16 / 9, 0.66]))
    return other if chance < mix.formats else PORTRAIT


def sample_book(mix: Mix, held: bool, rng: ScaledRandom) -> Book:
    """Return a random book; the halves of a held one stand up more often."""
    tilted = max(mix.tilted, 0.7 * held)
    width = rng.uniform(11.5, 17.5)
    ratio = rng.uniform(1.35, 1.52) if rng.random() > 0.2 * mix.prints else rng.uniform(0.75, 1.35)
    paper_warmth = rng.uniform(0, 1) ** 1.5
    paper = np.array([250, 249, 246]) - paper_warmth * np.array([8, 24, 60]) - rng.uniform(0, 20)
    total, balance = rng.uniform(0.4, 3.4 + 1.6 * mix.curved), rng.uniform(0.1, 0.9)
    kinds: list[Print] = ["textbook", "notebook", "blank"]
    other = kinds[int(rng.choice(3, p=[0.55, 0.2, 0.25]))]
    dark_cover = rng.random() < 0.4
    return Book(
        page_width=float(width),
        page_height=float(width * ratio),
        left=_sample_side(mix, tilted, total * balance, rng),
        right=_sample_side(mix, tilted, total * (1 - balance), rng),
        paper=color(paper),
        ink=color(rng.uniform(15, 75) + rng.uniform(-10, 10, 3)),
        cover=color(rng.uniform(10, 60, 3) if dark_cover else rng.uniform(15, 230, 3)),
        print=other if rng.random() < mix.prints else "prose",
        font_size=float(rng.uniform(0.22, 0.42)),
        picture_share=float(
            rng.uniform(0, 0.35) if rng.random() > 0.4 * mix.prints else rng.uniform(0.3, 0.9)
        ),
        translucency=float(rng.uniform(0.1, 0.6)),
        seed=sample_seed(rng),
    )


def _sample_side(mix: Mix, tilted: float, thickness: float, rng: ScaledRandom) -> Side:
    """Return one half of a book, which stands up with a probability of `tilted`."""
    stands, curved = rng.random() < tilted, rng.random() < mix.curved
    tilt = rng.uniform(4, 78) * rng.uniform(0.4, 1) if stands else 0.0
    bulge = rng.uniform(-25, 85) if curved else rng.uniform(0, 12)
    curl = rng.uniform(5, 38) * rng.uniform(0.2, 1) if rng.random() < 0.6 * mix.curved else 0.0
    return Side(
        thickness=float(thickness),
        tilt=float(tilt),
        hump=float(rng.uniform(8, 75) if curved else rng.uniform(8, 29)),
        bulge=float(bulge),
        curl=float(curl),
        corner=float(rng.choice([0.0, 0.5, 1.0])),
        skew=float(rng.uniform(-0.9, 0.9) if rng.random() < 0.5 * mix.curved else 0.0),
        fan=float(rng.normal(0, 0.25 + 0.35 * thickness) if curved else rng.normal(0, 0.1)),
    )


def sample_camera(mix: Mix, held: bool, aspect: float, book: Book, rng: ScaledRandom) -> Camera:
    """Return a camera that sees at least a part of the book."""
    low = rng.random() < (mix.low + (1 - mix.low) * 0.5 * held)
    tilt = np.radians(rng.uniform(25, 66) if low else rng.uniform(0, 26))
    azimuth = np.radians(rng.normal(0, 32) if low else rng.normal(0, 8))
    focal = rng.uniform(0.6, 1.1) if rng.random() < mix.low else rng.uniform(0.72, 0.82)
    size = _sample_size(mix, rng)
    longer = max(1.0, 1 / aspect), max(1.0, aspect)
    across = 2 * book.page_width / size * longer[0]
    down = 0.8 * book.page_height / size * longer[1]
    distance = focal * max(across, down)
    aside = book.page_width * max(0.0, size - 0.9) * 0.45
    middle = float(rng.choice([-0.5, 0.0, 0.5])) * book.page_width if size > CROPS else 0.0
    if rng.random() < 0.4 * mix.close:
        middle += float(rng.uniform(-0.7, 0.7)) * book.page_width
    target = np.array([middle + rng.normal(0, 0.8 + aside), rng.normal(-1.5, 1.2 + aside), 0.0])
    away = np.array([np.sin(tilt) * np.sin(azimuth), -np.sin(tilt) * np.cos(azimuth), np.cos(tilt)])
    turned = rng.random() < mix.turned
    return Camera(
        position=vector(target + distance * away),
        target=vector(target),
        roll=float(rng.normal(0, 0.5) if turned else rng.normal(0, 0.03)),
        focal=float(focal),
        shake=float(rng.uniform(0.0, 0.008)),
        phases=(float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0, 2 * np.pi))),
    )


def _sample_size(mix: Mix, rng: ScaledRandom) -> float:
    """Return the width of the open book as a share of the frame's width."""
    if rng.random() >= mix.close:
        return float(rng.uniform(0.75, 1.2))
    return float(rng.uniform(1.2, 2.1) if rng.random() < 0.6 else rng.uniform(0.45, 0.75))


def sample_light(mix: Mix, rng: ScaledRandom) -> Light:
    """Return the light on the scene."""
    sun = rng.random() < mix.sun
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.radians(rng.uniform(28, 75) if sun else rng.uniform(45, 80))
    flat = np.cos(elevation)
    kinds: list[Pattern] = ["none", "edge", "stripes", "leaves"]
    pattern = kinds[int(rng.choice(4, p=[0.25, 0.25, 0.2, 0.3] if sun else [0.6, 0.4, 0.0, 0.0]))]
    return Light(
        direction=(float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(np.sin(elevation))),
        ambient=float(rng.uniform(0.25, 0.55) if sun else rng.uniform(0.35, 0.85)),
        softness=float(rng.uniform(0.003, 0.008) if sun else rng.uniform(0.004, 0.025)),
        pattern=pattern,
        pattern_scale=float(rng.uniform(4, 30)),
        pattern_strength=float(rng.uniform(0.4, 1) if sun else rng.uniform(0.1, 0.7)),
        pattern_turn=float(rng.uniform(0, 2 * np.pi)),
        gloss=float(rng.uniform(0, 0.8) if rng.random() < 0.4 else 0.0),
        seed=sample_seed(rng),
    )


def sample_film(mix: Mix, rng: ScaledRandom) -> Film:
    """Return what lens, sensor and codec do."""
    dark, degraded = rng.random() < mix.dark, rng.random() < mix.degraded
    warmth = rng.normal(0, 0.1 if dark else 0.04)
    level = rng.uniform(0.5, 1.3) if dark else rng.uniform(0.72, 1.02)
    gains = level * np.array([1 + warmth, 1.0, 1 - 1.4 * warmth])
    return Film(
        gains=color(gains),
        gamma=float(rng.uniform(0.65, 1.3) if dark else rng.uniform(0.85, 1.2)),
        contrast=float(rng.uniform(0.75, 1.35) if dark else rng.uniform(0.95, 1.3)),
        saturation=float(rng.uniform(0.2, 1.5) if dark else rng.uniform(0.85, 1.15)),
        lift=float(rng.uniform(0, 40) if dark else rng.uniform(0, 6)),
        vignette=float(rng.uniform(0, 0.35)),
        defocus=float(rng.uniform(0, 0.008) if degraded else rng.uniform(0, 0.0015)),
        noise=float(rng.uniform(0.5, 5.0) if degraded else rng.uniform(0.2, 2.0)),
        resolution=float(rng.uniform(0.4, 1.0) if degraded else 1.0),
        sharpening=float(rng.uniform(0, 1.2) if degraded else rng.uniform(0, 0.3)),
        quality=int(rng.integers(25, 97) if degraded else rng.integers(85, 100)),
    )


def sample_surroundings(mix: Mix, held: bool, book: Book, rng: ScaledRandom) -> Place:
    """Return what is around the book."""
    any_table = rng.random() < mix.tables
    levels = [0.16, 0.18, 0.2, 0.22, 0.24] if any_table else [0.0, 0.0, 0.2, 0.35, 0.45]
    base = rng.choice([25.0, 80.0, 130.0, 180.0, 215.0], p=levels)
    tint = (
        np.array([1.0, 0.8, 0.58]) ** rng.uniform(0, 1.1)
        if rng.random() < 0.6
        else 1 + rng.normal(0, 0.12, 3)
    )
    with_objects, objects = rng.random() < mix.objects, int(rng.integers(1, 6))
    return Place(
        surroundings="air" if held else "table",
        color=color(np.clip(base * tint + rng.normal(0, 5, 3), 6, 240)),
        floor=color(rng.uniform(8, 90) + rng.uniform(-6, 6, 3)),
        grain=float(
            rng.choice([0.0, 0.03, 0.08, 0.2] if any_table else [0.0, 0.0, 0.03]) * rng.uniform(0.5, 1.3)
        ),
        grain_size=float(rng.uniform(1.0, 30.0)),
        edge=float(-book.page_height / 2 - rng.uniform(2, 30)),
        backdrop=float(rng.uniform(10, 190)),
        objects=objects if with_objects else 0,
        seed=sample_seed(rng),
    )


def sample_skin(rng: ScaledRandom) -> Color:
    """Return a skin colour between light and dark."""
    light, dark = np.array([238.0, 185.0, 160.0]), np.array([95.0, 60.0, 45.0])
    depth = rng.uniform(0, 1) ** 1.3
    return color(light + depth * (dark - light) + rng.normal(0, 6, 3))


def sample_sleeve(rng: ScaledRandom) -> Color | None:
    """Return the colour of a sleeve; None is a bare arm."""
    return color(rng.uniform(10, 225, 3)) if rng.random() < 0.5 else None


def sample_seed(rng: ScaledRandom) -> int:
    """Return a seed."""
    return int(rng.integers(2**31))


def color(values: np.ndarray) -> Color:
    """Return three values as a colour."""
    return float(values[0]), float(values[1]), float(values[2])


def vector(values: np.ndarray) -> Vector:
    """Return three values as a point."""
    return float(values[0]), float(values[1]), float(values[2])
