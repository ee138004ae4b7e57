"""The style of all figures: colours, fonts and names."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Colours that colour-blind readers can tell apart (Okabe and Ito).
BLUE, LIGHT_BLUE, ORANGE, GREY = "#0072b2", "#7fb8d8", "#d55e00", "#6e7781"
INK, FAINT = "#1f2328", "#d1d9e0"
# Shades of right and of wrong shares, from none to all.
RIGHT = LinearSegmentedColormap.from_list("right", ["#ffffff", LIGHT_BLUE, BLUE, "#00406a"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#ffffff", "#f2b48a", ORANGE, "#7a3600"])

_LATIN = "DejaVu Sans"
# The first installed one of these draws the letters of class names that the font above lacks.
_FURTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "Hiragino Sans",
    "PingFang SC",
    "Arial Unicode MS",
)


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
def figure_style() -> Iterator[None]:
    """Applies this project's style to the figures drawn in a block."""
    settings: Any = _SETTINGS | {"font.family": _fonts()}
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        # A letter that no font has becomes a box; the report has the name in full.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
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


def shortened(name: str, letters: int) -> str:
    """Returns a name on one line, cut to a number of letters."""
    name = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"


@functools.cache
def _fonts() -> Any:
    installed = set(font_manager.get_font_names())
    return [_LATIN, *[name for name in _FURTHER_FONTS if name in installed][:1]]
