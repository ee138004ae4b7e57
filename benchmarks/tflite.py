"""The .tflite forms of a model: latency, size and exactness, next to ConvNeXtTiny.

usage: python -m benchmarks.tflite [--model FILE.keras --data DATA] [--out DIR] [--rounds 40]

Without --model it measures CabViTH_S at 224x224 with the parameters of the reference, as logits, on
synthetic photographs. With a trained model and its data set it also gives top-1 on the test images.
Ranges of the calibrated forms come from training images.

All files take turns, image after image, with LiteRT and 2 threads in one process, so that other
load on the computer affects all alike; each median is divided by that of ConvNeXtTiny in float32 in
the same run. The results do not predict the speed of a phone, whose processor has other kernels.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.filled_model import filled_model
from benchmarks.photographs import write_photographs
from benchmarks.processor import processor_flags, processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.export import to_tflite
from keras_cabvit.export.tflite.flatbuffer import unpack
from keras_cabvit.figures.style import BLUE, FAINT, ORANGE, figure_style, new_figure
from keras_cabvit.runtimes import load_tflite
from keras_cabvit.runtimes.comparison import comparable_scores, signal_to_noise
from keras_cabvit.runtimes.delegation import delegation
from keras_cabvit.runtimes.latency import median_latencies
from keras_cabvit.terminal import output_that_never_fails
from training.data.batches import evaluation_batches
from training.data.opening import open_data_set
from training.report.markdown import table

FORMS = {
    "none": {"quantization": "none"},
    "none, attention bias computed": {"quantization": "none", "attention_bias": "computed"},
    "float16": {"quantization": "float16"},
    "int8": {"quantization": "int8"},
    "int8, attention bias computed": {"quantization": "int8", "attention_bias": "computed"},
    "int8-static": {"quantization": "int8-static"},
    "int8-full": {"quantization": "int8-full"},
}
REFERENCE = "ConvNeXtTiny, float32"


@dataclasses.dataclass(frozen=True)
class Images:
    """uint8 images (count, height, width, channels) and their classes, or None."""

    pixels: np.ndarray
    labels: np.ndarray | None


def made_photographs(size, count, seed):
    """Returns images without classes that have the spectrum of photographs."""
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder), count, size, seed)
        files = sorted(Path(folder).rglob("*.jpg"))
        return Images(
            np.stack([np.asarray(keras.utils.load_img(file)) for file in files]).astype("uint8"),
            None,
        )


def images_of(split, size, crop, count=None):
    """Returns the first images of a split, or all, by the evaluation transform."""
    pixels, labels, found = [], [], 0
    for images, targets, weights in evaluation_batches(split, size, 64, crop).as_numpy_iterator():
        readable = weights > 0
        pixels.append(images[readable].astype("uint8"))
        labels.append(targets[readable].argmax(axis=1))
        found += len(pixels[-1])
        if count is not None and found >= count:
            break
    return Images(np.concatenate(pixels)[:count], np.concatenate(labels)[:count])


def int8_share(path):
    """Returns the share of a file's multiply-accumulates with int8 weights or two int8 factors."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    model = unpack(path.read_bytes())
    work = {True: 0, False: 0}
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = names[model.operatorCodes[operator.opcodeIndex].builtinCode]
            if name not in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL"):
                continue
            first, second = (graph.tensors[index] for index in operator.inputs[:2])
            outputs = np.prod(graph.tensors[operator.outputs[0]].shape)
            if name == "FULLY_CONNECTED":
                each = second.shape[1]
            elif name == "CONV_2D":
                each = np.prod(second.shape[1:])
            elif name == "DEPTHWISE_CONV_2D":
                each = np.prod(second.shape[1:3])
            else:
                each = first.shape[-1]
            work[second.type == schema.TensorType.INT8] += int(outputs * each)
    return work[True] / (work[True] + work[False])


def int8_instructions():
    """Returns the processor's best int8 instruction set that kernels use."""
    known = ("amx_int8", "avx512_vnni", "avx_vnni", "avx2", "i8mm", "asimddp", "asimd")
    flags = processor_flags()
    return next((flag for flag in known if flag in flags), "none of the known ones")


def measure(model, folder, calibration, test, rounds):
    """Exports all forms and measures them in turns.

    Returns:
        A list with one dict per form.
    """
    reference = folder / "convnext.tflite"
    keras.utils.set_random_seed(0)
    to_tflite(keras.applications.ConvNeXtTiny(weights=None), reference, quantization="none")
    paths = []
    for number, (name, options) in enumerate(FORMS.items()):
        print(f"exporting {name}", flush=True)
        path = folder / f"{number}.tflite"
        to_tflite(model, path, calibration=calibration.pixels, **options)
        paths.append(path)

    classifiers = [load_tflite(path) for path in (reference, *paths)]
    random = np.random.default_rng(0)
    images = [
        random.integers(0, 256, (8, *classifier.image_shape), dtype=np.uint8)
        for classifier in classifiers
    ]
    seconds = median_latencies([each.scores for each in classifiers], images, rounds)
    expected = model.predict(test.pixels, verbose=0)
    results = [{"form": REFERENCE, "seconds": seconds[0], "bytes": reference.stat().st_size}]
    for name, path, classifier, taken in zip(
        FORMS, paths, classifiers[1:], seconds[1:], strict=True
    ):
        given = classifier.scores(test.pixels)
        probabilities = classifier.gives_probabilities  # and so does its source model
        kind, *scores = comparable_scores(given, expected, probabilities, probabilities)
        divided = delegation(path)
        results.append(
            {
                "form": name,
                "seconds": taken,
                "latency ratio": taken / seconds[0],
                "bytes": path.stat().st_size,
                "bytes per parameter": path.stat().st_size / model.count_params(),
                "size ratio": path.stat().st_size / paths[0].stat().st_size,
                "decibels": signal_to_noise(scores[1], scores[0]),
                "decibels of": kind,
                "agreement": float(np.mean(given.argmax(axis=1) == expected.argmax(axis=1))),
                "top-1": _accuracy(given, test.labels),
                "top-1 of Keras": _accuracy(expected, test.labels),
                "int8 share": int8_share(path),
                "delegate nodes": divided.nodes,
                "operations left": divided.left_out,
            }
        )
    return results


