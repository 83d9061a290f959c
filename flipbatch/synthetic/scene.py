"""The numbers that describe one video: camera, light, table, book, turning page and hands.

Lengths are centimetres on the table: x to the right, y away from the reader, z up. The spine is on the y axis
and the middle of the book is at the origin. Time runs from 0 to 1 over the clip.
Knows no random numbers, no pixels, no files and no frame numbers.
"""

from dataclasses import dataclass
from typing import Literal

Label = Literal["flip", "notflip"]
Pose = Literal["flat", "spread", "relaxed", "point"]
Motion = Literal["rest", "cross", "follow"]
Vector = tuple[float, float, float]
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A phone held over the table.

    Attributes
    ----------
    position, target
        Position of the lens and the point it looks at, in cm.
    roll
        Rotation about the viewing axis, radians.
    focal
        Focal length as a fraction of the frame's height.
    shake
        Largest displacement by hand shake, as a fraction of the frame's width.
    phases
        Phase at time 0 of the shake's three oscillations (x, y, roll), radians.
    """

    position: Vector
    target: Vector
    roll: float
    focal: float
    shake: float
    phases: Vector


@dataclass(frozen=True)
class Light:
    """The light on the table, and the effects of the phone's lens and sensor.

    Attributes
    ----------
    direction
        Unit vector from the table to the light.
    ambient
        Share of the light that comes from all directions, 0 to 1.
    gains
        Factors of the red, green and blue channel: exposure times colour temperature.
    falloff_angle, falloff
        Direction (radians) and strength (0 to 1) of a gradual change of brightness over the frame.
    patch_angle, patch_offset, patch_gain, patch_softness
        Direction (radians), distance from the middle, strength and edge width of a straight edge between a
        brighter and a darker part of the frame, as a window or a shadow makes. 1 is half the frame's height.
    vignette, defocus, noise
        Darkening of the corners (0 to 1), blur in pixels of the frame, sensor noise in grey levels.
    gamma
        Exponent of the phone's tone curve.
    """

    direction: Vector
    ambient: float
    gains: Color
    falloff_angle: float
    falloff: float
    patch_angle: float
    patch_offset: float
    patch_gain: float
    patch_softness: float
    vignette: float
    defocus: float
    noise: float
    gamma: float


@dataclass(frozen=True)
class Book:
    """An open book; lengths in cm.

    Attributes
    ----------
    page_width, page_height
        Size of one page.
    thickness
        Height of the left and the right stack of pages.
    hump
        Slope (radians) of the left and the right resting page near the gutter.
    paper, ink, cover
        Colours, 0 to 255.
    font_size, picture_share
        Letter height in cm; probability that a block on a page is a picture.
    seed
        Seed of what is printed on the pages.
    """

    page_width: float
    page_height: float
    thickness: tuple[float, float]
    hump: tuple[float, float]
    paper: Color
    ink: Color
    cover: Color
    font_size: float
    picture_share: float
    seed: int


@dataclass(frozen=True)
class Table:
    """The surface under the book.

    Attributes
    ----------
    color, floor
        Colours of the table and of the floor beyond its near edge, 0 to 255.
    grain
        Strength of the table's texture, as a share of its brightness.
    edge
        The y of the near edge, in cm.
    seed
        Seed of the texture.
    """

    color: Color
    floor: Color
    grain: float
    edge: float
    seed: int


@dataclass(frozen=True)
class Turn:
    """The movement of a page from the right stack (0 degrees) towards the left one (180 degrees).

    Attributes
    ----------
    start, end
        Angle of the page at time 0 and 1, in degrees.
    bend
        Curl of the sheet between spine and outer edge, in degrees; its sign is the side.
    twist
        Lead of the upper corner over the lower one, in degrees.
    """

    start: float
    end: float
    bend: float
    twist: float

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
    heading
        Direction from wrist to fingers, radians from the x axis.
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
        A page is in the air in `flip` only.
    camera, light, table, book
        The place that is filmed.
    skin, sleeve
        Colours of the hands, 0 to 255; None is no sleeve.
    first_page
        Number of the left page; the page in the air and the right page follow.
    turn, hands
        The path of the page, which following hands take in both labels; the hands.
    exposure
        Exposure time, as a share of the clip.
    seed
        Seed of the noise.
    """

    label: Label
    camera: Camera
    light: Light
    table: Table
    book: Book
    skin: Color
    sleeve: Color | None
    first_page: int
    turn: Turn
    hands: tuple[Hand, ...]
    exposure: float
    seed: int
