"""Class names from files of labels."""

import pytest

from keras_cabvit.data.labels import read_labels


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\n",
        "cat\ndog",
        "cat\ndog\n\n \n",
        "\ufeffcat\ndog\n",
        "cat\r\ndog\r\n\r\n",
        "cat\rdog\r",
    ],
)
def test_ends_of_lines_and_of_the_file_are_not_names(tmp_path, text):
    (tmp_path / "labels.txt").write_bytes(text.encode())

    assert read_labels(tmp_path / "labels.txt", 2) == ["cat", "dog"]


def test_name_with_another_kind_of_line_break_is_one_name(tmp_path):
    (tmp_path / "labels.txt").write_text("a\u2028b\nc\x0cd\n", encoding="utf-8")

    assert read_labels(tmp_path / "labels.txt", None) == ["a\u2028b", "c\x0cd"]


def test_empty_line_between_names_is_refused(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\n\ndog\n")

    with pytest.raises(ValueError, match=r"one-line names\. Received: '' for class 1"):
        read_labels(tmp_path / "labels.txt", 3)


@pytest.mark.parametrize("name", ["a\rb", "a\r", "a\nb", "\ufeffa", "a\udcff"])
def test_name_that_a_file_of_labels_does_not_give_back_is_refused(name):
    with pytest.raises(ValueError, match=r"`labels` must give .* Received: .* for class 0"):
        read_labels([name, "b"], 2)
