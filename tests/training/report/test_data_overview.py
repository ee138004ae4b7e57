import numpy as np

from keras_cabvit.data.folders.left_out import LeftOut
from training.data.array_split import ArraySplit
from training.data.data_set import DataSet
from training.data.stream_split import RecordFiles, StreamSplit
from training.report.data_overview import data_overview


def split(counts, names):
    labels = np.repeat(np.arange(len(counts)), counts)
    return ArraySplit(np.zeros((len(labels), 1, 1), "uint8"), labels, names)


def data_set(training, validation, test=None, **others):
    names = tuple(f"class_{number}" for number in range(len(training)))
    splits = [counts and split(counts, names) for counts in (training, validation, test)]
    return DataSet("photos", names, *splits, "The validation images are those in val.", **others)


def test_every_class_of_a_few_has_a_row():
    left_out = (LeftOut(".tif files", ("a/1.tif", "a/2.tif", "b/3\n.tif"), "not read"),)
    assert data_overview(data_set([1200, 5], [2, 3], [0, 7], left_out=left_out)) == (
        "Data: photos\n\n"
        "| class         | training | validation | test |\n"
        "| ------------- | -------: | ---------: | ---: |\n"
        "| class_0       |    1,200 |          2 |    0 |\n"
        "| class_1       |        5 |          3 |    7 |\n"
        "| all 2 classes |    1,205 |          5 |    7 |\n\n"
        "Fewer than 20 training images: class_1 (5). Expect more mistakes there, and scores that "
        "vary by chance; more photographs of these help most.\n\n"
        "Image size: 1x1 pixels.\n"
        "The validation images are those in val.\n\n"
        "| not read   | count | such as               | reason   |\n"
        "| ---------- | ----- | --------------------- | -------- |\n"
        "| .tif files | 3     | a/1.tif, a/2.tif, ... | not read |\n"
    )


def test_many_classes_are_summarised_and_the_smallest_named():
    overview = data_overview(data_set([*range(40, 0, -1)], [3] * 40))

    assert overview.splitlines()[2:7] == [
        "| images per class | training | validation |",
        "| ---------------- | -------: | ---------: |",
        "| fewest           |        1 |          3 |",
        "| median           |     20.5 |          3 |",
        "| most             |       40 |          3 |",
    ]
    assert "| all 40 classes   |      820 |        120 |" in overview
    smallest = ", ".join(f"class_{40 - count} ({count})" for count in range(1, 6))
    assert f"The smallest classes: {smallest}." in overview
    assert "There are no test images" in overview


def test_classes_with_few_training_images_are_named():
    overview = data_overview(data_set([20, 19, 1], [3, 3, 3]))

    assert "Fewer than 20 training images: class_2 (1), class_1 (19)." in overview
    assert "Fewer than" not in data_overview(data_set([20, 20], [3, 3]))


def test_large_counts_are_written_in_full():
    assert "1,234,567" in data_overview(data_set([1234567, 1], [1, 1]))


def test_images_that_would_have_to_be_read_to_be_counted_are_given_in_total():
    stream = StreamSplit(RecordFiles([30], None, None), ("a", "b"))
    overview = data_overview(DataSet("photos", ("a", "b"), stream, split([2, 1], "ab"), None, ""))

    assert "| a             |        - |          2 |" in overview
    assert "| all 2 classes |       30 |          3 |" in overview


def test_notes_follow_the_table():
    overview = data_overview(data_set([2, 2], [1, 0], notes=("val has no images of class_1.",)))

    assert overview.endswith("\nval has no images of class_1.\n")
