"""The cost of a training step of CabViT and of ConvNeXtTiny on a TPU, with no TPU present.

usage: python -m benchmarks.tpu [--models CabViTH_S ConvNeXtTiny] [--topology v5e:4x4]
    [--batch 1024] [--out DIR]

Compiles the step of `fit`, with the ImageNet recipe (mixed_bfloat16, AdamW, averaged
weights), and prints the compiler's own figures, which depend on its version, not on the computer.
Each model takes minutes.
"""

import argparse
import dataclasses
import json
import sys

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.terminal import output_that_never_fails
from training.recipes.imagenet import imagenet_recipe
from training.report.markdown import table
from training.tpu.process import can_compile, run_again
from training.tpu.slices import find_slice

REFERENCE = "ConvNeXtTiny"


def compile_models(models, topology, batch):
    """Compiles the steps of several models.

    Args:
        models: list of names: variants, or models of `keras.applications`.
        topology: string, such as "v5e:4x4".
        batch: integer, images per step on all devices.

    Returns:
        A list of `CompiledStep`.
    """
    # Here, because they import Keras and its backend.
    from keras_cabvit import list_models
    from training.recipes.model import build_model
    from training.tpu.compiled_step import compile_step

    steps = []
    for name in models:
        print(f"compiling {name}", file=sys.stderr, flush=True)
        recipe = dataclasses.replace(imagenet_recipe(name, drop_path_rate=None), batch_size=batch)
        build = build_model if name in list_models() else _application(name)
        steps.append(compile_step(recipe, 1000, find_slice(topology), build))
    return steps


def _application(name):
    def build(options, classes):
        import keras

        shape = (*options.image_size, 3)
        build = getattr(keras.applications, name)
        return build(weights=None, classes=classes, input_shape=shape)

    return build


def as_markdown(steps):
    """Returns the steps as a Markdown table."""
    rows = [
        [
            step.variant,
            f"{step.memory_traffic * step.devices / step.batch / 1e9:.3f} GB",
            f"{step.main_memory_traffic * step.devices / step.batch / 1e9:.3f} GB",
            f"{step.flops * step.devices / step.batch / 1e9:.1f} GFLOP",
            f"{step.peak_memory / 2**30:.2f} GiB",
            f"{step.arithmetic_seconds * 1e3:.1f} ms",
            f"{step.memory_seconds * 1e3:.1f} ms",
        ]
        for step in steps
    ]
    header = [
        "model",
        "memory traffic per image",
        "of it in HBM",
        "operations per image",
        "peak memory per device",
        "arithmetic",
        "memory",
    ]
    return table(header, rows, 1)


def main():
    """Compiles, prints a table, and writes it as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["CabViTH_S", REFERENCE])
    parser.add_argument("--topology", default="v5e:4x4")
    parser.add_argument(
        "--batch", type=positive, default=1024, help="images per step on all devices"
    )
    parser.add_argument("--out", type=path_argument, help="folder for tpu.json and tpu.md")
    options = parser.parse_args()
    find_slice(options.topology).check_batch(options.batch)
    if not can_compile():
        return run_again(sys.argv[1:], "benchmarks.tpu")
    steps = compile_models(options.models, options.topology, options.batch)
    versions = ", ".join(f"{name} {version}" for name, version in steps[0].versions.items())
    title = f"{options.topology}, {options.batch:,} images per step, {versions}"
    text = f"{title}\n\n{as_markdown(steps)}\n"
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        report = [dataclasses.asdict(step) for step in steps]
        write_text_atomically(options.out / "tpu.json", json.dumps(report, indent=2) + "\n")
        write_text_atomically(options.out / "tpu.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
