import time

from training.tpu.elapsed import elapsed_told


def test_elapsed_time_is_told_on_standard_error_until_the_end(capsys):
    with elapsed_told("Compiling", every=0.05):
        time.sleep(0.3)
    printed = capsys.readouterr()
    time.sleep(0.1)

    assert printed.err.startswith("Compiling: 0 s\n")
    assert printed.err.count("Compiling") >= 2
    assert printed.out == capsys.readouterr().err == ""
