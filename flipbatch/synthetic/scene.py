"""The numbers that describe one video: camera, film, light, surroundings, book, turning pages and hands.

Lengths are centimetres: x to the right, y away from the reader, z up. The spine is on the y axis and the
middle of the book is at the origin. Angles of pages are degrees from the right side (0) over the spine to the
left side (180). Time runs from 0 to 1 over the clip. Knows no random numbers, no pixels, no files and no
frame numbers.
"""

from dataclasses import dataclass
from typing import Literal

Label = Literal["flip", "notflip"]
Pose = Literal["flat", "spread", "relaxed", "point", "pinch", "hold"]
Motion = Literal["rest", "cross", "follow"]
Print = Literal["prose", "textbook", "notebook", "blank"]
Pattern = Literal["none", "edge", "stripes", "leaves"]
Surroundings = Literal["table", "air"]
Vector = tuple[float, float, float]
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A phone that films the book.

    Attributes
    ----------
    position, target
        Position of the lens and the point it looks at, in cm.
    roll
        Rotation about the viewing axis, radians.
    focal
        Focal length as a fraction of the frame's longer side.
    shake
        Largest displacement by hand shake, as a fraction of the frame's longer side.
    phases
        Phase at time 0 of the shake to the right and down, radians.
    """

    position: Vector
    target: Vector
    roll: float
    focal: float
    shake: float
    phases: tuple[float, float]


@dataclass(frozen=True)
class Film:
    """The effects of the phone's lens, sensor and video codec.

    Attributes
    ----------
    gains
        Factors of the red, green and blue channel: exposure times colour temperature.
    gamma, contrast, saturation, lift
        The tone curve's exponent; factors of contrast and of saturation; grey level that black becomes.
    vignette
        Darkening of the corners, 0 to 1.
    defocus
        Standard deviation of the lens blur, as a fraction of the frame's longer side.
    noise
        Sensor noise in grey levels.
    resolution
        Share of the frame's width that the codec keeps, 0 to 1.
    sharpening
        Strength of the phone's unsharp mask; 0 is none.
    quality
        JPEG quality of the codec, 1 to 100.
    """

    gains: Color
    gamma: float
    contrast: float
    saturation: float
    lift: float
    vignette: float
    defocus: float
    noise: float
    resolution: float
    sharpening: float
    quality: int


@dataclass(frozen=True)
class Light:
    """The light on the scene.

    Attributes
    ----------
    direction
        Unit vector from the book to the light.
    ambient
        Share of the light that comes from all directions, 0 to 1.
    softness
        Standard deviation of the blur of cast shadows, as a fraction of the frame's longer side.
    pattern, pattern_scale, pattern_strength, pattern_turn
        What stands before the light: its kind, its size in cm, the share of light that it takes (0 to 1), and
        its rotation in radians.
    gloss
        Strength of the highlight on paper, 0 to 1.
    seed
        Seed of the pattern.
    """

    direction: Vector
    ambient: float
    softness: float
    pattern: Pattern
    pattern_scale: float
    pattern_strength: float
    pattern_turn: float
    gloss: float
    seed: int


@dataclass(frozen=True)
class Side:
    """One half of an open book: a stack of pages.

    Attributes
    ----------
    thickness
        Height of the stack, in cm.
    tilt
        Angle of the whole half above the table, in degrees.
    hump, bulge, curl
        Shape of the top page, in degrees of slope: near the gutter, over the whole page (it rises, then
        falls), and upwards at its outer edge.
    corner
        The corner that curls: 1 is the upper one, 0 the lower one, 0.5 both.
    skew
        Share by which the upper edge is bent more, and the lower one less, than `hump` and `bulge` say, -1 to
        1.
    fan
        Distance in cm by which the lowest page reaches further out than the top one; may be negative.
    """

    thickness: float
    tilt: float
    hump: float
    bulge: float
    curl: float
    corner: float
    skew: float
    fan: float


@dataclass(frozen=True)
class Book:
    """An open book; lengths in cm.

    Attributes
    ----------
    page_width, page_height
        Size of one page.
    left, right
        The two halves.
    paper, ink, cover
        Colours, 0 to 255.
    print
        What is printed on its pages.
    font_size, picture_share
        Letter height in cm; probability that a block on a page is a picture.
    translucency
        Share of light that shines through a page, 0 to 1.
    seed
        Seed of what is printed on the pages.
    """

    page_width: float
    page_height: float
    left: Side
    right: Side
    paper: Color
    ink: Color
    cover: Color
    print: Print
    font_size: float
    picture_share: float
    translucency: float
    seed: int


@dataclass(frozen=True)
class Place:
    """What is around the book.

    Attributes
    ----------
    surroundings
        ``table``: the book lies on a table. ``air``: somebody holds it before a far background.
    color, floor
        Colours of the table and of the floor beyond its near edge, 0 to 255.
    grain, grain_size
        Strength of the table's texture, as a share of its brightness, and its size in cm.
    edge
        The y of the table's near edge, in cm.
    backdrop
        Brightness of the far background, 0 to 255.
    objects
        Number of other objects on the table.
    seed
        Seed of textures and objects.
    """

    surroundings: Surroundings
    color: Color
    floor: Color
    grain: float
    grain_size: float
    edge: float
    backdrop: float
    objects: int
    seed: int


@dataclass(frozen=True)
class Turn:
    """The movement of one page.

    Attributes
    ----------
    start, end
        Angle of the page at time 0 and 1, in degrees.
    bend
        Slope of the outer edge minus slope at the spine at time 0 and 1, in degrees.
    curl
        Additional slope of the outer third at time 0 and 1, in degrees.
    twist
        Lead of the upper corner over the lower one at time 0 and 1, in degrees.
    """

    start: float
    end: float
    bend: tuple[float, float]
    curl: tuple[float, float]
    twist: tuple[float, float]

    def angle(self, time: float) -> float:
        """Return the angle of the page at `time`, in degrees. It starts and stops slowly."""
        eased = 0.5 * time + 0.5 * time * time * (3 - 2 * time)
        return self.start + (self.end - self.start) * eased


@dataclass(frozen=True)
class Hand:
    """One hand with its forearm.

    Attributes
    ----------
    side
        -1 for a left hand, +1 for a right one.
    pose, motion
        Position of the fingers; whether the hand rests, moves across, or follows the path of a turning page.
    start, end
        Position of the fingertips at time 0 and 1 (the same for a resting hand), in cm.
    heading, pitch, roll
        Direction from wrist to fingers, radians from the x axis; rise of the wrist over the fingertips and
        rotation about the forearm, radians.
    grasp
        Point of the page's outer edge that a following hand holds, 0 (lower corner) to 1 (upper corner).
    length
        Distance from wrist to middle fingertip, in cm.
    sleeve_start
        Distance from the wrist to the start of the sleeve, in cm.
    seed
        Seed of the small differences between hands.
    """

    side: int
    pose: Pose
    motion: Motion
    start: Vector
    end: Vector
    heading: float
    pitch: float
    roll: float
    grasp: float
    length: float
    sleeve_start: float
    seed: int


@dataclass(frozen=True)
class Scene:
    """One video.

    Attributes
    ----------
    label
        Pages are in the air in `flip` only.
    aspect
        Width of the frame over its height.
    camera, film, light, place, book
        The place that is filmed, and how.
    skin, sleeve
        Colours of the hands, 0 to 255; None is no sleeve.
    first_page
        Number of the left page; the page in the air and the right page follow.
    turns, hands
        The paths of the pages, the first of which following hands take in both labels; the hands.
    exposure
        Exposure time, as a share of the clip.
    seed
        Seed of the noise.
    """

    label: Label
    aspect: float
    camera: Camera
    film: Film
    light: Light
    place: Place
    book: Book
    skin: Color
    sleeve: Color | None
    first_page: int
    turns: tuple[Turn, ...]
    hands: tuple[Hand, ...]
    exposure: float
    seed: int
