"""keras-cv's RetinaNet and DeepLabV3+ on the hybrid model.

Importing this module imports keras-cv.
"""

import keras_cv
import numpy as np

import keras_cabvit
from benchmarks.keras_hub_tasks.drawings import SHAPES

# Layers of CabViTH_T whose outputs are the levels.
LEVELS = {"P2": "stage_0_block_1", "P3": "stage_1_block_1", "P4": "stage_2", "P5": "stage_3"}


def backbone(size):
    """Returns a model without its head, for images (height, width), whose levels keras-cv finds."""
    model = keras_cabvit.CabViTH_T(
        include_top=False, weights="tiny_imagenet", input_shape=(*size, 3)
    )
    model.pyramid_level_inputs = LEVELS
    return model


def detector(size):
    """Returns a RetinaNet as keras-cv builds it, on levels P3 to P7."""
    return keras_cv.models.RetinaNet(
        backbone(size), num_classes=len(SHAPES), bounding_box_format="xyxy"
    )


def segmenter(size):
    """Returns a DeepLabV3+ that joins P5 with P2; its classes are the background and the shapes."""
    return keras_cv.models.DeepLabV3Plus(
        backbone(size),
        num_classes=1 + len(SHAPES),
        spatial_pyramid_pooling=keras_cv.layers.SpatialPyramidPooling(dilation_rates=[1, 2]),
    )


def detections(task, images):
    """Returns a list of (boxes, labels, scores) per image."""
    found = task.predict(images, batch_size=len(images), verbose=0)
    return [
        (boxes[:count], labels[:count].astype(int), scores[:count])
        for boxes, labels, scores, count in zip(
            *(np.array(found[name]) for name in ("boxes", "classes", "confidence")),
            np.array(found["num_detections"]).astype(int),
            strict=True,
        )
    ]
