import json
import subprocess
import sys

import pytest
from tiny_step import BATCH, CLASSES, OPTIONS, TINY

from keras_cabvit.models import count_complexity
from training.__main__ import main
from training.recipes.model import build_model
from training.tpu import compiled_step, process
from training.tpu.compiled_step import DoesNotFit


@pytest.fixture(scope="module")
def step(compiled):
    _, process = compiled
    printed, _ = process.stdout.rstrip().rsplit("\n", 1)  # without the line of `jax_programs.py`
    return json.loads(printed)


def test_a_step_is_compiled_without_a_tpu_from_any_backend(compiled, step):
    status, process = compiled
    assert status == process.returncode == 0
    assert "Traceback" not in process.stderr
    assert step["fits"]
    described = {name: step[name] for name in ("variant", "topology", "devices", "batch")}
    assert described == {"variant": "CabViTP", "topology": "v5e:2x2", "devices": 4, "batch": BATCH}
    assert step["image_size"] == [32, 32]
    assert step["precision"] == "mixed_bfloat16"  # the ImageNet recipe's
    assert set(step["versions"]) == {"keras", "jax", "jaxlib", "libtpu"}


def test_a_step_computes_three_forward_passes(step):
    """Backward takes twice as much as forward; a multiply-accumulate is two operations."""
    parts = count_complexity(build_model(TINY, CLASSES))
    forward = 2 * sum(part.macs for part in parts) * BATCH / step["devices"]
    assert step["flops"] == pytest.approx(3 * forward, rel=0.3)


def test_memory_holds_the_weights_their_averages_and_both_moments(step):
    parameters = sum(part.parameters for part in count_complexity(build_model(TINY, CLASSES)))
    assert 4 * 4 * parameters < step["peak_memory"] < step["usable_memory"]
    # All of them are read and written at least once.
    assert 2 * 4 * 4 * parameters < step["main_memory_traffic"] < step["memory_traffic"]


def test_memory_and_its_traffic_have_not_grown(step):
    """Figures of jax 0.10.2 and libtpu 0.0.42 on any computer; 2 % allow for libtpu's patches."""
    assert step["peak_memory"] <= 1.02 * 12_438_016
    assert step["memory_traffic"] <= 1.02 * 128_987_136
    assert step["main_memory_traffic"] <= 1.02 * 5_504_844


def test_times_follow_from_the_chips_published_rates(step):
    assert step["arithmetic_seconds"] == pytest.approx(step["flops"] / 197e12)
    assert step["memory_seconds"] == pytest.approx(step["memory_traffic"] / 819e9)
    assert step["step_seconds"] == max(step["arithmetic_seconds"], step["memory_seconds"])
    assert step["bound_by"] == "memory"
    assert step["images_per_second"] == pytest.approx(BATCH / step["step_seconds"])


def test_refused_batch_names_needed_and_usable_memory(jax_programs):
    refusal = jax_programs["refusal"]

    gibibytes = refusal["needed_memory"] / 2**30
    assert refusal["usable_memory"] == 15.75 * 2**30 < refusal["needed_memory"]
    assert "8,388,608 images of CabViTP does not fit on v5e:2x2" in refusal["sentence"]
    assert f"a device needs at least {gibibytes:.2f} GiB of the 15.75 GiB" in refusal["sentence"]


@pytest.fixture
def pretended_compiler(monkeypatch):
    """A compiler whose step needs 1 GiB for the state and 1 GiB per image on a device."""

    def compile_step(recipe, classes, tpu_slice):
        needed = (1 + recipe.batch_size // tpu_slice.devices) * 2**30
        if needed > tpu_slice.chip.usable_memory:
            raise DoesNotFit("It does not fit.", needed, tpu_slice.chip.usable_memory)
        return compiled_step.CompiledStep(
            variant=recipe.model.variant,
            image_size=recipe.model.image_size,
            classes=classes,
            precision=recipe.precision,
            topology=tpu_slice.topology,
            devices=tpu_slice.devices,
            batch=recipe.batch_size,
            peak_memory=needed,
            usable_memory=tpu_slice.chip.usable_memory,
            flops=1e12,
            memory_traffic=1e9,
            main_memory_traffic=5e8,
            arithmetic_seconds=0.1,
            memory_seconds=0.2,
            step_seconds=0.2,
            bound_by="memory",
            images_per_second=recipe.batch_size / 0.2,
            versions={"libtpu": "1.0"},
        )

    monkeypatch.setattr(compiled_step, "compile_step", compile_step)
    for name, value in process.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_a_batch_that_does_not_fit_ends_with_status_1_and_the_largest_that_does(
    pretended_compiler, capsys
):
    assert main(["compile-tpu", *OPTIONS, "--batch", "4096", "--json"]) == 1

    printed = capsys.readouterr()
    sentence = printed.err.splitlines()[-1]
    assert "The largest batch that fits is 56, and 60 does not" in sentence
    record = json.loads(printed.out)
    assert not record["fits"]
    assert record["needed_memory"] == 1025 * 2**30
    assert record["step"]["batch"] == 56
    assert record["refused"] == 60
    assert record["compilations"] > 0


def test_the_recipes_batch_and_precision_are_the_defaults(pretended_compiler, capsys):
    slice_of_256 = ["--variant", "CabViTH_T", "--topology", "v5e:16x16"]

    assert main(["compile-tpu", *slice_of_256]) == 0
    text = capsys.readouterr().out
    assert "mixed_bfloat16: 1,024 images per step on the 256 devices of v5e:16x16" in text
    assert "5.00 GiB of" in text
    assert "bound by memory" in text
    assert main(["compile-tpu", *slice_of_256, "--precision", "float32", "--batch", "512"]) == 0
    assert "float32: 512 images per step" in capsys.readouterr().out


def test_status_of_the_process_that_compiles_is_that_of_the_command(monkeypatch):
    def run(command, env):
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SystemExit) as end:
        main(["compile-tpu", *OPTIONS])

    assert end.value.code == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--topology", "v9:2x2"], "`topology` must be one of v4:2x2x1"),
        (["--batch", "62"], "`batch` must be a positive multiple of the 4 devices of v5e:2x2"),
        (["--variant", "CabViTH_Q"], "compile-tpu: `variant` must be one of CabViTH_T"),
    ],
)
def test_a_wrong_slice_batch_or_variant_gives_a_clear_error(changes, sentence, capsys):
    assert main(["compile-tpu", *OPTIONS, "--batch", str(BATCH), *changes]) == 1
    assert sentence in capsys.readouterr().err


def test_missing_compiler_gives_the_install_command(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libtpu", None)

    assert main(["compile-tpu", *OPTIONS, "--batch", str(BATCH)]) == 1
    assert 'pip install "keras-cabvit[tpu-compile]"' in capsys.readouterr().err
