"""Maps of tokens drawn over an image."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize

from keras_cabvit.figures.style import FAINT, GREY, INK

HEAT = matplotlib.colormaps["inferno"]
# The upper end of the scale of multiples of a mean, the same in all pictures.
MOST = 4.0
TIMES = "\N{MULTIPLICATION SIGN}"
# Smaller grids are drawn as cells: colours that pass smoothly would suggest more places.
_FEW = 6


def relative(shares: np.ndarray) -> np.ndarray:
    """Returns shares of places as multiples of their mean: 1 everywhere if all are alike."""
    return shares / max(float(shares.mean()), np.finfo("float32").tiny)


def draw_image(axes: Any, image: np.ndarray, grey: bool = False) -> None:
    """Draws an image without ticks.

    Args:
        axes: axes of matplotlib.
        image: array (height, width, channels), 0..255; values outside are clipped.
        grey: whether to draw it pale and without colours, as a background.
    """
    pixels = np.clip(np.asarray(image, "float32"), 0, 255)
    if grey or pixels.shape[-1] != 3:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
    axes.imshow(pixels.astype("uint8"), interpolation="bilinear")
    axes.set(xticks=[], yticks=[])
    axes.set_anchor("N")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)


def draw_heat(
    axes: Any,
    image: np.ndarray,
    heat: np.ndarray,
    highest: float = MOST,
    cells: bool = False,
    scale: Any = HEAT,
) -> Any:
    """Draws a map of tokens over a grey image.

    Args:
        axes: axes of matplotlib.
        image: array (height, width, channels), 0..255.
        heat: array (rows, columns) of values from 0.
        highest: float, the upper end of the scale; larger values have its colour. Defaults to 4.
        cells: whether to outline each token; else colours pass smoothly, unless tokens are few.
        scale: colormap of matplotlib.

    Returns:
        The `AxesImage`, for a colour bar.
    """
    height, width = image.shape[:2]
    draw_image(axes, image, grey=True)
    drawn = axes.imshow(
        heat,
        cmap=scale,
        norm=Normalize(0, highest),
        alpha=0.72,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest" if cells or max(heat.shape) < _FEW else "bicubic",
    )
    if cells:
        for row in range(1, heat.shape[0]):
            axes.axhline(row * height / heat.shape[0] - 0.5, color="white", linewidth=0.8)
        for column in range(1, heat.shape[1]):
            axes.axvline(column * width / heat.shape[1] - 0.5, color="white", linewidth=0.8)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return drawn


def write_heading(part: Any, text: str) -> None:
    """Writes the heading of a part of the picture.

    Args:
        part: subfigure of matplotlib.
        text: string.
    """
    part.suptitle(text, x=0.006, ha="left", fontsize=11, weight="bold", color=INK)


def add_scale(part: Any, drawn: Sequence[Any], axes: Any, label: str, side: str = "bottom") -> None:
    """Adds a colour bar.

    Args:
        part: figure or subfigure.
        drawn: the `AxesImage`s that it is the scale of, all of one scale.
        axes: the axes, or list of axes, that it belongs to.
        label: string beside it.
        side: "bottom", the default, or "right".
    """
    below = side == "bottom"
    exceeded = any(each.get_array().max() > each.norm.vmax for each in drawn)
    bar = part.colorbar(
        drawn[0],
        ax=axes,
        location=side,
        aspect=22 if below else 28,
        extend="max" if exceeded else "neither",
        pad=0.03 if below else 0.015,
        fraction=0.05 if below else 0.03,
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2, color=GREY)
    bar.set_label(label, fontsize=8.5)
    bar.solids.set_alpha(1)
