"""The file of a trained model, and its class names and crop: those in it, else of its run."""

import contextlib
import sys
import tempfile
from pathlib import Path

from keras_cabvit.data.labels import LABELS, read_labels
from keras_cabvit.runtimes.class_names import names_of_model
from keras_cabvit.runtimes.keras_statements import add_statements, folder_of, keras_statements
from keras_cabvit.runtimes.opened_model import model_at
from keras_cabvit.runtimes.pretrained_model import is_pretrained, open_pretrained
from keras_cabvit.runtimes.run_record import crop_of_run, read_run
from keras_cabvit.runtimes.stated_crop import preferred_crop
from keras_cabvit.weights import PRETRAINED


@contextlib.contextmanager
def keras_file(path):
    """Yields the `.keras` file of a run, or the folder of an unpacked one, without reading it.

    Of weights with a name it is a temporary file, and their terms are printed.

    Args:
        path: path of a run's folder, a `.keras` file or the folder of an unpacked one; or the name
            of weights.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is an export, a run that has not finished, or something else.
    """
    if is_pretrained(path):
        with tempfile.TemporaryDirectory() as folder:
            yield _written(str(path), Path(folder))
        return
    form, found, _ = model_at(
        path,
        "Give a run's folder, a .keras file (or the folder of an unpacked one), or the name of "
        f"weights, {' or '.join(PRETRAINED)}.",
    )
    if form != "Keras":
        raise ValueError(
            f"{found} is an export ({form}). Give the run or the .keras file that it was exported "
            "from."
        )
    yield found


def _written(weights, folder):
    """Writes `CabViTH_T` with named weights as a `.keras` file that states its names and crop."""
    model = open_pretrained(weights)
    if PRETRAINED[weights].notice:
        print(PRETRAINED[weights].notice, file=sys.stderr)
    file = folder / f"{weights}.keras"
    model.runtime.save(file)
    add_statements(file, model.class_names, model.image_size, model.evaluation_crop)
    return file


def labels_of(model):
    """Returns the class names of a `.keras` file, or None.

    Prints a sentence if it states other names than `labels.txt` beside it.

    Args:
        model: path of the `.keras` file.
    """
    names = names_of_model(model)
    file = folder_of(model) / LABELS
    if file.is_file() and read_labels(file, None) != names:
        print(
            f"{model} states its class names; {file} has others, which are not used. "
            f"--labels {file} uses them.",
            file=sys.stderr,
        )
    return names


def crop_of(model, image_size=None):
    """Returns the crop that a `.keras` file states, else that of its run, and sentences on it.

    Args:
        model: path of a `.keras` file, with or without a `run.json` beside it; or of the folder of
            an unpacked one, with or without one inside.
        image_size: (height, width) of the model; None takes that of the run's recipe.

    Returns:
        The crop's side as a share of the image, None if it is not recorded; and a tuple of
        sentences on a difference between file and run.

    Raises:
        ValueError: `run.json` is damaged.
    """
    of_run = crop_of_run(read_run(folder_of(model)), image_size)
    return preferred_crop(model, keras_statements(model, image_size).crop, of_run)
