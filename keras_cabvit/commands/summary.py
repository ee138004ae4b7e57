"""`cabvit summary`: parameters and operations of a variant."""

import keras

from keras_cabvit.commands.arguments import add_image_size
from keras_cabvit.commands.text_table import print_table
from keras_cabvit.models import build_variant, count_complexity


def add(commands):
    """Adds the command to a parser's subcommands."""
    summary = commands.add_parser(
        "summary", help="print the parameters and multiply-accumulates of each part of a variant"
    )
    summary.add_argument("variant", metavar="VARIANT", help="such as CabViTH_S")
    add_image_size(summary, "such as 224x224, the default")
    summary.set_defaults(run=_summary)


def _summary(options):
    with keras.StatelessScope(initialize_variables=False):  # counting needs no values
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
    print_table(("part", "output", "parameters", "MACs"), rows, total)
