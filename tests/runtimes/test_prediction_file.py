"""Files of predictions hold every row, and appear complete or under another name."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from small_disk import files_of_at_most

from keras_cabvit.runtimes import FilePrediction
from keras_cabvit.runtimes import prediction_file as module
from keras_cabvit.runtimes.prediction_file import check_prediction_path, prediction_file

NAMES = ("a, b.jpg", 'say "cat".jpg', "two\nlines.jpg", "中.jpg", os.fsdecode(b"caf\xe9.jpg"))
WRITTEN = (*NAMES[:-1], "caf\\xe9.jpg")
PROBABILITIES = tuple(np.float32([2 / 3, 1e-9]).tolist())
ROWS = [
    *(FilePrediction(Path(name), (1, 0), ("cät, \n", "dog"), PROBABILITIES) for name in NAMES),
    FilePrediction(Path("broken.jpg"), (), (), (), "The file is empty."),
]
SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet", ".CSV")


def read(path):
    """Returns a list of (file, [(class, probability)], error)."""
    if path.suffix in (".jsonl", ".ndjson"):
        objects = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [
            (
                row["file"],
                [(entry["class"], entry["probability"]) for entry in row["classes"]],
                row["error"] or "",
            )
            for row in objects
        ]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
    else:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    return [
        (
            row["file"],
            [(row[f"class_{k}"], float(row[f"probability_{k}"])) for k in (1, 2) if row["class_1"]],
            row["error"] or "",
        )
        for row in rows
    ]


def assert_holds(path, rows):
    found = read(path)
    assert [row[0] for row in found] == [*WRITTEN, "broken.jpg"][: len(rows)]
    for (_, classes, error), row in zip(found, rows, strict=True):
        assert [name for name, _ in classes] == list(row.class_names)
        assert np.float32([value for _, value in classes]).tolist() == list(row.probabilities)
        assert error == row.error


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_holds_every_row(tmp_path, suffix):
    path = tmp_path / f"predictions{suffix}"
    with prediction_file(path, 2) as file:
        for row in ROWS:
            file.write(row)
        assert not path.exists()

    assert_holds(path, ROWS)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("digits", ["0.1", "0.666666", "0.6666667", "0.114932634", "1e-09", "nan"])
def test_text_has_as_few_digits_as_float32_needs(tmp_path, suffix, digits):
    path = tmp_path / f"predictions{suffix}"
    with prediction_file(path, 2) as file:
        probabilities = (float(np.float32(digits)), 0.0)
        file.write(FilePrediction(Path("a.jpg"), (0, 1), ("cat", "dog"), probabilities))

    ((_, [(_, written), _], _),) = read(path)
    assert str(written) == digits


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_interrupted_file_says_so_in_its_name_and_keeps_its_rows(tmp_path, suffix, error):
    path = tmp_path / f"predictions{suffix}"
    path.write_text("earlier")
    files = []

    def interrupted():
        with prediction_file(path, 2) as file:
            files.append(file)
            for row in ROWS[:3]:
                file.write(row)
            raise error

    with pytest.raises(error):
        interrupted()
    (file,) = files

    assert path.read_text() == "earlier"
    assert file.incomplete == tmp_path / f"predictions.incomplete{suffix}"
    assert (file.rows, set(tmp_path.iterdir())) == (3, {path, file.incomplete})
    assert_holds(file.incomplete, ROWS[:3])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_full_disk_leaves_all_whole_rows(tmp_path, suffix):
    path = tmp_path / f"predictions{suffix}"

    def written_until_full():
        with prediction_file(path, 2) as file:
            files.append(file)
            for _ in range(1000):
                file.write(ROWS[2])

    files = []
    with (
        files_of_at_most(20_000),
        pytest.raises(OSError, match=rf"The disk is full.*{path.name} was not written\.$"),
    ):
        written_until_full()
    (file,) = files
    size = file.incomplete.stat().st_size

    assert 0 < 20_000 - size < 300  # less than a row
    assert [row[0] for row in read(file.incomplete)] == [WRITTEN[2]] * file.rows
    assert list(tmp_path.iterdir()) == [file.incomplete]


ODD_NAMES = (
    'say "hi"',
    "a, b",
    "=SUM(A1)",
    "🦉",
    "../x",
    "007",
    "",
    "line\nbreak",
    "carriage\rreturn",
)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_odd_class_names_come_back_as_they_are(tmp_path, suffix):
    path = tmp_path / f"odd{suffix}"
    count = len(ODD_NAMES)
    with prediction_file(path, count) as file:
        file.write(FilePrediction(Path("a.png"), tuple(range(count)), ODD_NAMES, (0.1,) * count))
    with open(path, newline="", encoding="utf-8") as stream:
        if suffix == ".csv":
            (row,) = csv.DictReader(stream)
            found = tuple(row[f"class_{place}"] for place in range(1, count + 1))
        else:
            found = tuple(each["class"] for each in json.loads(stream.read())["classes"])
    assert found == ODD_NAMES


def test_nothing_is_left_of_a_file_without_rows(tmp_path):
    with pytest.raises(KeyboardInterrupt), prediction_file(tmp_path / "a.csv", 2) as file:
        raise KeyboardInterrupt
    assert file.incomplete is None
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_written_in_groups_of_rows(tmp_path, monkeypatch):
    import pyarrow.parquet

    monkeypatch.setattr(module, "_GROUP", 4)
    with prediction_file(tmp_path / "a.parquet", 2) as file:
        for row in ROWS:
            file.write(row)
    found = pyarrow.parquet.ParquetFile(tmp_path / "a.parquet")
    assert [found.metadata.row_group(group).num_rows for group in range(2)] == [4, 2]


def test_other_endings_and_folders_give_a_clear_error(tmp_path):
    (tmp_path / "a.csv").mkdir()
    for name in ("a.jpg", "a", "a.json"):
        with pytest.raises(ValueError, match=r"must end in \.csv, \.jsonl, \.ndjson, \.parquet"):
            check_prediction_path(tmp_path / name)
    with pytest.raises(ValueError, match="There is a folder at"):
        check_prediction_path(tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_missing_package_for_parquet_gives_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"keras-cabvit\[parquet\]"):
        check_prediction_path(tmp_path / "a.parquet")
