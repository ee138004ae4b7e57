"""KerasHub's RetinaNet and DeepLabV3+ with this library's backbone, on eight drawn images each.

usage: python -m benchmarks.keras_hub_tasks [TASK ...] [--steps N] [--out DIR]

TASK is `detector`, `windowed-detector` or `segmenter`; without any, all of them. With keras-cv
installed also `keras-cv-detector` and `keras-cv-segmenter`, without a picture. Each starts from the
weights `cabvit_h_t_tiny_imagenet`, trains on eight images until it knows them by heart, and is
scored on the same eight: this shows that the parts fit and that gradients reach them, and nothing
about other images. Scores are mIoU, or mAP50 and, of boxes with a score of at least 0.5, precision
and recall. The status is 1 if one is below 0.9.

Images have 128x128 pixels, and `image_shape=(128, 128, 3)` sees them as a whole. The windowed
detector takes any size, `image_shape=(None, None, 3)`; its images have 96x160 pixels, which is no
multiple of its windows of 64x64. Scores go to results.json in this folder, pictures to docs/.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import keras_hub
import numpy as np

# KerasHub's detector takes one, but exports no name for it.
from keras_hub.src.models.retinanet.retinanet_label_encoder import RetinaNetLabelEncoder

from benchmarks.keras_hub_tasks.drawings import SHAPES, draw
from benchmarks.keras_hub_tasks.pictures import boxes_picture, masks_picture
from benchmarks.keras_hub_tasks.scores import (
    mean_average_precision,
    mean_intersection_over_union,
    precision_and_recall,
)
from benchmarks.processor import processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.hub import CabViTBackbone, CabViTImageConverter
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

PRESET = "cabvit_h_t_tiny_imagenet"
RESULTS = Path(__file__).with_name("results.json")
PICTURES = Path(__file__).parents[2] / "docs"
IMAGES, SIZE, AT_LEAST = 8, (128, 128), 0.9
WINDOWED_SIZE = (96, 160)
STEPS_PER_EPOCH = 10


def detector(image_shape):
    """Returns a RetinaNet for images of this shape, on levels P3 to P5.

    Its heads have one hidden convolution instead of four, which is enough for eight images. No
    anchor is ignored: by default those that overlap a shape by 0.4 to 0.5 have no part in the loss.
    A network that knows eight images by heart learns nothing about them from other images, and
    gives them high scores and boxes anywhere.
    """
    backbone = keras_hub.models.RetinaNetBackbone(
        image_encoder=CabViTBackbone.from_preset(PRESET, image_shape=image_shape),
        min_level=3,
        max_level=5,
        use_p5=False,
        image_shape=image_shape,
    )
    # Those that the detector makes by itself; the label encoder needs them too.
    anchors = keras_hub.layers.AnchorGenerator(
        "xyxy", min_level=3, max_level=5, num_scales=3, aspect_ratios=[0.5, 1.0, 2.0], anchor_size=4
    )
    return keras_hub.models.RetinaNetObjectDetector(
        backbone,
        num_classes=len(SHAPES),
        bounding_box_format="xyxy",
        anchor_generator=anchors,
        label_encoder=RetinaNetLabelEncoder(
            anchors, "xyxy", encoding_format="center_xywh", negative_threshold=0.5
        ),
        pre_logits_num_conv_layers=1,
        preprocessor=keras_hub.models.RetinaNetObjectDetectorPreprocessor(CabViTImageConverter()),
    )


def segmenter():
    """Returns a DeepLabV3+ that joins P5 with P2; its classes are the background and the shapes."""
    image_shape = (*SIZE, 3)
    backbone = keras_hub.models.DeepLabV3Backbone(
        image_encoder=CabViTBackbone.from_preset(PRESET, image_shape=image_shape),
        spatial_pyramid_pooling_key="P5",
        low_level_feature_key="P2",
        upsampling_size=8,
        dilation_rates=[1, 2],
        image_shape=image_shape,
    )
    return keras_hub.models.DeepLabV3ImageSegmenter(
        backbone,
        num_classes=1 + len(SHAPES),
        preprocessor=keras_hub.models.DeepLabV3ImageSegmenterPreprocessor(CabViTImageConverter()),
    )


def fit(task, images, targets, steps, **losses):
    """Trains a task for a number of steps with all images in each; returns the seconds."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=1e-3, warmup_steps=steps // 10
    )
    # XLA would compile for longer than it saves in these few steps.
    optimizer = keras.optimizers.Adam(rate, clipnorm=10.0)
    task.compile(optimizer=optimizer, jit_compile=False, **losses)
    images, targets = keras.tree.map_structure(
        lambda each: np.concatenate([each] * STEPS_PER_EPOCH), (images, targets)
    )
    start = time.perf_counter()
    epochs = steps // STEPS_PER_EPOCH
    task.fit(images, targets, batch_size=IMAGES, epochs=epochs, shuffle=False, verbose=2)
    return time.perf_counter() - start


