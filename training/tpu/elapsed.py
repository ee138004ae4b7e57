"""The elapsed time of a long computation, told while it runs."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def elapsed_told(doing: str, every: float = 5.0) -> Iterator[None]:
    """Prints the elapsed time on standard error every few seconds while its block runs.

    Args:
        doing: string, what takes the time, such as "Compiling".
        every: float, seconds between two lines.
    """
    start = time.monotonic()
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(every):
            seconds = time.monotonic() - start
            print(f"{doing}: {seconds:,.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
