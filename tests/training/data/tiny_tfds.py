"""Data sets of TensorFlow Datasets with a few images, in real tfrecord files."""

import io

import numpy as np
import tensorflow_datasets as tfds
from image_files import CLASSES, encoded, picture


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Has training and test images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "vector": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                "photo": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                "kind": tfds.features.ClassLabel(names=CLASSES),
                "file_name": tfds.features.Text(),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=("photo", "kind")
        )

    def _split_generators(self, dl_manager):
        return {"train": self._pictures(23), "test": self._pictures(7)}

    def _pictures(self, count, labelled=True):
        for number in range(count):
            yield (
                number,
                {
                    "vector": [0.0, 1.0],
                    "photo": io.BytesIO(encoded(picture(number))),
                    "kind": number % len(CLASSES) if labelled else -1,
                    "file_name": f"{number:04}.png",
                },
            )

    def _generate_examples(self):
        """Required by TensorFlow Datasets; `_pictures` generates the splits."""


class TinyPicturesValidated(TinyPictures):
    """Has validation images too, and test images without labels."""

    def _split_generators(self, dl_manager):
        return {
            "train": self._pictures(23),
            "validation": self._pictures(5),
            "test": self._pictures(4, labelled=False),
        }


class TinyPicturesUnlabelled(TinyPictures):
    """Has only images."""

    def _info(self):
        features = tfds.features.FeaturesDict({"photo": tfds.features.Image()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": [(number, {"photo": picture(number)}) for number in range(3)]}


class TinyPicturesFar(TinyPictures):
    """Cannot be downloaded."""

    def _split_generators(self, dl_manager):
        raise ConnectionError("the network is down")


class TinyPicturesByHand(TinyPictures):
    """Must be downloaded by hand."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "Sign up and get pictures.tar."


def prepared(folder):
    """Writes the data sets that have files, with three shards per split, and returns `folder`."""
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(num_shards=3)
    for builder in (TinyPictures, TinyPicturesValidated, TinyPicturesUnlabelled):
        builder(data_dir=folder).download_and_prepare(download_config=config)
    return folder
