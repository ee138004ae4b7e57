"""Signals that end the process in order, whenever they arrive."""

import _thread
import signal
import sys
import threading


def end_in_order():
    """Makes SIGTERM end the process like Ctrl-C, by a `KeyboardInterrupt`, and loses neither.

    Python handles a signal between any two instructions. Where these are in a destructor or a
    callback of the garbage collector (JAX has one, and Keras imports JAX), it prints the exception
    and forgets it. Here the main thread is interrupted again a moment later.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again


def _interrupt_again(unraisable):
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    # From another thread: what is raised right here would be forgotten as well.
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.daemon = True
    timer.start()
