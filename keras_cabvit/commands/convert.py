"""`cabvit convert`: converts a PyTorch checkpoint to a weights file."""

from keras_cabvit.commands.arguments import add_image_size, path_argument
from keras_cabvit.pytorch import convert_torch_checkpoint


def add(commands):
    """Adds the command to a parser's subcommands."""
    convert = commands.add_parser(
        "convert", help="convert a checkpoint of the published PyTorch model"
    )
    convert.add_argument(
        "checkpoint",
        type=path_argument,
        metavar="CHECKPOINT",
        help=".pth, .safetensors or .npz file",
    )
    convert.add_argument("--variant", required=True, help="such as CabViTH_S")
    convert.add_argument(
        "--output",
        type=path_argument,
        metavar="FILE.weights.h5",
        help='file to write; by default where weights="imagenet" looks for the variant',
    )
    convert.add_argument(
        "--key",
        help="key of the parameters in the file, such as state_dict or state_dict.model; averaged "
        "ones by default, if there are any",
    )
    add_image_size(convert, "image size of the checkpoint; 224x224 by default")
    convert.set_defaults(run=_convert)


def _convert(options):
    taken = []
    path = convert_torch_checkpoint(
        options.checkpoint,
        options.variant,
        output=options.output,
        key=options.key,
        input_shape=(*options.image_size, 3),
        tell=taken.append,
    )
    print(f"{options.variant}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    print(*taken)
    if options.output is None:
        print(f'keras_cabvit.{options.variant}(weights="imagenet") finds it there.')
