"""Opening the model whose attention a command shows."""

from keras_cabvit.runtimes.opened_model import model_at, open_model
from keras_cabvit.runtimes.pretrained_model import is_pretrained, open_pretrained


def open_explained(path):
    """Opens a run, a `.keras` file or named weights.

    Args:
        path: path of the model, or the name of weights.

    Returns:
        `OpenedModel` of a Keras model.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is an export, which has no attention maps, or cannot be opened.
    """
    if is_pretrained(path):
        return open_pretrained(str(path))
    form, found, _ = model_at(path)
    if form != "Keras":
        raise ValueError(
            f"{found} is an export ({form}): it gives scores, and its attention maps are not in "
            "it. Give the run or the .keras file that it was exported from."
        )
    return open_model(path)
