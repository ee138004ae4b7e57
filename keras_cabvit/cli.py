"""The `cabvit` command: reads arguments, calls the library, prints."""

import argparse
import sys
from pathlib import Path

from keras_cabvit.models import build_variant, count_complexity
from keras_cabvit.weights import convert_torch_checkpoint


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of strings; None takes the process's own.

    Returns:
        The exit status: 0, or 1 where the library refused, after a sentence on standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"cabvit {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="cabvit", description="CabViT models: sizes, and weights from PyTorch checkpoints."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    summary = commands.add_parser(
        "summary", help="print parameters and multiply-accumulates of each part of a variant"
    )
    summary.add_argument("variant", metavar="VARIANT", help="such as CabViTH_S")
    summary.add_argument(
        "--image-size",
        type=_image_size,
        default=(224, 224),
        metavar="HEIGHTxWIDTH",
        help="such as 224x224, the default",
    )
    summary.set_defaults(run=_summary)

    convert = commands.add_parser(
        "convert", help="convert a checkpoint of the published PyTorch model"
    )
    convert.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help=".pth, .safetensors or .npz file"
    )
    convert.add_argument("--variant", required=True, help="such as CabViTH_S")
    convert.add_argument(
        "--output",
        type=Path,
        metavar="FILE.weights.h5",
        help='file to write; by default where weights="imagenet" looks for the variant',
    )
    convert.add_argument(
        "--key", help="under which the file nests the parameters; by default it is looked for"
    )
    convert.add_argument(
        "--image-size",
        type=_image_size,
        default=(224, 224),
        metavar="HEIGHTxWIDTH",
        help="that the checkpoint was trained for; 224x224 by default",
    )
    convert.set_defaults(run=_convert)
    return parser


def _image_size(text):
    height, separator, width = text.partition("x")
    if not (separator and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, such as 224x224, not {text!r}")
    return int(height), int(width)


def _summary(options):
    model = build_variant(options.variant, input_shape=(*options.image_size, 3))
    parts = count_complexity(model)
    rows = [
        (
            part.name,
            "x".join(map(str, part.output_shape)),
            f"{part.parameters:,}",
            f"{part.macs / 1e6:,.1f} M",
        )
        for part in parts
    ]
    total = (
        "total",
        "",
        f"{sum(part.parameters for part in parts):,}",
        f"{sum(part.macs for part in parts) / 1e6:,.1f} M",
    )
    print(f"{options.variant} at {options.image_size[0]}x{options.image_size[1]}")
    _print_table(("part", "output", "parameters", "MACs"), rows, total)


def _convert(options):
    path = convert_torch_checkpoint(
        options.checkpoint,
        options.variant,
        output=options.output,
        key=options.key,
        input_shape=(*options.image_size, 3),
    )
    print(f"{options.variant}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if options.output is None:
        print(f'keras_cabvit.{options.variant}(weights="imagenet") finds it there.')


def _print_table(header, rows, total):
    widths = [max(map(len, column)) for column in zip(header, *rows, total, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [_aligned(header, widths), rule, *(_aligned(row, widths) for row in rows)]
    print("\n".join([*lines, rule, _aligned(total, widths)]))


def _aligned(cells, widths):
    first, *others = zip(cells, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(cells).rstrip()
