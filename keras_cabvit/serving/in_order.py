"""Calls of a function in several threads, with the results in order."""

import collections
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Calls that are begun or waiting, per thread: while the first one is slow, the others continue.
_AHEAD = 4


def in_order(
    function: Callable[[T], R], items: Iterable[T], threads: int
) -> Iterator[tuple[T, "Future[R]"]]:
    """Yields every item with its finished call, in order and as soon as those before it are.

    Items are taken from the iterator a few at a time, and a thread is started for each until there
    are `threads`. After Ctrl-C those that are finished are yielded first. The threads do not keep a
    process alive.

    Args:
        function: called with each item.
        items: iterable, read in the calling thread.
        threads: integer, the largest number of calls at once.

    Yields:
        An item and its finished `Future`.

    Raises:
        OSError: the computer starts no more threads.
    """
    tasks: queue.SimpleQueue[tuple[T, Future[R]] | None] = queue.SimpleQueue()

    def work() -> None:
        while (task := tasks.get()) is not None:
            item, future = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(item))
                except BaseException as error:  # raised again where the result is read
                    future.set_exception(error)

    started = 0
    pending: collections.deque[tuple[T, Future[R]]] = collections.deque()
    try:
        for item in items:
            while pending and (len(pending) >= _AHEAD * threads or pending[0][1].done()):
                _finish(pending[0][1])
                yield pending.popleft()
            if started < threads:
                _start(work, started)
                started += 1
            future: Future[R] = Future()
            tasks.put((item, future))
            pending.append((item, future))
        while pending:
            _finish(pending[0][1])
            yield pending.popleft()
    except KeyboardInterrupt:
        yield from [(item, future) for item, future in pending if future.done()]
        raise
    finally:
        for _, future in pending:
            future.cancel()
        for _ in range(started):
            tasks.put(None)


def _start(work: Callable[[], None], started: int) -> None:
    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError as error:
        raise OSError(
            f"No more than {started:,} threads can be started here: ask for fewer requests at once."
        ) from error


def _finish(future: "Future[R]") -> None:
    while not future.done():
        wait([future], timeout=0.5)  # on Windows Ctrl-C does not interrupt a longer one
