"""`cabvit demo`: a page on which a photograph is dropped."""

import argparse
import sys

from keras_cabvit.commands.arguments import add_image_size, path_argument
from keras_cabvit.commands.explained_model import open_explained
from keras_cabvit.commands.text_table import one_line
from keras_cabvit.signals import interruption_is_handled
from keras_cabvit.weights import PRETRAINED

_PORT = 8760


def add(commands):
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser(
        "demo",
        help="show predictions and maps of photographs on a page in the browser",
        description="Serves a page to the browsers of this computer: drop a photograph on it, and "
        "see the predictions and what the model looks at. Or writes a page for any web server, "
        "which runs a .tflite file in the browser alone.",
    )
    parser.add_argument(
        "--model",
        type=path_argument,
        required=True,
        metavar="MODEL",
        help="a run's folder or a .keras file; "
        f"or {' or '.join(PRETRAINED)}, for CabViTH_T with these weights; "
        "with --static a .tflite file",
    )
    parser.add_argument(
        "--port",
        type=_port,
        help=f"port on this computer; {_PORT} by default, 0 for any free one",
    )
    parser.add_argument(
        "--crop",
        type=float,
        help="side of the centre crop as a share of the image; by default as in `cabvit predict`",
    )
    add_image_size(parser, "for a model that takes images of any size", default=None)
    parser.add_argument(
        "--static",
        type=path_argument,
        metavar="FOLDER",
        help="write a page that needs no server of its own: scores in the browser, without maps",
    )
    parser.add_argument(
        "--tasks-vision",
        type=path_argument,
        metavar="PATH",
        help="with --static: the archive or folder of the npm package @mediapipe/tasks-vision; "
        "by default npm fetches it",
    )
    parser.set_defaults(run=_demo)


def _demo(options):
    if options.static is None:
        if options.tasks_vision is not None:
            raise ValueError("`--tasks-vision` is for a page of its own: give --static FOLDER too.")
        return _serve(options)
    for name in ("port", "image_size"):
        if getattr(options, name) is not None:
            raise ValueError(f"`--{name.replace('_', '-')}` has no meaning with --static.")
    return _write(options)


def _serve(options):
    from keras_cabvit.demo import DemoServer, Photographs

    photographs = Photographs(open_explained(options.model), options.image_size, options.crop)
    _say(photographs.notes)
    with DemoServer(photographs, _PORT if options.port is None else options.port) as server:
        print(f"{server.address} shows the page, on this computer alone. Ctrl-C ends it.")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            interruption_is_handled()
            print("\nThe page is closed.", file=sys.stderr)
    return 0


def _write(options):
    from keras_cabvit.demo import write_static_page

    folder, notes = write_static_page(
        options.model, options.static, options.tasks_vision, options.crop
    )
    _say(notes)
    print(
        f"{folder} (index.html; any web server shows it, such as `python -m http.server "
        f"--bind 127.0.0.1 --directory {folder}`)"
    )
    return 0


def _say(notes):
    for note in notes:
        print(one_line(note), file=sys.stderr)


def _port(text):
    """Parses a port, as a `type` of argparse."""
    if not (text.isascii() and text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)
