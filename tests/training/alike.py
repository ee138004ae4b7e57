"""Training commands of which each must do what the others do, and the comparison of their runs."""

import csv

import numpy as np
from tiny_runs import OPTIONS

from training.checkpoints import CheckpointFolder

EPOCHS = 3
# An image is trained on alike wherever it is computed: no dropout, no partner in its batch.
ALIKE = [
    *("--recipe", "fashion_mnist", *OPTIONS, "--epochs", str(EPOCHS)),
    *("--model.drop-path-rate", "0", "--augmentation.mixup-alpha", "0"),
    # All blocks matter, and the gradients are clipped.
    *("--model.layer-scale-init", "1", "--optimization.clip-norm", "0.05"),
    *("--optimization.learning-rate", "2e-3"),
]


def command(images, out, strategy, *others):
    """Returns the arguments of `python -m training train`."""
    return [
        *ALIKE,
        "--data",
        f"folder:{images}",
        "--out",
        str(out),
        "--strategy",
        strategy,
        *others,
    ]


def assert_trained_alike(out, expected):
    """The losses of all epochs, and in the end weights, averages and moments, agree."""
    rows, other_rows = _rows(out), _rows(expected)
    assert len(rows) == len(other_rows) == EPOCHS
    for row, other in zip(rows, other_rows, strict=True):
        for name in ("loss", "val_cross_entropy"):
            np.testing.assert_allclose(float(row[name]), float(other[name]), rtol=1e-4)
    arrays, others = _arrays(out), _arrays(expected)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        largest = np.abs(others[name]).max()
        # A twentieth of a step of AdamW; moments are compared by their size.
        tolerance = 1e-4 if name.startswith("model/") else 1e-8 + 0.02 * largest
        np.testing.assert_allclose(array, others[name], rtol=0, atol=tolerance, err_msg=name)


def _rows(out):
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def _arrays(out):
    return CheckpointFolder(out / "checkpoints").read_latest().arrays
