"""Ctrl-C and SIGTERM reach a program wherever Python handles them, and reach it once."""

import signal
import subprocess
import sys

import pytest
from backend_process import REPOSITORY

# `cabvit_program` first: the package then does without Keras.
PROGRAM = """
import cabvit_program
import ctypes, os, signal, sys, time
from keras_cabvit.atomic_files import atomic_folder, atomic_path
from keras_cabvit.signals import interruption_is_handled, orderly_shutdown

def signalled():
    os.kill(os.getpid(), {number})

class Property:
    @property
    def value(self):
        signalled()
        time.sleep(1)

class Destructor:
    def __del__(self):
        signalled()
        for _ in range(9): pass  # until Python handles it

def asked_from_c():
    # As Python's own `hasattr` until 3.13: every exception means no.
    ctypes.pythonapi.PyObject_HasAttrString(ctypes.py_object(Property()), b"value")
    time.sleep(30)

def destroyed():
    Destructor()
    time.sleep(30)

def cleaned_up():
    try:
        signalled()
        time.sleep(1)
    finally:
        time.sleep(0.3)
        print("clean")

def cleaned_up_in_a_generator():
    def steps():
        try:
            yield "first"
            signalled()
            time.sleep(1)
        except KeyboardInterrupt:
            yield "last"
            raise
    for step in steps():
        time.sleep(0.2)
        print(step)

def handed_over():
    noted = []
    ctypes.pythonapi.PyObject_HasAttrString(ctypes.py_object(Property()), b"value")
    signal.signal(signal.SIGTERM, lambda *_: noted.append("noted"))
    while not noted:
        time.sleep(0.01)
    time.sleep(0.2)
    print(*noted)

def caught():
    try:
        signalled()
        time.sleep(1)
    except KeyboardInterrupt:
        interruption_is_handled()
    time.sleep(0.3)

def ended():
    print("last")
    Destructor()

def ended_by_an_error():
    Destructor()
    raise RuntimeError("a library met the exception, and made another of it")

def turned_into_an_error():
    try:
        signalled()
        time.sleep(1)
    except KeyboardInterrupt:
        raise SystemError("a library written in C met the exception")

def published_file():
    with atomic_path(sys.argv[1]) as partial:
        partial.touch()
        Destructor()

def published_folder():
    with atomic_folder(sys.argv[1], "test"):
        Destructor()

try:
    with orderly_shutdown():
        {name}()
        if {name} is not ended:
            time.sleep(0.2)
            print("went on")
except KeyboardInterrupt:
    time.sleep(0.2)
    print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("asked_from_c", ["interrupted"]),
        ("destroyed", ["interrupted"]),
        ("cleaned_up", ["clean", "interrupted"]),
        ("cleaned_up_in_a_generator", ["first", "last", "interrupted"]),
        ("handed_over", ["noted", "went on"]),
        ("caught", ["went on"]),
        ("ended", ["last", "interrupted"]),
        ("ended_by_an_error", ["interrupted"]),
        ("turned_into_an_error", ["interrupted"]),
        ("published_file", ["interrupted"]),
        ("published_folder", ["interrupted"]),
    ],
)
def test_signal_is_neither_lost_nor_raised_twice(name, printed, number, tmp_path):
    program = PROGRAM.format(name=name, number=int(number))
    process = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "published"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.stdout.split("\n")[:-1] == printed
    assert (process.stderr, process.returncode) == ("", 0)
    assert list(tmp_path.iterdir()) == []
