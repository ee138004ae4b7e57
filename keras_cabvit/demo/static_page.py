"""A folder for any web server: a page that runs a .tflite file in the browser alone."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from keras_cabvit.atomic_files import atomic_folder
from keras_cabvit.data.crops import check_crop
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.image_bytes import most_bytes
from keras_cabvit.demo.page_files import ALONE, FOLDER
from keras_cabvit.demo.tasks_vision import PACKAGE, VERSION, tasks_vision_files
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.opened_model import model_at, open_model
from keras_cabvit.runtimes.size_and_crop import size_and_crop
from keras_cabvit.runtimes.tflite_metadata import read_metadata

_NOTICE = f"""MediaPipe Tasks Vision {VERSION}
Copyright The MediaPipe Authors. Apache License 2.0, see LICENSE.
The files beside this one are unchanged from the npm package {PACKAGE} {VERSION}.
"""


def write_static_page(
    model: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    tasks_vision: str | os.PathLike[str] | None = None,
    crop: float | None = None,
) -> tuple[Path, list[str]]:
    """Writes the page, the `.tflite` file, and the runtime that runs it in a browser.

    Photographs stay in the browser, which decodes, resizes and crops them as the evaluation does.

    Args:
        model: path of a `.tflite` file with metadata, as `to_tflite` writes it.
        folder: path of the folder to write; one that this function wrote earlier is replaced.
        tasks_vision: path of the archive or the folder of the npm package @mediapipe/tasks-vision,
            1.1.0. None, the default, fetches it with npm.
        crop: side of the centre crop as a share of the image. None, the default, is the one
            that the file states, else that of its run.

    Returns:
        The path of the folder, and a list of sentences on assumptions about the model.

    Raises:
        FileNotFoundError: there is nothing at `model` or `tasks_vision`.
        ValueError: the model is not a `.tflite` classifier of RGB images with metadata, `folder`
            is something else, or the package is another version or damaged.
        OSError: npm is not installed or could not fetch the package, or the folder cannot be
            written.
    """
    check_crop(crop)
    form, path, _ = model_at(local_path(model))
    if form != "TFLite":
        raise ValueError(
            f"The page that needs no server runs a .tflite file. {path} is a model in another form "
            f"({form}): make one of the .keras file with `cabvit export tflite`."
        )
    opened = open_model(path)
    size, crop, notes = size_and_crop(opened, None, crop)
    stated = read_metadata(path)
    takes_floats = opened.runtime.get_input_details()[0]["dtype"].__name__ == "float32"
    if takes_floats and stated.mean is None:
        raise ValueError(
            f"{path} takes floats and has no metadata, without which MediaPipe refuses it. `cabvit "
            "export tflite` writes it."
        )
    classes = len(opened.predict(np.zeros((1, *size, 3), "uint8"))[0])
    names = opened.class_names
    statement = {
        "name": opened.name,
        "imageSize": list(size),
        "crop": crop,
        "classes": classes,
        "labels": None if names is None else list(names),
        "probabilities": opened.predict.are_probabilities,
        "maps": False,
        "mostBytes": most_bytes(),
        "mostPixels": int(1e6 * MAX_MEGAPIXELS),
    }
    runtime = tasks_vision_files(tasks_vision)
    with atomic_folder(folder, "demo page") as partial:
        for name, source in ALONE.items():
            shutil.copyfile(FOLDER / source, partial / name)
        shutil.copyfile(path, partial / "model.tflite")
        text = json.dumps(statement, ensure_ascii=False, indent=1)
        (partial / "model.json").write_text(text, encoding="utf-8")
        (partial / "tasks-vision" / "wasm").mkdir(parents=True)
        for name, content in runtime.items():
            (partial / "tasks-vision" / name).write_bytes(content)
        shutil.copyfile(FOLDER / "apache-2.0.txt", partial / "tasks-vision" / "LICENSE")
        (partial / "tasks-vision" / "NOTICE").write_text(_NOTICE, encoding="utf-8")
    return local_path(folder), notes
