"""Printing never fails, whatever the terminal is."""

import io
import json
import os
import sys

import pytest

from keras_cabvit import cli
from keras_cabvit.terminal import output_that_never_fails
from training import __main__ as training

NAMES = "Kätzchen 中文 🐈"


class Stream(io.TextIOWrapper):
    """A terminal with a code page."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding)

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", r"K\xe4tzchen \u4e2d\u6587 \U0001f408"),
        ("cp1251", r"K\xe4tzchen \u4e2d\u6587 \U0001f408"),
        ("cp1252", r"Kätzchen \u4e2d\u6587 \U0001f408"),
        ("utf-8", NAMES),
    ],
)
def test_characters_outside_the_code_page_are_escaped(monkeypatch, encoding, printed):
    out, err = Stream(encoding), Stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with output_that_never_fails():
        print(NAMES)
        print(NAMES, file=sys.stderr)

    assert sys.stdout is out
    assert out.text() == err.text() == printed + "\n"


def broken_pipe():
    """Returns the writing end of a pipe whose reader has gone, as after `| head`."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8", buffering=1)


def full_disk():
    return os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8")


def closed():
    stream = Stream("utf-8")
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [broken_pipe, closed, lambda: None, full_disk])
@pytest.mark.parametrize(
    ("main", "arguments"),
    [(cli.main, ["summary", "CabViTP_T"]), (training.main, ["--help"])],
    ids=["cabvit", "training"],
)
def test_programs_end_well_without_a_reader(monkeypatch, capsys, stream, main, arguments):
    stream = stream()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(arguments) == 0
    assert sys.stdout is stream
    assert capsys.readouterr().err == ""
    if stream is not None:
        stream.close()  # as at the end of the process; it must not fail either


def test_work_continues_when_the_reader_goes(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", broken_pipe())
    with output_that_never_fails():
        for number in range(3):
            print(f"epoch {number}", flush=True)
        (tmp_path / "model").touch()
    assert (tmp_path / "model").exists()


def test_json_of_any_name_is_printed_on_any_terminal(monkeypatch):
    out = Stream("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with output_that_never_fails():
        print(json.dumps({"class": NAMES}))
    assert json.loads(out.text()) == {"class": NAMES}
