"""Pictures of what the detector and the segmenter found."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from benchmarks.keras_hub_tasks.drawings import SHAPES

_COLOURS = ("tab:orange", "tab:cyan", "tab:pink")


def boxes_picture(path, images, expected, found, lowest_score=0.5):
    """Draws found boxes with names and scores over the images; expected boxes in dashes.

    Args:
        path: path of the PNG file.
        images: uint8 (count, height, width, 3).
        expected, found: as `scores.mean_average_precision` takes them.
        lowest_score: number; boxes of a lower score are not drawn.
    """
    figure, axes = plt.subplots(2, (len(images) + 1) // 2, figsize=(12, 6.2), dpi=80)
    for axis, image, truth, (boxes, labels, scores) in zip(
        axes.flat, images, expected, found, strict=True
    ):
        axis.imshow(image)
        axis.axis("off")
        for box in truth[0]:
            axis.add_patch(_rectangle(box, edgecolor="white", linestyle="--", linewidth=1))
        for box, label, score in zip(boxes, labels, scores, strict=True):
            if score >= lowest_score:
                colour = _COLOURS[label]
                axis.add_patch(_rectangle(box, edgecolor=colour, linewidth=2))
                axis.text(
                    *box[:2],
                    f"{SHAPES[label]} {score:.2f}",
                    fontsize=7,
                    va="bottom",
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 1},
                )
    _save(figure, path)


def _rectangle(box, **style):
    left, top, right, bottom = box
    return Rectangle((left, top), right - left, bottom - top, facecolor="none", **style)


def masks_picture(path, images, expected, found):
    """Draws a row of images, a row of expected masks and a row of found masks.

    Args:
        path: path of the PNG file.
        images: uint8 (count, height, width, 3).
        expected, found: integers (count, height, width), the class of each pixel.
    """
    figure, axes = plt.subplots(3, len(images), figsize=(12, 4.9), dpi=80)
    rows = [("image", images), ("expected", expected), ("found", found)]
    for row, (title, pictures) in zip(axes, rows, strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture, cmap="viridis", vmin=0, vmax=len(SHAPES), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(title)
    _save(figure, path)


def _save(figure, path):
    figure.tight_layout(pad=0.5)
    figure.savefig(path)
    plt.close(figure)
