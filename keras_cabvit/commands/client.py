"""`cabvit client`: queries a server with image files."""

import contextlib
import json
import os
import sys

from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.commands.image_arguments import add_files, changed_sentence, each_path, survey
from keras_cabvit.commands.progress import write_rows
from keras_cabvit.commands.server_arguments import add_server, connected
from keras_cabvit.commands.text_table import one_line, print_table
from keras_cabvit.paths import path_text
from keras_cabvit.serving.answer_lines import answer_file, answer_line
from keras_cabvit.serving.file_answers import classify_files

# At most so many files have a table; others have JSON lines, which are printed one by one.
_FEW = 20
_IN_TABLE = 3


def add(commands):
    """Adds the command to a parser's subcommands."""
    client = commands.add_parser(
        "client", help="have TF Serving classify image files, or say which versions it serves"
    )
    add_files(client, nargs="*")
    client.add_argument(
        "--status", action="store_true", help="print the state of the model's versions instead"
    )
    add_server(client)
    client.add_argument(
        "--batch-size",
        type=positive,
        default=8,
        help="images per request, at most the server's max_batch_size; 8 by default",
    )
    client.add_argument(
        "--concurrency", type=positive, default=1, help="requests at once; 1 by default"
    )
    client.add_argument(
        "--continue",
        action="store_true",
        dest="keep_going",
        help="continue after a failed request: its files get its error, and the exit status is 1",
    )
    client.add_argument(
        "--top",
        type=int,
        choices=range(1, 6),
        help=f"classes per image; {_IN_TABLE} by default in a table, else all in the answer",
    )
    client.add_argument(
        "--json",
        action="store_true",
        help=f"print JSON lines instead of a table, as for more than {_FEW} files",
    )
    client.add_argument(
        "--output",
        type=path_argument,
        metavar="FILE.jsonl",
        help="write JSON lines to a file instead of to the terminal",
    )
    client.set_defaults(run=_client)


def _client(options):
    # gRPC logs failed connections, which the messages of this command explain.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if options.status:
        return _status(options)
    if not options.files:
        raise ValueError("Name image files or folders, or ask for --status.")
    for path in options.files:
        if not path.exists():
            raise FileNotFoundError(f"There is no image at {path}.")
    with contextlib.ExitStack() as stack:
        file = options.output and stack.enter_context(answer_file(options.output))
        total, _ = survey(options.files)
        client = stack.enter_context(connected(options))
        if file is not None:
            output = _Lines(options.top, file.write)
        elif options.json or total > _FEW:
            output = _Lines(options.top, _print_line)
        else:
            output = stack.enter_context(_Table(options.top or _IN_TABLE))
        rows = classify_files(
            client,
            each_path(options.files),
            batch_size=options.batch_size,
            concurrency=options.concurrency,
            keep_going=options.keep_going,
        )
        # The rows in a terminal show the progress themselves.
        shown = file is not None or not sys.stdout.isatty()
        try:
            seen, unread = write_rows(rows, total, output.add, shown)
        except BaseException:
            if 1 < total != output.count:
                _say_what_is_left(output.count, total, file)
            raise
    if file is not None:
        print(f"{options.output} ({seen - unread:,} files classified)")
    if unread and total > _FEW:
        print(f"{unread:,} of {seen:,} files have no classes.", file=sys.stderr)
    if seen != total:
        print(changed_sentence(total, seen), file=sys.stderr)
    return 1 if unread else 0


def _say_what_is_left(count, total, file):
    place = f" {file.incomplete} has them." if file is not None and file.rows else ""
    print(f"{count:,} of {total:,} files were answered.{place}", file=sys.stderr)


def _print_line(line):
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # the escapes of a stream are not those of JSON
        line = json.dumps(json.loads(line))
    print(line, flush=True)
    failure = getattr(sys.stdout, "failure", None)
    if failure is not None:
        raise OSError(f"Standard output cannot be written: {failure}.")


class _Lines:
    """Writes JSON lines."""

    def __init__(self, top, write):
        self._top, self._write = top, write
        self.count = 0

    def add(self, row):
        self._write(answer_line(row, self._top))
        self.count += 1


class _Table:
    """Collects a few answers, and prints them when the block ends, even by an error."""

    def __init__(self, top):
        self._top = top
        self._rows = []
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._rows:
            print_table(("image", "class", "probability"), self._rows, text_columns=2)

    def add(self, row):
        self.count += 1
        name = one_line(path_text(row.path))
        if row.error:
            self._rows.append((name, "(not answered)" if row.answer is None else "(not read)", ""))
            return
        named = zip(row.answer.labels, row.answer.scores, strict=True)
        for label, score in list(named)[: self._top]:
            self._rows.append((name, one_line(label), f"{100 * score:.1f} %"))
            name = ""  # print the name only once per image


def _status(options):
    if options.files:
        raise ValueError("--status takes no image files.")
    with connected(options) as client:
        versions = client.status()
    rows = [(str(row.version), row.state, row.error) for row in versions]
    print_table(("version", "state", "error"), rows, text_columns=3)
    return 0 if any(row.state == "AVAILABLE" for row in versions) else 1
