"""Printing that never fails, so that nothing is lost because of the terminal."""

import contextlib
import os
import sys


@contextlib.contextmanager
def output_that_never_fails():
    r"""Makes printing to standard output and standard error safe until the block ends.

    A character outside the terminal's code page is printed as an escape such as `\u4e2d`. What is
    printed after the reader has gone (`| head`), to a full disk, or without a terminal at all (as
    under `pythonw`) is discarded.
    """
    earlier = sys.stdout, sys.stderr
    with contextlib.ExitStack() as opened:
        sys.stdout, sys.stderr = (
            _SafeStream(
                opened.enter_context(open(os.devnull, "w", encoding="utf-8"))
                if stream is None
                else stream
            )
            for stream in earlier
        )
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = earlier


class _SafeStream:
    """A text stream that escapes characters outside its encoding, and discards what fails.

    Args:
        stream: text stream, to which everything else is passed on.

    Attributes:
        failure: the first error because of which something was discarded, or None.
    """

    def __init__(self, stream):
        self._stream = stream
        self.failure = None

    def write(self, text):
        """Writes text, and returns its length."""
        with self._discarding():
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:
                # Of many code pages the error says only "charmap", which would escape nothing.
                encoding = getattr(self._stream, "encoding", None) or error.encoding
                escaped = text.encode(encoding, "backslashreplace")
                self._stream.write(escaped.decode(encoding))
        return len(text)

    def writelines(self, lines):
        """Writes strings."""
        for line in lines:
            self.write(line)

    def flush(self):
        """Writes what is buffered."""
        with self._discarding():
            self._stream.flush()

    @contextlib.contextmanager
    def _discarding(self):
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.failure = self.failure or error
            with contextlib.suppress(OSError, ValueError):
                # So that neither the rest nor what is still buffered fails at the end of the
                # process.
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, self._stream.fileno())
                os.close(nothing)

    def __getattr__(self, name):
        return getattr(self._stream, name)