def _accuracy(scores, labels):
    return None if labels is None else float(np.mean(scores.argmax(axis=1) == labels))


def as_table(results):
    """Returns the results as Markdown."""
    rows = []
    for result in results[1:]:
        left = ", ".join(f"{count} {name}" for name, count in result["operations left"].items())
        right = result["top-1"]
        rows.append(
            [
                result["form"],
                left or "-",
                f"{result['latency ratio']:.3f}",
                f"{result['bytes'] / 1e6:.2f} MB",
                f"{result['bytes per parameter']:.2f}",
                f"{result['size ratio']:.3f}",
                f"{result['decibels']:.1f} dB of {result['decibels of']}",
                f"{100 * result['agreement']:.1f} %",
                "-" if right is None else f"{100 * right:.2f} %",
                f"{100 * result['int8 share']:.0f} %",
                str(result["delegate nodes"]),
            ]
        )
    header = [
        "form",
        "left outside XNNPACK",
        "latency / ConvNeXtTiny float32",
        "size",
        "bytes per parameter",
        "size / none",
        "signal-to-noise",
        "agrees with Keras",
        "top-1",
        "MACs in int8",
        "pieces in XNNPACK",
    ]
    return table(header, rows, 2)


def _apart(places, distance):
    """Spreads out a falling list of positions until neighbours are a distance apart."""
    places = list(places)
    for _ in range(100):
        for index in range(1, len(places)):
            overlap = distance - (places[index - 1] - places[index])
            if overlap > 0:
                places[index - 1] += overlap / 2
                places[index] -= overlap / 2
    return places


def draw(results, path):
    """Writes a PNG of size against latency, labelled with the top-1 or the decibels."""
    forms = sorted(results[1:], key=lambda result: result["bytes"], reverse=True)
    top = 1.1 * forms[0]["bytes"] / 1e6
    with figure_style():
        figure = new_figure(9, 4.5)
        axes = figure.subplots()
        places = _apart([result["bytes"] / 1e6 for result in forms], 0.08 * top)
        for result, place in zip(forms, places, strict=True):
            x, y = result["latency ratio"], result["bytes"] / 1e6
            color = BLUE if result["form"].startswith("int8") else ORANGE
            axes.plot(x, y, "o", color=color)
            right = result["top-1"]
            label = f"{result['decibels']:.1f} dB" if right is None else f"{100 * right:.2f} %"
            # In a column beside the points, which may be close together.
            axes.annotate(
                f"{result['form']}: {label}",
                (x, y),
                xytext=(1.03, place),
                textcoords=axes.get_yaxis_transform(),
                verticalalignment="center",
                arrowprops={"arrowstyle": "-", "color": FAINT, "relpos": (0, 0.5)},
                fontsize=9,
            )
        axes.set_xlim(0, None)
        axes.set_ylim(0, top)
        axes.set_xlabel("latency of one image / ConvNeXtTiny in float32")
        axes.set_title("Size of the file (MB)")
        axes.grid(color=FAINT, linewidth=0.5)
        figure.savefig(path, format="png")


def main():
    """Measures, prints a table, and writes it as JSON, Markdown and a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=path_argument, help="a .keras file; needs --data")
    parser.add_argument("--data", help="as for training, with test images")
    parser.add_argument(
        "--crop",
        type=float,
        default=1.0,
        help="side of the evaluation's centre crop as a share of the image; 1 by default",
    )
    parser.add_argument(
        "--images",
        type=positive,
        default=64,
        help="number of synthetic photographs, without --data",
    )
    parser.add_argument("--rounds", type=positive, default=40, help="number of timed images")
    parser.add_argument("--out", type=path_argument, help="folder for tflite.json, .md and .png")
    options = parser.parse_args()
    if (options.model is None) != (options.data is None):
        parser.error("--model and --data belong together")
    if options.model is None:
        model = filled_model("CabViTH_S", classifier_activation=None)
        calibration = made_photographs((224, 224), 64, seed=1)
        test = made_photographs((224, 224), options.images, seed=0)
    else:
        model = keras.saving.load_model(options.model, compile=False)
        data_set = open_data_set(options.data, 1 / 12, 0)
        size = model.input_shape[1:3]
        calibration = images_of(data_set.training, size, options.crop, 256)
        test = images_of(data_set.test, size, options.crop)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(model, Path(folder), calibration, test, options.rounds)
    heading = (
        f"{model.name}, {processor_name()}, {int8_instructions()}, 2 threads, "
        f"{len(test.pixels):,} images"
    )
    text = f"{heading}\n\n{as_table(results)}\n"
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        report = {"setting": heading, "results": results}
        write_text_atomically(options.out / "tflite.json", json.dumps(report, indent=2) + "\n")
        write_text_atomically(options.out / "tflite.md", text)
        draw(results, options.out / "tflite.png")
    print(text)
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
