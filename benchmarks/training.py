"""The speed of a training step of CabViT, next to other models of its size.

usage: python -m benchmarks.training [--variants CabViTH_S] [--batch 8] [--rounds 5] [--out DIR]

Forward, backward and AdamW, on TensorFlow, JAX and PyTorch, next to ConvNeXtTiny and
EfficientNetV2S of `keras.applications`, and ConvNeXt, EfficientFormer and Next-ViT of timm on
PyTorch; in turns, as `python -m benchmarks.inference` does. A step counts as three forward
passes.
"""

import argparse
import dataclasses
import platform
import sys

from benchmarks.contenders import MATRIX_PRODUCT
from benchmarks.in_turns import measure, peak_memory
from benchmarks.inference import BACKENDS, PRECISIONS, RIVALS, contenders_of, figures_of, report
from benchmarks.processor import gpu_names, processor_name
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.terminal import output_that_never_fails


def main():
    """Measures, prints a table and writes it with JSON and a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", default=["CabViTH_S"])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS[:1])
    parser.add_argument("--batch", type=positive, default=8)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument(
        "--rivals", nargs="*", choices=RIVALS, default=RIVALS, help="other models; all by default"
    )
    parser.add_argument(
        "--out", type=path_argument, help="folder for VARIANT-training.json, .md and .png"
    )
    options = parser.parse_args()
    for variant in options.variants:
        several = [
            dataclasses.replace(each, training=each.model != MATRIX_PRODUCT)
            for each in contenders_of(
                variant,
                options.backends,
                options.precisions,
                [options.batch],
                options.rivals,
            )
            if not each.fused and not each.exported
        ]
        result = {
            "processor": processor_name(),
            "gpus": gpu_names(),
            "python": platform.python_version(),
            "rounds": options.rounds,
            "models": figures_of(*measure(several, options.rounds)),
            "memory": [],
            "growth": [],
        }
        report(result, options.out, f"{variant}-training")
        # Last, because tracing each step again takes minutes.
        steps = [each for each in several if each.training and each.framework == "tensorflow"]
        result["memory"] = [
            {"label": each.label, **dataclasses.asdict(each), "memory": peak_memory(each)}
            for each in steps
        ]
        report(result, options.out, f"{variant}-training")
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
