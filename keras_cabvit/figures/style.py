"""The style of all figures: colours, fonts and names."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_cabvit.figures.fonts import font_families

# Colours that colour-blind readers can tell apart (Okabe and Ito).
BLUE, LIGHT_BLUE, ORANGE, GREY = "#0072b2", "#7fb8d8", "#d55e00", "#6e7781"
INK, FAINT = "#1f2328", "#d1d9e0"
# Shades of right and of wrong shares, from none to all.
RIGHT = LinearSegmentedColormap.from_list("right", ["#ffffff", LIGHT_BLUE, BLUE, "#00406a"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#ffffff", "#f2b48a", ORANGE, "#7a3600"])

_SETTINGS = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names may hold a $
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "savefig.dpi": 150,
}


@contextlib.contextmanager
def figure_style(names: Iterable[str] = ()) -> Iterator[None]:
    """Applies this project's style to the figures drawn in a block.

    Args:
        names: strings in the figure that may be in any script, such as class names.
    """
    settings: Any = _SETTINGS | {"font.family": font_families(names)}
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        # One warning per letter; `drawing_note` says it once.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        yield


def new_figure(width: float, height: float) -> Any:
    """Returns an empty figure.

    Args:
        width: width in inches; a report is read at about 10.
        height: height in inches.
    """
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def epoch_axis(axes: Any) -> None:
    """Labels the horizontal axis with whole epochs."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
