import dataclasses

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
