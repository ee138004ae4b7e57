"""TensorFlow's own messages, kept off the terminal of this project's programs."""

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Set beside a level that was chosen here, so that a program which this one starts does not take it
# for its user's.
_CHOSEN = "KERAS_CABVIT_CHOSE_LOG_LEVEL"

# Drops what Abseil, TensorFlow and LiteRT log as information or warnings, and the lines that
# accompany it. It is a process, because TensorFlow may abort, and its last words must arrive.
_FILTER = r"""
import re, sys
noise = re.compile(
    rb"[IW]\d{4} [\d:.]+ |\d{4}-\d\d-\d\d [\d:.]+: [IW] |INFO: "
    rb"|WARNING: All log messages before absl::InitializeLog|To enable the following instructions: "
)
for line in sys.stdin.buffer:
    if not noise.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hides what native libraries log as information and warnings until the block ends.

    TensorFlow logs the processor's features, missing GPUs and the like. Its libraries begin before
    any level can be set in them, so that their standard error is filtered; Python's own is not.
    Has no effect if the user has set TF_CPP_MIN_LOG_LEVEL. Only programs use it, before Keras is
    imported: `import keras_cabvit` leaves logging alone.

    Errors are shown, except TensorFlow's own on a computer without an NVIDIA driver: it logs one
    about the missing GPU at its first operation. Its other errors are Python exceptions.
    """
    if _LEVEL in os.environ and _CHOSEN not in os.environ:
        yield
        return
    os.environ[_LEVEL] = "2" if _has_driver() else "3"
    os.environ[_CHOSEN] = "1"
    earlier = sys.stderr
    if earlier is None or earlier is not sys.__stderr__ or not sys.executable:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            terminal = os.dup(2)
            stack.callback(os.close, terminal)
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _FILTER],
                stdin=subprocess.PIPE,
                stdout=terminal,
                start_new_session=True,  # Ctrl-C does not end it
            )
        except OSError:  # there is no standard error, or there may be no more processes
            yield
            return
        earlier.flush()
        sys.stderr = stack.enter_context(
            open(
                os.dup(terminal),
                "w",
                buffering=1,
                encoding=earlier.encoding,
                errors=earlier.errors,
            )
        )
        with process.stdin as pipe:
            os.dup2(pipe.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = earlier
            os.dup2(terminal, 2)
            # A process that this one started may still hold the pipe.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
