"""The folder of a finished run, as training leaves it."""

import json

import tiny_models


def write_run(folder, model, **changes):
    """Writes the folder of a finished run."""
    folder.mkdir()
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS) + "\n")
    for name in ("curves.png", "confusion.png", "calibration.png", "mistakes.png"):
        (folder / name).write_bytes(b"\x89PNG " + name.encode())
    record = {
        "recipe": {
            "model": {"variant": "CabViTP_T", "initial_weights": "/home/ann/weights/model.keras"},
            "evaluation_crop": 0.75,
        },
        "data": "folder:/home/ann/photographs",
        "data_source": "folder:/home/ann/photographs",
        "command": "python -m training train --data folder:/home/ann/photographs",
        "validation_note": "The 20 validation images are in /home/ann/photographs/validation.",
        "class_names": tiny_models.LABELS,
        "images": {"training": 100, "validation": 20, "test": 40},
        "versions": {"keras": "3.15.1"},
        "scores": {"images": 40, "top1": 0.925, "macro_f1": 0.9},
        "seed": 3,
        "finished": "2026-11-27 12:00:00 UTC",
    } | changes
    (folder / "run.json").write_text(json.dumps(record))
    return folder
