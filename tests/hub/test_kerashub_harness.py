"""KerasHub's own tests of a vision backbone and of a task pass.

The backbone is channels last whatever `keras.json` says, so the test of the other data format is
left out. On PyTorch KerasHub tests neither precision nor quantisation. `keras_cabvit/hub` never
asks for the backend, and its layers are tested on JAX elsewhere. To save time the suite therefore
runs nothing here on JAX: `KERAS_BACKEND=jax pytest -n 0 tests/hub` does.
"""

import keras
import numpy as np
import pytest
import tiny_hub
from keras_hub.src.tests import test_case

from keras_cabvit.hub import CabViTBackbone, CabViTImageClassifier

pytestmark = pytest.mark.slow

ARGUMENTS = {**tiny_hub.SIZES, "image_shape": (32, 32, 3)}


@pytest.fixture
def harness():
    # An instance: a subclass would bring tests of its own, which skip.
    return test_case.TestCase("run_vision_backbone_test")


@pytest.mark.torch_too
def test_vision_backbone(harness):
    harness.run_vision_backbone_test(
        cls=CabViTBackbone,
        init_kwargs=ARGUMENTS,
        input_data=keras.ops.ones((2, 32, 32, 3)),
        expected_output_shape=(2, 1, 1, 16),
        expected_pyramid_output_keys=["P2", "P3", "P4", "P5"],
        expected_pyramid_image_sizes=[(8, 8), (4, 4), (2, 2), (1, 1)],
        run_data_format_check=False,
        run_mixed_precision_check=False,  # below
        run_quantization_check=False,
    )


def test_precisions_and_quantisation_of_the_backbone(harness):
    images = keras.ops.ones((2, 32, 32, 3))
    harness.run_precision_test(CabViTBackbone, ARGUMENTS, images)
    backbone = CabViTBackbone(**ARGUMENTS)
    harness.run_quantization_test(backbone, CabViTBackbone, ARGUMENTS, images)


@pytest.fixture
def without_graphs():
    """Lets TensorFlow fit without building a graph, which it would do three times.

    Other tests build one: `test_image_classifier.py` to predict, and tests of training to fit the
    same layers.
    """
    if keras.config.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.torch_too
def test_task(harness, without_graphs):
    classifier = tiny_hub.classifier()
    harness.run_task_test(
        cls=CabViTImageClassifier,
        init_kwargs={
            "backbone": classifier.backbone,
            "num_classes": 5,
            "preprocessor": classifier.preprocessor,
        },
        train_data=(tiny_hub.photographs(32, 32), np.array([0, 4])),
        expected_output_shape=(2, 5),
    )
