"""The first line of an error's message."""

import pytest

from keras_cabvit.first_line import first_line


@pytest.mark.parametrize(
    ("error", "text", "line"),
    [
        (ValueError(" \r\none\r\ntwo"), None, "one"),
        (KeyError(), None, "KeyError"),
        (OSError(" \n"), None, "OSError"),
        (ValueError("one"), "other\nlines", "other"),
        (ValueError("one"), "", "ValueError"),
    ],
    ids=["message", "none", "blank", "text", "empty_text"],
)
def test_first_line_or_the_name_of_the_class(error, text, line):
    assert first_line(error, text) == line
