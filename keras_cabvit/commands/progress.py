"""Progress of a long command on standard error."""

import sys
import time

from keras_cabvit.commands.text_table import one_line
from keras_cabvit.paths import path_text

# Seconds between two lines in a terminal, where one replaces the other, and in a log.
_IN_TERMINAL, _IN_LOG = 0.5, 30


def write_rows(rows, total, write, show_progress=True):
    """Writes a row per file, with the progress, and names the files without classes.

    Args:
        rows: iterable of rows with `path` and `error`, a sentence, or empty if there are classes.
        total: integer, the expected number of rows.
        write: function that writes a row.
        show_progress: whether to print lines of progress. Defaults to True.

    Returns:
        The number of rows, and that of files without classes.
    """
    seen = failed = 0
    with Progress(total, show_progress) as progress:
        for row in rows:
            write(row)
            seen += 1
            if row.error:
                failed += 1
                progress.say(f"{one_line(path_text(row.path))}: {row.error}")
            progress.advance()
    return seen, failed


class Progress:
    """Lines such as "1,200 of 10,000 files, 350 per second, 0:25 left" on standard error.

    In a terminal there is one line, which disappears at the end; elsewhere one per half minute.

    Args:
        total: integer, the number of files. Defaults to 0: `tell` gives it.
        shown: whether to print these lines. Defaults to True.
    """

    def __init__(self, total=0, shown=True):
        self._total = total
        self._enabled = shown
        self._done = 0
        self._in_terminal = sys.stderr.isatty()
        self._started = self._last_line = time.monotonic()
        self._width = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._clear()

    def advance(self):
        """Counts a file."""
        self.tell(self._done + 1, self._total)

    def tell(self, done, total):
        """Takes the number of files that are finished, and that of all."""
        self._done, self._total = done, total
        now = time.monotonic()
        if self._enabled and now - self._last_line >= (
            _IN_TERMINAL if self._in_terminal else _IN_LOG
        ):
            self._last_line = now
            self._show(now - self._started)

    def say(self, sentence):
        """Prints a sentence that remains."""
        self._clear()
        print(sentence, file=sys.stderr)

    def _show(self, seconds):
        rate = self._done / seconds
        left = round(max(self._total - self._done, 0) / rate)
        text = (
            f"{self._done:,} of {self._total:,} files, {rate:,.0f} per second, "
            f"{left // 60}:{left % 60:02} left"
        )
        if not self._in_terminal:
            print(text, file=sys.stderr)
            return
        self._clear()
        sys.stderr.write(text)
        sys.stderr.flush()
        self._width = len(text)

    def _clear(self):
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0
