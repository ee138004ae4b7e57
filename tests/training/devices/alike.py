"""Training commands that give the same result on all devices, and a comparison of their runs."""

import csv
import shlex

import numpy as np

from training.run.checkpoints import CheckpointFolder

EPOCHS = 3
# An image contributes the same on any device: there is no dropout, and it is not mixed with a
# partner of its batch. Gradients are clipped. `start_training.py` replaces the model by two layers.
ALIKE = shlex.split(
    "--recipe fashion_mnist --epochs 3 --batch-size 8 --validation-share 0.25 --log "
    "--keep-checkpoints --model.image-size 32 32 --model.embed-dims 16 --model.drop-path-rate 0 "
    "--optimization.learning-rate 2e-3 --optimization.clip-norm 0.05 "
    "--optimization.average-momentum 0.5"
)


def command(images, out, strategy, *others):
    """Returns the arguments of `python -m training train`."""
    places = ["--data", f"folder:{images}", "--out", str(out), "--strategy", strategy]
    return [*ALIKE, *places, *others]


def assert_trained_alike(out, expected):
    """The losses of all epochs and the final weights, averages and moments agree."""
    rows, other_rows = _rows(out), _rows(expected)
    assert len(rows) == len(other_rows) == EPOCHS
    for row, other in zip(rows, other_rows, strict=True):
        for name in ("loss", "val_cross_entropy"):
            np.testing.assert_allclose(float(row[name]), float(other[name]), rtol=1e-4)
    arrays, others = _arrays(out), _arrays(expected)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        largest = np.abs(others[name]).max()
        # A hundredth of a step of AdamW; moments are compared relative to their size.
        tolerance = 2e-5 if name.startswith("model/") else 1e-10 + 1e-3 * largest
        np.testing.assert_allclose(array, others[name], rtol=0, atol=tolerance, err_msg=name)


def _rows(out):
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def _arrays(out):
    return CheckpointFolder(out / "checkpoints").read_latest().arrays
