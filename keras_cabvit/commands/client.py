"""`cabvit client`: queries a server with image files."""

import dataclasses
import json
import sys

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.commands.text_table import print_table
from keras_cabvit.serving import classify_over_grpc, classify_over_rest


def add(commands):
    """Adds the command to a parser's subcommands."""
    client = commands.add_parser("client", help="have TF Serving classify image files")
    client.add_argument("images", type=path_argument, nargs="+", metavar="IMAGE")
    server = client.add_mutually_exclusive_group(required=True)
    server.add_argument("--rest", metavar="URL", help="such as http://127.0.0.1:8501")
    server.add_argument("--grpc", metavar="HOST:PORT", help="such as 127.0.0.1:8500")
    client.add_argument(
        "--model", default="cabvit", help="name of the model on the server; cabvit by default"
    )
    client.add_argument(
        "--timeout", type=float, default=10.0, help="seconds to wait for an answer; 10 by default"
    )
    client.add_argument(
        "--retries",
        type=int,
        default=3,
        help="further attempts while the server is unreachable; 3 by default, at most 4 over gRPC",
    )
    client.add_argument(
        "--batch-size",
        type=int,
        default=8,
        help="images per request, at most the server's max_batch_size; 8 by default",
    )
    client.add_argument(
        "--top", type=int, default=3, choices=range(1, 6), help="classes per image; 3 by default"
    )
    client.add_argument("--json", action="store_true", help="print JSON instead of a table")
    client.set_defaults(run=_client)


def _client(options):
    for path in options.images:
        if not path.is_file():
            raise FileNotFoundError(f"There is no image at {path}.")
    files = [path.read_bytes() for path in options.images]
    ask, server = classify_over_grpc, options.grpc
    if options.rest is not None:
        ask, server = classify_over_rest, options.rest
    answers = ask(
        files, server, options.model, options.timeout, options.retries, options.batch_size
    )
    named = list(zip(map(str, options.images), answers, strict=True))
    if options.json:
        print(json.dumps([{"image": n} | dataclasses.asdict(a) for n, a in named], indent=2))
    else:
        _print_answers(named, options.top)
    unread = [f"{name}: {answer.status}" for name, answer in named if answer.status]
    for sentence in unread:
        print(sentence, file=sys.stderr)
    return 1 if unread else 0


def _print_answers(named, top):
    rows = []
    for name, answer in named:
        if answer.status:
            rows.append((name, "(not read)", ""))
            continue
        for label, score in list(zip(answer.labels, answer.scores, strict=True))[:top]:
            rows.append((name, label, f"{100 * score:.1f} %"))
            name = ""  # print the name only once per image
    print_table(("image", "class", "probability"), rows, text_columns=2)
