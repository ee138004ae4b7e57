import dataclasses
import os

import pytest
from PIL import Image

from benchmarks.contenders import MATRIX_PRODUCT, Contender
from benchmarks.in_turns import measure, ratios
from benchmarks.inference import RIVALS, as_markdown, contenders_of, draw, figures_of

CABVIT = Contender("CabViTH_S", "tensorflow", batch=8, fused=True)
CONVNEXT = Contender("convnext_tiny", "timm", batch=8)
PRODUCT = Contender(MATRIX_PRODUCT, "tensorflow")
SLOW_PRODUCT = Contender(MATRIX_PRODUCT, "jax")


def test_ratios_are_computed_round_by_round():
    """Other load in a round, which slows everything equally, does not count."""
    assert ratios([1.0, 10.0, 2.0], [2.0, 20.0, 4.0])["median"] == 0.5
    of_rounds = ratios([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert of_rounds == {"median": 3.0, "lower quartile": 2.0, "upper quartile": 4.0}


def test_figures_are_relative_to_the_fastest_matrix_product_and_timms_convnext():
    seconds = {
        CABVIT: [1.0, 2.0],
        CONVNEXT: [1.5, 3.0],
        PRODUCT: [0.1, 0.2],
        SLOW_PRODUCT: [0.4, 0.8],
    }
    operations = {CABVIT: 50, CONVNEXT: 60, PRODUCT: 10, SLOW_PRODUCT: 10}
    cabvit = figures_of(seconds, operations)[0]
    # 50 operations per second, where the product reaches 100.
    assert cabvit["share of peak"]["median"] == pytest.approx(0.5)
    assert cabvit["speed over timm's convnext_tiny"]["median"] == pytest.approx(1.5)


def test_fastest_matrix_product_is_that_of_most_operations_per_second():
    """A framework on a GPU multiplies larger matrices, which may take longer."""
    seconds = {CABVIT: [1.0], PRODUCT: [0.1], SLOW_PRODUCT: [0.4]}
    cabvit = figures_of(seconds, {CABVIT: 80, PRODUCT: 10, SLOW_PRODUCT: 64})[0]
    # 80 operations per second, where the larger product reaches 160.
    assert cabvit["share of peak"]["median"] == pytest.approx(0.5)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_every_form_is_compared_and_shown(tmp_path, precision):
    contenders = contenders_of("CabViTH_S", ["tensorflow", "jax"], [precision], [1, 8], RIVALS)
    cabvit, convnext = (
        dataclasses.replace(each, precision=precision) for each in (CABVIT, CONVNEXT)
    )
    assert cabvit in contenders
    assert dataclasses.replace(cabvit, framework="jax", fused=False) in contenders
    assert convnext in contenders
    seconds = {contender: [0.1, 0.2] for contender in contenders}
    result = {
        "models": figures_of(seconds, dict.fromkeys(contenders, 100)),
        "memory": [],
        "growth": [],
    }
    lines = as_markdown(result).splitlines()
    assert sum("CabViTH_S, fused" in line for line in lines) == 4
    draw(result, tmp_path / "speed.png")
    with Image.open(tmp_path / "speed.png") as picture:
        assert picture.width > 600


def test_models_without_a_matrix_product_are_not_drawn(tmp_path, capsys):
    half, product = (
        dataclasses.replace(each, precision="mixed_bfloat16") for each in (CABVIT, PRODUCT)
    )
    for name, contenders in (("rest", [CABVIT, half, product]), ("none", [CABVIT])):
        figures = figures_of({each: [0.1] for each in contenders}, dict.fromkeys(contenders, 100))
        draw({"models": figures}, tmp_path / f"{name}.png")
    assert [path.name for path in tmp_path.iterdir()] == ["rest.png"]
    assert "none.png was not drawn: no model and matrix product" in capsys.readouterr().out


class FatalName(str):
    """The name of a model with which a process ends, unless it receives one of the first ones."""

    received = 0

    def __new__(cls, name, harmless):
        made = super().__new__(cls, name)
        made.harmless = harmless
        return made

    def __reduce__(self):
        self.received += 1
        return (str, (str(self),)) if self.received <= self.harmless else (os._exit, (3,))


@pytest.mark.slow
@pytest.mark.parametrize("harmless", [0, 1], ids=["while it is built", "in a round"])
def test_models_of_a_framework_whose_process_ends_are_named_and_left_out(harmless, capsys):
    fatal = Contender(FatalName(MATRIX_PRODUCT, harmless), "jax", "mixed_bfloat16")
    same_process, other = (Contender(MATRIX_PRODUCT, framework) for framework in ("jax", "torch"))
    seconds, operations = measure([fatal, same_process, other], 2)

    assert list(seconds) == list(operations) == [other]
    assert len(seconds[other]) == 2
    output = capsys.readouterr().out
    for contender in (fatal, same_process):
        assert f"left out: {contender}: the process ended with status 3\n" in output


@pytest.mark.slow
def test_unbuildable_models_are_named_and_left_out(capsys):
    missing = Contender("NoSuchModel", "jax")
    product = Contender(MATRIX_PRODUCT, "jax")
    seconds, operations = measure([missing, product], 2)
    assert list(seconds) == [product]
    assert len(seconds[product]) == 2
    assert all(0 < taken < 60 for taken in seconds[product])
    assert operations == {product: 2 * 2048**3}
    assert "left out: NoSuchModel" in capsys.readouterr().out
