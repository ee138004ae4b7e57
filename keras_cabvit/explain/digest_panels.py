"""Panels of attention to digest tokens: tables by earlier block, and maps by place."""

from typing import Any

import numpy as np

from keras_cabvit.explain.explanation import Explanation
from keras_cabvit.explain.heat import add_scale, draw_heat, write_heading
from keras_cabvit.figures.style import FAINT, GREY, INK, RIGHT

DIGEST_COLUMNS = 6


def most_digested(found: Explanation) -> str | None:
    """Returns the block that attends most to digest tokens, of those that see the most blocks.

    Returns:
        Its name; None if no block attends to any.
    """
    names = [name for name, sources in found.digests.items() if sources]
    return max(
        names, key=lambda name: (len(found.digests[name]), _total(found, name)), default=None
    )


def _total(found: Explanation, name: str) -> float:
    return sum(float(shares.sum()) for shares in found.digests[name].values())


def draw_share_tables(part: Any, found: Explanation) -> None:
    """Draws a table per stage: the shares of each block's attention, by where they go.

    Args:
        part: subfigure of matplotlib.
        found: `Explanation`.
    """
    write_heading(
        part,
        "Attention of each block to its own tokens and to the digest tokens of earlier blocks (%)",
    )
    stages: dict[str, list[str]] = {}
    for name in found.digests:
        stages.setdefault(name.rpartition("/")[0], []).append(name)
    highest = max(
        float(shares.sum()) for sources in found.digests.values() for shares in sources.values()
    )
    rows = max(map(len, stages.values()))  # tables of one height have rows of one height
    widths = [2 + len(blocks) for blocks in stages.values()]
    every_axes = part.subplots(1, len(stages), width_ratios=widths, squeeze=False)[0]
    for axes, blocks in zip(every_axes, stages.values(), strict=True):
        _draw_table(axes, found, blocks, highest, rows)


def _draw_table(
    axes: Any, found: Explanation, blocks: list[str], highest: float, rows: int
) -> None:
    sources = [name for name in blocks if any(name in found.digests[each] for each in blocks)]
    shares = np.full((len(blocks), 1 + len(sources)), np.nan)
    for row, name in enumerate(blocks):
        shares[row, 0] = 1 - _total(found, name)
        for source, each in found.digests[name].items():
            shares[row, 1 + sources.index(source)] = each.sum()
    colors = np.ones((*shares.shape, 4))
    colors[:, 1:] = RIGHT(0.85 * np.nan_to_num(shares[:, 1:]) / highest)
    colors[:, 0] = (0.955, 0.962, 0.97, 1)
    height, width = shares.shape
    axes.imshow(colors, aspect="auto", interpolation="nearest")
    axes.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, color=FAINT, linewidth=0.6)
    axes.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, color=FAINT, linewidth=0.6)
    axes.set_ylim(rows - 0.5, -0.55)
    for (row, column), share in np.ndenumerate(shares):
        if np.isnan(share):
            continue
        dark = column > 0 and share / highest > 0.55
        text = f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"
        color = "white" if dark else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color)
    labels = ["own", *(source.rpartition("/")[2].removeprefix("block_") for source in sources)]
    axes.set_xticks(range(len(labels)), labels, fontsize=8.5)
    axes.set_yticks(range(len(blocks)), blocks, fontsize=8.5)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("own tokens, and digest tokens of block", fontsize=8.5, color=GREY, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_digest_places(part: Any, found: Explanation, name: str) -> None:
    """Draws the places of the digest tokens that a block attends to, per earlier block.

    Args:
        part: subfigure of matplotlib.
        found: `Explanation`.
        name: name of the block.
    """
    write_heading(
        part,
        f"Places of the digest tokens that {name} attends to "
        f"({100 * _total(found, name):.0f} % of its attention)",
    )
    shares = found.digests[name]
    columns = min(len(shares), DIGEST_COLUMNS)
    every_axes = part.subplots(-(-len(shares) // columns), columns, squeeze=False).ravel()
    highest = 100 * max(float(each.max()) for each in shares.values())
    drawn = []
    for axes, (source, each) in zip(every_axes, shares.items(), strict=False):
        heat = 100 * each
        drawn.append(draw_heat(axes, found.image, heat, highest, cells=True, scale=RIGHT))
        axes.set_title(f"of {source.rpartition('/')[2]}", fontsize=9.5)
        axes.set_xlabel(f"{100 * each.sum():.1f} %", fontsize=8.5)
    for axes in every_axes[len(shares) :]:
        axes.set_axis_off()
    add_scale(part, drawn, list(every_axes), "% per digest token", side="right")
