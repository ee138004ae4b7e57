"""Orderly shutdown on a signal, whenever it arrives."""

import _thread
import signal
import sys
import threading


def end_in_order():
    """Makes SIGTERM raise `KeyboardInterrupt` as Ctrl-C does, and loses neither signal.

    Python may handle a signal between any two instructions. Inside a destructor or a callback of
    the garbage collector (JAX has one, and Keras imports JAX) it prints the exception and discards
    it. The main thread is then interrupted again a moment later.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again


def _interrupt_again(unraisable):
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    # From another thread: an exception raised here would be discarded as well.
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.daemon = True
    timer.start()
