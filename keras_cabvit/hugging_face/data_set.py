"""The data set of a run, as the Hub names it."""

import re
from dataclasses import dataclass

_ON_THE_HUB = {
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "tfds:imagenet2012": "ILSVRC/imagenet-1k",
}
# A name of TensorFlow Datasets, with a configuration, a version and a part; else it is a path.
_NAME = re.compile(r"tfds:(\w+(?:/[\w.-]+)?)(?::[\w.*]+)?(?:\[[^\[\]]*\])?")


@dataclass(frozen=True)
class DataSetName:
    """The name of a data set, without any path of the computer that trained.

    Attributes:
        text: its name for people.
        kind: its identifier on the Hub, or the kind of data set that the Hub's own cards give.
        on_the_hub: whether `kind` is the identifier of a data set on the Hub.
    """

    text: str
    kind: str
    on_the_hub: bool = False


def data_set_name(data: str | None, dataset: str | None = None) -> DataSetName:
    """Returns the name of the data set that a run was trained on.

    Args:
        data: string, `data` of run.json, or None.
        dataset: string, the identifier of the data set on the Hub; None for one that is not there,
            or is known.
    """
    spec = data or ""
    known = dataset or _ON_THE_HUB.get(re.sub(r"(fashion_mnist|tfds:\w+)[:/\[].*", r"\1", spec))
    if known:
        return DataSetName(known, known, on_the_hub=True)
    named = _NAME.fullmatch(spec)
    if named:
        return DataSetName(named[1], named[1])
    if spec.startswith("folder:"):
        return DataSetName("a folder of images", "imagefolder")
    if spec.isidentifier():
        return DataSetName(spec, spec)
    return DataSetName("a data set of the author's own", "unknown")
