"""What the figures have in common: colours, type, and how a name is written."""

import contextlib
import functools
import warnings

import matplotlib
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Colours that stay apart for colour-blind readers (Okabe and Ito).
BLUE, LIGHT_BLUE, ORANGE, GREY = "#0072b2", "#7fb8d8", "#d55e00", "#6e7781"
INK, FAINT = "#1f2328", "#d1d9e0"
# Shades of what is right and of what is wrong, from none to all.
RIGHT = LinearSegmentedColormap.from_list("right", ["#ffffff", LIGHT_BLUE, BLUE, "#00406a"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#ffffff", "#f2b48a", ORANGE, "#7a3600"])

_LATIN = "DejaVu Sans"
# Of these the first that the computer has writes the names of classes that the font above cannot.
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
def figure_style():
    """A context in which figures are made, drawn and saved."""
    with warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS | {"font.family": _fonts()}):
        # What no font can write becomes a box; the report names it in full.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def new_figure(width, height):
    """Returns an empty figure.

    Args:
        width: in inches; a report is read at about 10.
        height: in inches.
    """
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def epoch_axis(axes):
    """Makes the horizontal axis one of whole epochs."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def shortened(name, letters):
    """Returns a name on one line that is at most so many letters long."""
    name = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"


@functools.cache
def _fonts():
    installed = set(font_manager.get_font_names())
    return [_LATIN, *[name for name in _FURTHER_FONTS if name in installed][:1]]
