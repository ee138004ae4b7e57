"""Mean average precision, precision and recall of boxes; intersection over union of masks."""

import numpy as np


def mean_average_precision(found, expected, overlap=0.5):
    """Averages over the classes the area under the curve of precision against recall.

    Boxes are taken in order of their scores; each is right if its intersection over union with a
    box of the same class and image, which no earlier one was assigned to, is at least `overlap`.
    The precision at a recall is the highest at that recall or more.

    Args:
        found: a list of (boxes, labels, scores) per image: arrays (n, 4), (n,) and (n,).
        expected: a list of (boxes, labels) per image.
        overlap: number.
    """
    classes = np.unique(np.concatenate([labels for _, labels in expected]))
    return float(np.mean([_average_precision(found, expected, each, overlap) for each in classes]))


def _average_precision(found, expected, label, overlap):
    right, count = _right_boxes(found, expected, label, overlap)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(precision * right) / count)


def precision_and_recall(found, expected, score=0.5, overlap=0.5):
    """Returns the share of found boxes that are right, and that of expected boxes that are found.

    Args:
        found, expected, overlap: as `mean_average_precision` takes them.
        score: number; boxes of a lower score are left out.
    """
    kept = [
        (boxes[scores >= score], labels[scores >= score], scores[scores >= score])
        for boxes, labels, scores in found
    ]
    classes = np.unique(np.concatenate([each[1] for each in (*kept, *expected)]))
    parts = [_right_boxes(kept, expected, label, overlap) for label in classes]
    right = sum(sum(each) for each, _ in parts)
    candidates = sum(len(each) for each, _ in parts)
    return float(right / max(candidates, 1)), float(right / sum(count for _, count in parts))


def _right_boxes(found, expected, label, overlap):
    """Returns which boxes of a class are right, best score first, and how many are expected."""
    truths = [boxes[labels == label] for boxes, labels in expected]
    candidates = sorted(
        (
            (score, image, box)
            for image, (boxes, labels, scores) in enumerate(found)
            for box, score in zip(boxes[labels == label], scores[labels == label], strict=True)
        ),
        key=lambda each: -each[0],
    )
    free = [np.ones(len(boxes), bool) for boxes in truths]
    right = []
    for _, image, box in candidates:
        overlaps = np.where(free[image], intersection_over_union(box, truths[image]), 0)
        best = np.argmax(overlaps) if len(overlaps) else None
        right.append(best is not None and overlaps[best] >= overlap)
        if right[-1]:
            free[image][best] = False
    return right, sum(map(len, truths))


def intersection_over_union(box, boxes):
    """Returns a box's overlap with each of others: (left, top, right, bottom), (n, 4) -> (n,)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
    return shared / (np.prod(box[2:] - box[:2]) + areas - shared)


def mean_intersection_over_union(found, expected):
    """Averages over the classes in `expected` the shared pixels as a part of all with the class.

    Args:
        found: integers (count, height, width), the class of each pixel.
        expected: integers of the same shape.
    """
    shares = []
    for label in np.unique(expected):
        ours, theirs = found == label, expected == label
        shares.append(np.sum(ours & theirs) / np.sum(ours | theirs))
    return float(np.mean(shares))
