"""`cabvit convert-images`: JPEG copies of photographs in HEIC, AVIF and TIFF."""

import sys

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.commands.progress import Progress
from keras_cabvit.data.folders.converted import convert_images


def add(commands):
    """Adds the command to a parser's subcommands."""
    convert = commands.add_parser(
        "convert-images",
        help="write a folder in which HEIC, AVIF and TIFF photographs are JPEG files",
    )
    convert.add_argument(
        "folder", type=path_argument, metavar="FOLDER", help="photographs, in folders at any depth"
    )
    convert.add_argument(
        "output",
        type=path_argument,
        metavar="OUT",
        help="folder to write, with the same folders; other images are copied as they are",
    )
    convert.set_defaults(run=_convert)


def _convert(options):
    with Progress() as progress:
        result = convert_images(options.folder, options.output, progress.tell)
    print(
        f"{options.output}: {len(result.converted):,} converted to JPEG, {len(result.copied):,} "
        f"copied as they are, {len(result.done):,} there already."
    )
    for name, reason in result.broken.items():
        print(f"{options.folder / name} cannot be converted: {reason}", file=sys.stderr)
    return 1 if result.broken else 0
