"""One picture of everything that a model looks at in an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cabvit.explain.digest_panels import (
    DIGEST_COLUMNS,
    draw_digest_places,
    draw_share_tables,
    most_digested,
)
from keras_cabvit.explain.explanation import Explanation
from keras_cabvit.explain.heat import (
    TIMES,
    add_scale,
    draw_heat,
    draw_image,
    relative,
    write_heading,
)
from keras_cabvit.figures.fonts import drawing_note
from keras_cabvit.figures.names import shortened
from keras_cabvit.figures.style import BLUE, FAINT, GREY, INK, LIGHT_BLUE, figure_style, new_figure

__all__ = ["draw_explanation", "drawing_note"]

# In inches: the width of the picture, and of one of four or six images beside each other.
_WIDTH, _QUARTER, _SIXTH = 10.0, 2.25, 1.5
_COLUMNS = 4


def draw_explanation(
    found: Explanation,
    predictions: Sequence[tuple[str, float]],
    explained: tuple[str, float],
    title: str,
    path: Path,
) -> None:
    """Writes a PNG: the image, predictions, rollout, Grad-CAM, attention, and digest tokens.

    Args:
        found: `Explanation` of an image with pixels in [0, 255].
        predictions: pairs of a class's name and its probability, the most probable first.
        explained: the pair of the class of the Grad-CAM.
        title: string, such as the names of the image and the model.
        path: file to write.
    """
    names = [title, explained[0], *(name for name, _ in predictions)]
    consumer = most_digested(found)
    block_rows = -(-len(found.places) // _COLUMNS)
    aspect = found.image.shape[0] / found.image.shape[1]
    heights = [aspect * _QUARTER + 0.85, block_rows * (aspect * _QUARTER + 0.5) + 0.3]
    if consumer:
        sources = len(found.digests[consumer])
        across = min(sources, DIGEST_COLUMNS)
        side = min(aspect * 0.92 * _WIDTH / across, 1.35 * aspect * _SIXTH)
        heights += [
            0.27 * max(_blocks_per_stage(found)) + 0.95,
            -(-sources // across) * (side + 0.5) + 0.3,
        ]
    with figure_style(names):
        figure = new_figure(_WIDTH, sum(heights) + 0.55)
        figure.suptitle(
            shortened(title, 110), x=0.006, ha="left", fontsize=12, weight="bold", color=INK
        )
        parts = figure.subfigures(len(heights), 1, height_ratios=heights)
        _draw_first_row(parts[0], found, predictions, explained)
        _draw_blocks(parts[1], found, block_rows)
        if consumer:
            draw_share_tables(parts[2], found)
            draw_digest_places(parts[3], found, consumer)
        figure.savefig(path, format="png")


def _blocks_per_stage(found: Explanation) -> list[int]:
    stages = [name.rpartition("/")[0] for name in found.digests]
    return [stages.count(stage) for stage in stages]


def _draw_first_row(
    part: Any,
    found: Explanation,
    predictions: Sequence[tuple[str, float]],
    explained: tuple[str, float],
) -> None:
    image, bars, rollout, cam = part.subplots(1, 4)
    height, width = found.image.shape[:2]
    draw_image(image, found.image)
    image.set_title(f"Input, {height}{TIMES}{width} pixels")
    _draw_predictions(bars, predictions)

    drawn = draw_heat(rollout, found.image, relative(found.rollout))
    rollout.set_title("Attention rollout")
    target = "the class token" if found.class_token else "the output"
    add_scale(part, [drawn], rollout, f"{TIMES} mean of all places, into {target}")

    largest = found.grad_cam.max()
    drawn = draw_heat(cam, found.image, found.grad_cam / (largest or 1), highest=1)
    name, probability = explained
    cam.set_title(f"Grad-CAM: {shortened(name, 16)}, {100 * probability:.0f} %")
    note = "share of the largest value" if largest else "no place raises this class"
    add_scale(part, [drawn], cam, note)


def _draw_predictions(axes: Any, predictions: Sequence[tuple[str, float]]) -> None:
    values = [100 * probability for _, probability in predictions]
    places = range(len(values))
    axes.barh(places, values, color=[BLUE] + [LIGHT_BLUE] * (len(values) - 1), height=0.34)
    for place, (name, probability) in enumerate(predictions):
        text = shortened(name, 20)
        axes.text(1.5, place - 0.25, text, va="bottom", fontsize=9.5, color=INK)
        share = f"{100 * probability:.1f} %"
        axes.text(100, place - 0.25, share, va="bottom", ha="right", fontsize=9.5, color=GREY)
    axes.set(xlim=(0, 100), ylim=(len(values) - 0.5, -0.75), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_color(FAINT)
    axes.set_title("Predictions")


def _draw_blocks(part: Any, found: Explanation, rows: int) -> None:
    origin = "from the class token" if found.class_token else "from all of their tokens"
    write_heading(part, f"Attention of blocks to the places of their own map, {origin}")
    every_axes = part.subplots(rows, _COLUMNS, squeeze=False).ravel()
    heats = {name: relative(shares) for name, shares in found.places.items()}
    drawn = []
    for axes, (name, heat) in zip(every_axes, heats.items(), strict=False):
        drawn.append(draw_heat(axes, found.image, heat))
        share = sum(float(shares.sum()) for shares in found.digests[name].values())
        axes.set_title(name, fontsize=10)
        height, width = heat.shape
        text = f"{height}{TIMES}{width} tokens; to digest tokens: {100 * share:.0f} %"
        axes.set_xlabel(
            text if found.digests[name] else f"{height}{TIMES}{width} tokens", fontsize=8.5
        )
    for axes in every_axes[len(heats) :]:
        axes.set_axis_off()
    add_scale(part, drawn, list(every_axes), f"{TIMES} mean of the block's places", side="right")
