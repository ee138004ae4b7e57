"""Orderly shutdown on a signal, whenever it arrives."""

import _thread
import contextlib
import signal
import sys
import threading
import time
import weakref

_SECONDS = 0.05


@contextlib.contextmanager
def orderly_shutdown():
    """Makes SIGTERM raise `KeyboardInterrupt` as Ctrl-C does, and loses neither, until it ends.

    Python may handle a signal between any two of its instructions. In a destructor or a callback of
    the garbage collector (JAX has one, and Keras imports JAX) it prints the exception and discards
    it; TensorFlow discards one that is raised while it asks `isinstance` for an argument. An
    exception that no longer exists, although `interruption_is_handled` was not called, was lost
    and is raised again a moment later. It is also raised instead of an error that it was turned
    into.

    For the main thread of a program. The handlers stay in place afterwards: while the program says
    that it was interrupted, another signal must not end it silently.
    """
    _lost.watched, _lost.exception = True, None
    signal.signal(signal.SIGTERM, _raise_interruption)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # that of a shell's background
        signal.signal(signal.SIGINT, _raise_interruption)
    sys.unraisablehook = _say_nothing_of_interruptions
    try:
        yield
    except Exception as error:
        raise_lost_interruption()
        if _lost.is_reason_of(error):
            raise _new_interruption() from None
        raise
    else:
        raise_lost_interruption()
    finally:
        _lost.watched = False


def interrupt():
    """Raises `KeyboardInterrupt`; inside `orderly_shutdown` once more if it is lost.

    Raises:
        KeyboardInterrupt: always.
    """
    raise _new_interruption()


def raise_lost_interruption():
    """Raises `KeyboardInterrupt` once more if one was lost. Called before what cannot be undone.

    Raises:
        KeyboardInterrupt: inside `orderly_shutdown`, an interruption was lost and not yet raised
            again.
    """
    if _lost.is_lost():
        raise _new_interruption()


def interruption_is_handled():
    """Tells `orderly_shutdown` that a `KeyboardInterrupt` was caught for good, and not lost."""
    _lost.exception = None


class _Interruption(KeyboardInterrupt):
    """Can be referred to weakly, unlike its parent, so that its loss is noticed."""


class _Lost:
    """The state of the latest interruption.

    Attributes:
        watched: boolean; whether `orderly_shutdown` is in force.
        exception: function that returns the exception, or None when it exists no longer; or None.
        watching: boolean; whether a thread looks after it.
        again: boolean; whether that thread has interrupted the main thread.
    """

    watched = watching = again = False
    exception = None

    def is_lost(self):
        exception = self.exception
        return self.watched and exception is not None and exception() is None

    def is_reason_of(self, error):
        """Returns whether an error was raised for the interruption, or while it was handled."""
        interruption = None if self.exception is None else self.exception()
        while error is not None and error is not interruption:
            error = error.__cause__ or error.__context__
        return error is not None


_lost = _Lost()


def _raise_interruption(number, frame):
    again, _lost.again = _lost.again, False
    if again and not _lost.is_lost():
        return
    raise _new_interruption()


def _new_interruption():
    # No variable of a frame in the traceback may hold the exception: it would outlive its loss.
    exception = _Interruption()
    _lost.exception = weakref.ref(exception)
    if _lost.watched and not _lost.watching:
        _lost.watching = True
        # `threading.Thread` takes a lock that the interrupted code may hold.
        _thread.start_new_thread(_watch, ())
    return exception


def _watch():
    while _lost.watched and _lost.exception is not None:
        time.sleep(_SECONDS)
        if not _lost.is_lost():
            continue
        # Where other code handles signals now, this one is handed over to it.
        handed_over = signal.getsignal(signal.SIGTERM) is not _raise_interruption
        _lost.again = not handed_over
        if handed_over:
            _lost.exception = None
        _signal_main_thread()
    _lost.watching = False


def _signal_main_thread():
    if hasattr(signal, "pthread_kill"):  # wakes it, should it be waiting
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _say_nothing_of_interruptions(unraisable):
    if not issubclass(unraisable.exc_type, _Interruption):
        sys.__unraisablehook__(unraisable)
