import re
import time
from types import SimpleNamespace

from training.run.callbacks import Progress


def lines_of(steps, epochs, monkeypatch, capsys):
    """Returns the output of so many steps of a tenth of a second, after a first one of 100 s."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    progress = Progress(epochs, 50, 0, 8, every=1e6)
    progress.on_epoch_begin(0)
    for step in range(steps):
        clock.now += 0.1 if step else 100.0
        progress.on_train_batch_end(step, {"loss": 1.0})
    return capsys.readouterr().out


def test_the_duration_is_estimated_once_without_the_first_step(monkeypatch, capsys):
    output = lines_of(40, 122, monkeypatch, capsys)

    # 122 * 50 - 21 steps of 0.1 s.
    assert re.findall("About .*", output) == [
        "About 0:10:08 for the 6,079 steps left, at 80 images/s, without the scoring of validation "
        "images."
    ]


def test_a_run_of_few_steps_is_not_estimated(monkeypatch, capsys):
    assert "About" not in lines_of(20, 1, monkeypatch, capsys)
