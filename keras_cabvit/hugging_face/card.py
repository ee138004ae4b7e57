"""The model card: README.md with the metadata that the Hub reads."""

import shlex
from collections.abc import Iterable, Sequence

from keras_cabvit.figures.names import without_controls
from keras_cabvit.hugging_face.data_set import DataSetName
from keras_cabvit.hugging_face.library import hub_library
from keras_cabvit.hugging_face.scores import METRICS
from keras_cabvit.runtimes.size_and_crop import describe_crop
from keras_cabvit.weights import PRETRAINED

_TASK = "image-classification"
_PICTURES = {
    "curves.png": "Loss, top-1 and learning rate by epoch",
    "confusion.png": "Confusion matrix",
    "calibration.png": "Accuracy by confidence",
    "mistakes.png": "The most confident mistakes",
}


def model_card(
    repo_id: str,
    run: dict,
    scores: dict[str, float],
    data: DataSetName,
    image_size: tuple[int, int],
    crop: float,
    class_names: Sequence[str],
    pictures: Iterable[str] = (),
    license: str | None = None,
    revision: str | None = None,
) -> str:
    """Returns the text of a model card (Mitchell et al. 2019), in Markdown with YAML in front.

    Nothing in it names a file or folder of the computer that trained.

    Args:
        repo_id: string, OWNER/NAME.
        run: dict, the content of run.json.
        scores: dict, as `scores_of` returns it.
        data: `DataSetName`.
        image_size: (height, width) in pixels.
        crop: float, side of the centre crop as a share of the image.
        class_names: strings, in the order of the model's outputs.
        pictures: names of the picture files beside the card.
        license: string, the Hub's identifier of the model's licence, or None.
        revision: string, the branch that the card is on; None is `main`.
    """
    name = repo_id.partition("/")[2]
    split = "test" if (run.get("images") or {}).get("test") else "validation"
    pictures = set(pictures)
    sections = [
        f"# {name}",
        _introduction(run, len(class_names)),
        _scores(scores, split, data),
        _use(repo_id, image_size, crop, class_names, revision),
        *(f"![{text}]({file})" for file, text in _PICTURES.items() if file in pictures),
        _origin(run, data),
    ]
    metadata = _metadata(name, scores, split, data, license)
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _metadata(
    name: str, scores: dict[str, float], split: str, data: DataSetName, license: str | None
) -> str:
    """Returns the YAML in front of a card."""
    library = hub_library()
    results = [
        library.EvalResult(
            task_type=_TASK,
            task_name="Image classification",
            dataset_type=data.kind,
            dataset_name=data.text,
            dataset_split=split,
            metric_type=metric,
            metric_name=title,
            metric_value=scores[field],
            metric_args=arguments,
        )
        for field, title, metric, arguments in METRICS
        if field in scores
    ]
    metadata = library.ModelCardData(
        license=license,
        library_name="keras",
        pipeline_tag=_TASK,
        tags=["cabvit", "vision-transformer", _TASK],
        datasets=[data.kind] if data.on_the_hub else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=name,
        eval_results=results or None,
    )
    return metadata.to_yaml().strip()


def _introduction(run: dict, classes: int) -> str:
    variant = ((run.get("recipe") or {}).get("model") or {}).get("variant")
    model = f"`{variant}`, a CabViT" if isinstance(variant, str) else "A model"
    return (
        f"{model} that classifies images into {classes:,} classes, trained with "
        "[Keras](https://keras.io) and `keras_cabvit`. CabViT is a vision transformer whose "
        "attention also sees digest tokens of earlier blocks "
        "([FcaFormer](https://arxiv.org/abs/2211.07198), ICCV 2023)."
    )


def _scores(scores: dict[str, float], split: str, data: DataSetName) -> str:
    if "top1" not in scores:
        return ""
    images = f"{scores['images']:,.0f} " if "images" in scores else ""
    rows = [
        f"| {title} | {100 * scores[field]:.2f} % |"
        for field, title, _, _ in METRICS
        if field in scores
    ]
    lines = [f"## Scores\n\nOn {images}{split} images of {data.text}:\n"]
    return "\n".join([*lines, "| score | value |", "| --- | ---: |", *rows])


def download_command(repo_id: str, revision: str | None) -> str:
    """Returns the command that fetches a repository into a folder of its name.

    Args:
        repo_id: string, OWNER/NAME.
        revision: string, the branch; None is `main`.
    """
    option = "" if revision in (None, "main") else f" --revision {shlex.quote(revision)}"
    return f"hf download {repo_id}{option} --local-dir {repo_id.partition('/')[2]}"


def _use(
    repo_id: str,
    image_size: tuple[int, int],
    crop: float,
    class_names: Sequence[str],
    revision: str | None,
) -> str:
    height, width = image_size
    folder = repo_id.partition("/")[2]
    source, note = f"hf://{repo_id}", ""
    if revision not in (None, "main"):
        source = folder
        note = (
            f"`{folder}` is what the command below fetches: `hf://` is of the branch main alone.\n"
        )
    return f"""## Use

```python
import keras
import keras_cabvit  # registers the layers

model = keras.saving.load_model("{source}")
probabilities = model.predict(images)  # (count, {height}, {width}, 3), RGB, values in [0, 255]
```

{note}In evaluation {describe_crop(crop)}. Classify image files in the same way with

```sh
{download_command(repo_id, revision)}
cabvit predict photographs --model {folder}
```

The classes, in the order of the outputs, which `labels.txt` has too:

{_verbatim(class_names)}"""


def _origin(run: dict, data: DataSetName) -> str:
    images = run.get("images") or {}
    counts = [f"{count:,} {split}" for split, count in images.items() if isinstance(count, int)]
    versions = run.get("versions") or {}
    facts = {
        "data set": data.text,
        "images": ", ".join(counts),
        "epoch of weights": run.get("epoch"),
        "seed": run.get("seed"),
        "hardware": run.get("hardware"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    lines = [f"{name:<17} {value}" for name, value in facts.items() if value not in (None, "")]
    sections = [
        "## Training",
        _verbatim(lines),
        "`run.json` has all settings of the run.",
    ]
    weights = ((run.get("recipe") or {}).get("model") or {}).get("initial_weights")
    if weights in PRETRAINED:
        start = f"Training started from the weights `{weights}` of `keras_cabvit`."
        sections.append(f"{start} {PRETRAINED[weights].terms}".strip())
    return "\n\n".join(sections)


def _verbatim(lines: Sequence[str]) -> str:
    """Returns lines as an indented block, in which no character has a meaning in Markdown."""
    return "\n".join(f"    {without_controls(line)}" for line in lines)
