"""Random affine transforms and colour jitter of batches."""

import math

import pytest
import torch

from flipbatch.training import augment as module
from flipbatch.training.augment import (
    GAIN,
    SHIFT,
    TILT,
    TINT,
    ZOOM,
    color_jitter,
    random_affine,
)

HEIGHT, WIDTH, STEP = 240, 135, 40
ROUNDED = 1.5 / STEP
"""The error of a slope that is measured in whole pixels."""
MIDDLE = (HEIGHT // 2, WIDTH // 2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count):
    """Frames as they are kept, (N, 60, 40, 3), uint8."""
    return torch.randint(0, 256, (count, 60, 40, 3), dtype=torch.uint8, generator=generator(count))


@pytest.fixture
def sources():
    """Where in the frame each pixel of 64 views comes from, (column, row): (64, 2, H, W)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    places = torch.stack([columns, rows, torch.zeros_like(rows)], dim=2).to(torch.uint8)
    return random_affine(places.repeat(64, 1, 1, 1), generator()).permute(0, 3, 1, 2)[:, :2].float()


@pytest.fixture
def square(sources):
    """The sides of a pixel, right and down, in the frame: two times (64, 2)."""
    row, column = MIDDLE
    corner = sources[:, :, row, column]
    right, down = sources[:, :, row, column + STEP], sources[:, :, row + STEP, column]
    return (right - corner) / STEP, (down - corner) / STEP


# ------------------------------------------------------------------------------ geometry


def test_a_square_stays_a_square(square):
    right, down = square
    assert (right * down).sum(dim=1).abs().max() < ROUNDED
    torch.testing.assert_close(right.norm(dim=1), down.norm(dim=1), atol=ROUNDED, rtol=0)


def test_about_half_of_the_frames_are_mirrored(square):
    right, down = square
    mirrored = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0] < 0
    assert 20 < mirrored.sum() < 44
    assert (right[mirrored, 0] < 0).all()


def test_zoom_and_tilt_fill_their_range_and_stay_within_it(square):
    _, down = square
    zoom, tilt = down.norm(dim=1), torch.atan2(down[:, 0], down[:, 1]).abs()
    assert 1 - ZOOM - ROUNDED <= zoom.min() < 1 - ZOOM / 2
    assert 1 + ZOOM / 2 < zoom.max() <= 1 + ZOOM + ROUNDED
    assert TILT / 2 < tilt.max() <= TILT + ROUNDED


def test_the_middle_moves_no_further_than_the_largest_shift(sources):
    row, column = MIDDLE
    moved = (sources[:, :, row, column] - torch.tensor([column, row])).abs().amax(dim=0)
    assert (moved <= torch.tensor([WIDTH, HEIGHT]) / 2 * SHIFT + 1).all()
    assert (moved > torch.tensor([WIDTH, HEIGHT]) / 2 * SHIFT / 2).all()


def test_the_border_repeats_the_edge(sources):
    assert sources[:, 0].min() >= 0
    assert sources[:, 0].max() <= WIDTH - 1


def test_with_ranges_of_0_a_frame_is_itself_or_its_mirror_image(monkeypatch):
    for name in ("ZOOM", "SHIFT", "TILT"):
        monkeypatch.setattr(module, name, 0.0)
    for frame, moved in zip(noise(8), random_affine(noise(8), generator()), strict=True):
        assert torch.equal(moved, frame) or torch.equal(moved, frame.flip(1))


# ------------------------------------------------------------------------------ colour


def test_color_jitter_stays_within_its_range():
    varied = color_jitter(torch.full((64, 3, 8, 8), 100.0), generator())
    assert varied.std(dim=(2, 3)).max() < 1e-3
    assert 100 * (1 - GAIN) * (1 - TINT) <= varied.min() < 80
    assert 120 < varied.max() <= 100 * (1 + GAIN) * (1 + TINT) + 1e-3


def test_colours_are_tinted_against_each_other():
    varied = color_jitter(torch.full((64, 3, 8, 8), 100.0), generator())[:, :, 0, 0]
    ratio = varied[:, 0] / varied[:, 1]
    assert (1 - TINT) / (1 + TINT) < ratio.min() < 0.95
    assert 1.05 < ratio.max() < (1 + TINT) / (1 - TINT)


# ------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_color_jitter_gives_float32_of_the_same_shape_and_range(dtype):
    varied = color_jitter(noise(16).permute(0, 3, 1, 2).to(dtype), generator())
    assert (varied.shape, varied.dtype) == ((16, 3, 60, 40), torch.float32)
    assert (varied.min(), varied.max()) == (0, 255)


def test_an_affine_transform_gives_uint8_of_the_same_shape():
    moved = random_affine(noise(16), generator())
    assert (moved.shape, moved.dtype) == ((16, 60, 40, 3), torch.uint8)


def lit(frames, draws):
    return color_jitter(frames.permute(0, 3, 1, 2), draws)


@pytest.mark.parametrize("vary", [random_affine, lit])
def test_the_generator_decides_everything(vary):
    torch.manual_seed(1)
    one = vary(noise(4), generator(5))
    torch.manual_seed(2)
    assert torch.equal(vary(noise(4), generator(5)), one)
    assert not torch.equal(vary(noise(4), generator(6)), one)


@pytest.mark.parametrize("vary", [random_affine, lit])
def test_each_frame_varies_on_its_own(vary):
    varied = vary(noise(1).repeat(12, 1, 1, 1), generator())
    assert len({frame.sum().item() for frame in varied}) == 12


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("vary", [random_affine, lit])
def test_the_input_does_not_change(vary, dtype):
    frames = noise(4).to(dtype)
    vary(frames, generator())
    assert torch.equal(frames, noise(4).to(dtype))


def test_the_ranges_are_those_of_a_hand_held_phone():
    assert math.degrees(TILT) < 20
    assert max(ZOOM, SHIFT, GAIN, TINT) < 0.5
