"""How bright a surface is by its direction, before shadows.

Knows normals and light; knows nothing about what is lit.
"""

import numpy as np

from flipbatch.synthetic.scene import Light


def brightness(normals: np.ndarray, light: Light) -> np.ndarray:
    """Return the brightness of a matt surface: 1 if it is level. The sky is brighter than the ground.

    Parameters
    ----------
    normals
        (..., 3), unit vectors.
    light

    Returns
    -------
    numpy.ndarray
        (...,), float32, 0 to 1.9.
    """
    direct = np.maximum(normals @ np.array(light.direction), 0) / light.direction[2]
    sky = 0.68 + 0.32 * normals[..., 2]
    return np.minimum(light.ambient * sky + (1 - light.ambient) * direct, 1.9).astype(np.float32)


def paper_brightness(normals: np.ndarray, light: Light, view: np.ndarray, translucency: float) -> np.ndarray:
    """Return the brightness of paper: light shines through from behind, and it has a broad highlight.

    Parameters
    ----------
    normals
        (..., 3), unit vectors that point to the side that is looked at.
    light
    view
        (3,), unit vector from the paper to the lens.
    translucency
        Share of light that shines through.
    """
    lamp = np.array(light.direction)
    behind = np.maximum(-(normals @ lamp), 0) / light.direction[2]
    halfway = (lamp + view) / np.linalg.norm(lamp + view)
    shine = light.gloss * np.maximum(normals @ halfway, 0) ** 24
    through = (1 - light.ambient) * translucency * behind
    return np.minimum(brightness(normals, light) + through + 0.5 * shine, 1.9).astype(np.float32)
