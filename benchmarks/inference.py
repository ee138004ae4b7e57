"""The speed of CabViT next to other models of its size, on all frameworks.

usage: python -m benchmarks.inference [--variants CabViTH_S] [--rounds 10] [--out DIR]

Measures every variant on every backend of Keras, in float32 and mixed_bfloat16, at batches of 1 and
8, as it is trained and fused by `keras_cabvit.inference.fuse`, and on TensorFlow the SavedModel of
`keras_cabvit.export`, whose weights are variables or frozen into its graph; next to
ConvNeXtTiny and EfficientNetV2S of `keras.applications`, and ConvNeXt, EfficientFormer and Next-ViT
of timm on PyTorch. Then the growth of time and memory of the fused form on TensorFlow with batch
and image.

On a computer with an NVIDIA GPU, frameworks built for GPUs use it, and timm's models are compiled
by `torch.compile`: --backends jax --precisions mixed_bfloat16 --batches 256 compares JAX with them.

All models of a variant's run take turns on one computer, and figures are ratios of times of one
round: images per second relative to timm's convnext_tiny, and the share of the fastest matrix
product of any framework. CabViT has the parameters that `tests/reference` fills the published model
with; the others have random values instead of zeros, which would change the graphs.
"""

import argparse
import dataclasses
import itertools
import json
import platform
import statistics
import sys

from benchmarks.contenders import MATRIX_PRODUCT, Contender
from benchmarks.in_turns import measure, peak_memory, ratios
from benchmarks.processor import gpu_names, processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.figures.style import (
    BLUE,
    FAINT,
    GREY,
    LIGHT_BLUE,
    ORANGE,
    figure_style,
    new_figure,
)
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

BACKENDS = ("tensorflow", "jax", "torch")
PRECISIONS = ("float32", "mixed_bfloat16")
KERAS_RIVALS = ("ConvNeXtTiny", "EfficientNetV2S")
TIMM_RIVALS = ("convnext_tiny", "efficientformer_l3", "nextvit_small")
RIVALS = KERAS_RIVALS + TIMM_RIVALS
REFERENCE = ("convnext_tiny", "timm")
GROWING_BATCHES = (1, 2, 4, 8, 16, 32)
GROWING_SIZES = (128, 192, 224, 256, 320, 384)


def contenders_of(variant, backends, precisions, batches, rivals):
    """Returns the contenders in one variant's run."""
    found = []
    for backend, precision, batch in itertools.product(backends, precisions, batches):
        for fused in (False, True):
            found.append(Contender(variant, backend, precision, batch, fused))
        if backend == "tensorflow":
            for frozen in (False, True):
                form = {"exported": True, "frozen": frozen}
                found.append(Contender(variant, backend, precision, batch, **form))
        keras_rivals = [name for name in rivals if name in KERAS_RIVALS]
        found += [Contender(name, backend, precision, batch) for name in keras_rivals]
    timm_rivals = [name for name in rivals if name in TIMM_RIVALS]
    found += [
        Contender(name, "timm", precision, batch)
        for name, precision, batch in itertools.product(timm_rivals, precisions, batches)
    ]
    frameworks = dict.fromkeys(contender.framework for contender in found)
    return found + [
        Contender(MATRIX_PRODUCT, framework, precision)
        for framework, precision in itertools.product(frameworks, precisions)
    ]


def figures_of(seconds, operations):
    """Returns a dict per model, with its ratios to the reference and to the peak."""

    def rate(contender):
        # Seconds alone do not compare: a framework on a GPU multiplies larger matrices.
        return operations[contender] / statistics.median(seconds[contender])

    peaks = {}
    for contender in seconds:
        if contender.model == MATRIX_PRODUCT:
            best = peaks.get(contender.precision)
            if best is None or rate(contender) > rate(best):
                peaks[contender.precision] = contender
    found = []
    for contender, taken in seconds.items():
        figures = {
            "label": contender.label,
            **dataclasses.asdict(contender),
            "seconds": taken,
            "operations": operations[contender],
        }
        peak = peaks.get(contender.precision)
        if peak is not None:
            # Seconds that the operations would take at the peak, divided by the measured ones.
            share = operations[contender] / operations[peak]
            at_peak = [share * of_peak for of_peak in seconds[peak]]
            figures["share of peak"] = ratios(at_peak, taken)
        model, framework = REFERENCE
        reference = dataclasses.replace(
            contender, model=model, framework=framework, fused=False, exported=False, frozen=False
        )
        if reference in seconds and contender.model != MATRIX_PRODUCT:
            figures["speed over timm's convnext_tiny"] = ratios(seconds[reference], taken)
        found.append(figures)
    return found


def growth(variant, rounds):
    """Returns time and memory of the fused form on TensorFlow for growing batches and images.

    There are none if one image, with which the others are compared, was left out.
    """
    sizes = [
        Contender(variant, "tensorflow", fused=True, image_size=size) for size in GROWING_SIZES
    ]
    batches = [
        Contender(variant, "tensorflow", fused=True, batch=batch) for batch in GROWING_BATCHES
    ]
    several = dict.fromkeys([*sizes, *batches])
    seconds, operations = measure(list(several), rounds)
    one = batches[0]
    if one not in seconds:
        return []
    return [
        {
            **dataclasses.asdict(contender),
            "operations": operations[contender],
            "time over one image of 224": ratios(taken, seconds[one]),
            "memory": peak_memory(contender),
        }
        for contender, taken in seconds.items()
    ]


