"""The card of a published model."""

from training.evaluation.result import Evaluation
from training.report.markdown import escaped
from training.report.scores import summary
from training.report.training_run import origin


def model_card(evaluation: Evaluation, run: dict, description: str = "") -> str:
    """Returns the text of a model card (Mitchell et al. 2019), in Markdown.

    Args:
        evaluation: `Evaluation` of the published file.
        run: dict, the content of run.json.
        description: Markdown on the data and the use of the model.
    """
    height, width = evaluation.image_size
    crop = (
        "resized as a whole"
        if evaluation.crop == 1
        else f"of which the central {100 * evaluation.crop:g} % of each side is taken"
    )
    names = evaluation.class_names
    names_text = ", ".join(map(escaped, names))
    use = f"""## Use

```python
import keras
import keras_cabvit  # registers the layers

model = keras.saving.load_model("{evaluation.name}/model.keras")
probabilities = model.predict(images)  # (count, {height}, {width}, 3), RGB, values in [0, 255]
```

It takes images of {width}x{height} pixels, {crop}, and gives the probabilities of
{len(names)} classes, in the order of `labels.txt`: {names_text}.
Kernels and tables are stored in float16, vectors in float32; Keras loads it as a float32 model, on
every backend."""
    sections = [
        summary(evaluation, run),
        "Curves, confusion matrix, scores by class, calibration and the worst mistakes are in "
        "[report.md](report.md).",
        description,
        use,
        origin(evaluation, run),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"
