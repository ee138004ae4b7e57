from training.evaluation.model_score import ModelScore
from training.report.score_table import score_table


def row(**changes):
    values = {
        "model": "run",
        "form": "TFLite",
        "images": 1000,
        "top1": 0.8715,
        "top5": 0.99,
        "cross_entropy": 0.41236,
        "calibration_error": 0.0213,
        "size": 863_000,
        "latency": 0.00213,
        "agreement": 0.998,
    }
    return ModelScore(**values | changes)


def test_table_is_markdown_with_a_row_for_each_model():
    table = score_table([row(), row(model="a*b")], ("model", "top-1", "size", "latency, one image"))

    assert table.splitlines() == [
        "| model |  top-1 |    size | latency, one image |",
        "| ----- | -----: | ------: | -----------------: |",
        "| run   | 87.2 % | 0.86 MB |            2.13 ms |",
        r"| a\*b  | 87.2 % | 0.86 MB |            2.13 ms |",
    ]


def test_shares_have_as_many_decimals_as_the_images_justify():
    assert "87.15 %" in score_table([row(images=10_000)])
    assert "87.2 %" in score_table([row(images=1000)])


def test_agreement_of_a_single_model_is_left_out():
    assert "same class as the first" in score_table([row()])
    assert "same class as the first" not in score_table([row(agreement=None)])


def test_meaningless_top5_is_left_out():
    assert "top-5" in score_table([row()])
    assert "top-5" not in score_table([row(top5=None)])


def test_score_that_one_model_does_not_have_is_a_dash():
    for rows in ([row(), row(top5=None)], [row(top5=None), row()]):
        cells = [
            line.split("|")[2].strip()
            for line in score_table(rows, ["model", "top-5"]).splitlines()[2:]
        ]
        assert sorted(cells) == ["-", "99.0 %"]