def memory_of_forms(variant, batch):
    """Returns the peak memory on TensorFlow of both forms and of Keras' ConvNeXtTiny."""
    several = [
        Contender(variant, "tensorflow", batch=batch),
        Contender(variant, "tensorflow", batch=batch, fused=True),
        Contender("ConvNeXtTiny", "tensorflow", batch=batch),
    ]
    return [
        {"label": each.label, **dataclasses.asdict(each), "memory": peak_memory(each)}
        for each in several
    ]


def _ratio(figures, name):
    if name not in figures:
        return "-"
    found = figures[name]
    return f"{found['median']:.2f} ({found['lower quartile']:.2f} to {found['upper quartile']:.2f})"


def as_markdown(result):
    """Returns a run as Markdown tables."""
    rows = [
        [
            figures["label"],
            figures["framework"],
            figures["precision"],
            str(figures["batch"]),
            _ratio(figures, "speed over timm's convnext_tiny"),
            _ratio(figures, "share of peak"),
        ]
        for figures in result["models"]
        if figures["model"] != MATRIX_PRODUCT
    ]
    header = ["model", "framework", "precision", "batch", "speed / timm convnext_tiny", "of peak"]
    parts = [table(header, rows, 4)]
    if result["memory"]:
        rows = [[each["label"], f"{each['memory'] / 2**20:.0f} MiB"] for each in result["memory"]]
        parts.append(
            table([f"TensorFlow, batch {result['memory'][0]['batch']}", "memory"], rows, 1)
        )
    if result["growth"]:
        rows = [
            [
                str(each["batch"]),
                f"{each['image_size']}x{each['image_size']}",
                _ratio(each, "time over one image of 224"),
                f"{each['memory'] / 2**20:.0f} MiB",
            ]
            for each in result["growth"]
        ]
        parts.append(table(["batch", "image", "time", "memory"], rows, 0))
    return "\n\n".join(parts) + "\n"


def draw(result, path):
    """Writes a PNG with the speed of all models in a precision, at each batch.

    It is the first precision of which a matrix product was timed; without one nothing is written.
    """
    models = [
        figures
        for figures in result["models"]
        if figures["model"] != MATRIX_PRODUCT and "share of peak" in figures
    ]
    if not models:
        print(f"{path} was not drawn: no model and matrix product were both timed.", flush=True)
        return
    models = [each for each in models if each["precision"] == models[0]["precision"]]
    batches = sorted({figures["batch"] for figures in models})
    names = list(dict.fromkeys((figures["label"], figures["framework"]) for figures in models))
    colors = {"tensorflow": ORANGE, "jax": BLUE, "torch": LIGHT_BLUE, "timm": GREY}
    with figure_style():
        figure = new_figure(4 + 3 * len(batches), 1 + 0.28 * len(names))
        for axes, batch in zip(
            figure.subplots(1, len(batches), sharex=True, sharey=True, squeeze=False)[0],
            batches,
            strict=True,
        ):
            for place, (label, framework) in enumerate(names):
                for each in models:
                    if (each["label"], each["framework"], each["batch"]) == (
                        label,
                        framework,
                        batch,
                    ):
                        found = each["share of peak"]
                        axes.barh(place, 100 * found["median"], color=colors[framework])
                        axes.plot(
                            [100 * found["lower quartile"], 100 * found["upper quartile"]],
                            [place, place],
                            color="black",
                            linewidth=1,
                        )
            axes.set_title(f"batch {batch}")
            axes.set_xlabel("% of the fastest matrix product")
            axes.grid(axis="x", color=FAINT, linewidth=0.5)
            axes.set_yticks(
                range(len(names)),
                [f"{label} ({framework})" for label, framework in names],
            )
        axes.invert_yaxis()  # of all, which share it
        figure.savefig(path, format="png")


def report(result, folder, stem):
    """Writes a run's tables, JSON and a picture into a folder, if one is given, and prints them."""
    text = as_markdown(result)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(folder / f"{stem}.json", json.dumps(result, indent=1) + "\n")
        write_text_atomically(folder / f"{stem}.md", text)
        draw(result, folder / f"{stem}.png")
    print(text, flush=True)


def main():
    """Measures, prints tables, and writes them with JSON and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", default=["CabViTH_S"])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--batches", nargs="+", type=positive, default=[1, 8])
    parser.add_argument("--rounds", type=positive, default=10)
    parser.add_argument(
        "--rivals", nargs="*", choices=RIVALS, default=RIVALS, help="other models; all by default"
    )
    parser.add_argument("--no-growth", action="store_true", help="skip larger batches and images")
    parser.add_argument("--out", type=path_argument, help="folder for VARIANT.json, .md and .png")
    options = parser.parse_args()
    for variant in options.variants:
        several = contenders_of(
            variant, options.backends, options.precisions, options.batches, options.rivals
        )
        result = {
            "processor": processor_name(),
            "gpus": gpu_names(),
            "python": platform.python_version(),
            "rounds": options.rounds,
            "models": figures_of(*measure(several, options.rounds)),
            "memory": [],
            "growth": [],
        }
        report(result, options.out, variant)
        if "tensorflow" in options.backends and not options.no_growth:
            # Last, because it takes as long again.
            result["memory"] = memory_of_forms(variant, 8)
            result["growth"] = growth(variant, options.rounds)
            report(result, options.out, variant)
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
