import math

import pytest

from training.run.metrics_csv import read_metrics_csv


def test_rows_are_numbers_and_gaps_are_nan(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,loss,val_top1\n1,10,2.5,\n2,20,1.25,0.75\n")
    first, second = read_metrics_csv(file)

    assert second == {"epoch": 2, "step": 20, "loss": 1.25, "val_top1": 0.75}
    assert (first["epoch"], first["loss"]) == (1, 2.5)
    assert math.isnan(first["val_top1"])


@pytest.mark.parametrize("text", ["loss\n1\n", "epoch,loss\n1,much\n", "epoch,loss\n1,2,3\n"])
def test_damaged_file_gives_a_clear_error(tmp_path, text):
    file = tmp_path / "metrics.csv"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"metrics\.csv is damaged"):
        read_metrics_csv(file)