def found_boxes(task, images):
    """Returns a list of (boxes, labels, scores) per image."""
    found = task.predict(images, batch_size=IMAGES, verbose=0)
    return [
        (boxes[:count], labels[:count].astype(int), scores[:count])
        for boxes, labels, scores, count in zip(
            *(found[name] for name in ("boxes", "labels", "confidence")),
            found["num_detections"].astype(int),
            strict=True,
        )
    ]


def detect(steps, pictures, windowed):
    """Trains and scores a detector; returns its results."""
    drawings = draw(IMAGES, WINDOWED_SIZE if windowed else SIZE)
    task = detector((None, None, 3) if windowed else (*SIZE, 3))
    targets = {"boxes": drawings.boxes, "labels": drawings.labels}
    seconds = fit(task, drawings.images, targets, steps)
    expected = list(zip(drawings.boxes, drawings.labels, strict=True))
    found = found_boxes(task, drawings.images)
    name = "keras_hub_windowed_detector" if windowed else "keras_hub_detector"
    boxes_picture(pictures / f"{name}.png", drawings.images, expected, found)
    return {**box_scores(found, expected), "seconds": seconds}


def box_scores(found, expected):
    """Returns mAP50, and precision and recall of boxes with a score of at least 0.5."""
    precision, recall = precision_and_recall(found, expected)
    return {
        "mAP50": mean_average_precision(found, expected),
        "precision": precision,
        "recall": recall,
    }


def segment(steps, pictures):
    """Trains and scores a segmenter; returns its results."""
    drawings = draw(IMAGES, SIZE)
    task = segmenter()
    targets = np.eye(1 + len(SHAPES), dtype="float32")[drawings.masks]
    seconds = fit(task, drawings.images, targets, steps)
    found = task.predict(drawings.images, batch_size=IMAGES, verbose=0).argmax(-1)
    masks_picture(pictures / "keras_hub_segmenter.png", drawings.images, drawings.masks, found)
    score = mean_intersection_over_union(found, drawings.masks)
    return {"mIoU": score, "seconds": seconds}


def detect_with_keras_cv(steps, _):
    """Trains and scores keras-cv's detector; returns its results."""
    from benchmarks.keras_hub_tasks import keras_cv_tasks

    drawings = draw(IMAGES, SIZE)
    task, images = keras_cv_tasks.detector(SIZE), drawings.images.astype("float32")
    targets = {"boxes": drawings.boxes, "classes": drawings.labels.astype("float32")}
    losses = {"box_loss": "smoothl1", "classification_loss": "focal"}
    seconds = fit(task, images, targets, steps, **losses)
    found = keras_cv_tasks.detections(task, images)
    expected = list(zip(drawings.boxes, drawings.labels, strict=True))
    return {**box_scores(found, expected), "seconds": seconds}


def segment_with_keras_cv(steps, _):
    """Trains and scores keras-cv's segmenter; returns its results."""
    from benchmarks.keras_hub_tasks import keras_cv_tasks

    drawings = draw(IMAGES, SIZE)
    task, images = keras_cv_tasks.segmenter(SIZE), drawings.images.astype("float32")
    targets = np.eye(1 + len(SHAPES), dtype="float32")[drawings.masks]
    seconds = fit(task, images, targets, steps, loss="categorical_crossentropy")
    found = task.predict(images, batch_size=IMAGES, verbose=0).argmax(-1)
    return {"mIoU": mean_intersection_over_union(found, drawings.masks), "seconds": seconds}


TASKS = {
    "detector": lambda steps, pictures: detect(steps, pictures, windowed=False),
    "windowed-detector": lambda steps, pictures: detect(steps, pictures, windowed=True),
    "segmenter": segment,
}
KERAS_CV_TASKS = {
    "keras-cv-detector": detect_with_keras_cv,
    "keras-cv-segmenter": segment_with_keras_cv,
}


def main():
    """Parses the arguments, runs the tasks, and writes the results; returns the status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_hub_tasks")
    known = TASKS | KERAS_CV_TASKS
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"any of {', '.join(known)}")
    parser.add_argument("--steps", type=positive, default=100, help="training steps (default: 100)")
    parser.add_argument("--out", type=path_argument, default=PICTURES, help="folder of pictures")
    arguments = parser.parse_args()
    unknown = set(arguments.tasks) - known.keys()
    if unknown:
        parser.error(f"TASK must be one of {', '.join(known)}. Received: {', '.join(unknown)}")
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    scores = {}
    for name in arguments.tasks or TASKS:
        keras.utils.set_random_seed(0)
        result = known[name](arguments.steps, arguments.out)
        scores.update({(name, score): result[score] for score in result if score != "seconds"})
        results[name] = {
            **{key: round(value, 3) for key, value in result.items()},
            "steps": arguments.steps,
            "backend": keras.config.backend(),
            "processor": processor_name(),
        }
        write_text_atomically(RESULTS, json.dumps(results, indent=4) + "\n")
    print(table(["task", "score", ""], [[*key, f"{value:.3f}"] for key, value in scores.items()]))
    return int(min(scores.values()) < AT_LEAST)


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
