from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(run_python):
    script = Path(__file__).with_name("fused_products.py")
    return run_python([script], "tensorflow")


def test_tensorflow_fuses_products_with_biases_gelu_and_residuals(found):
    """Queries, keys and values (separate if fused), the projection, and the MLP's two products."""
    products = {
        name: {kind: count for kind, count in operations.items() if "MatMul" in kind}
        for name, operations in found["operations"].items()
    }
    with_gelu = {"FusedMatMul BiasAdd GeluExact": 1}
    fused_block = {
        "FusedMatMul BiasAdd": 3,
        **with_gelu,
        "FusedMatMul BiasAdd Add": 2,
        "BatchMatMulV2": 2,
    }
    assert products == {
        # LayerScale comes between its projections and the residuals.
        "block": {"FusedMatMul BiasAdd": 4, **with_gelu, "BatchMatMulV2": 2},
        "fused block": fused_block,
        "fused block, known batch": fused_block,
        "fused ConvNeXt block": {**with_gelu, "FusedMatMul BiasAdd Add": 1},
        "fused ConvNeXt block, indivisible map": {**with_gelu, "FusedMatMul BiasAdd Add": 1},
        # Four parts of the map, one after another.
        "fused ConvNeXt block, large map": {
            "FusedMatMul BiasAdd GeluExact": 4,
            "FusedMatMul BiasAdd Add": 4,
        },
        "fused merging": {**with_gelu, "FusedMatMul BiasAdd": 1},
    }


def test_a_gelu_between_convolutions_of_a_saved_model_is_two_operations(found):
    """Its constants are in the kernels."""
    for name in ("merging", "stem"):
        operations = found["in float32"][name]
        assert operations["Erfc"] == operations["Mul"] == 1
        assert "Neg" not in operations


def test_heads_of_a_frozen_saved_model_in_float32_are_products_of_their_own(found):
    """Queries, keys and values; their outputs are not transposed, only the heads' joint output."""
    operations = found["in float32"]["block"]
    assert operations["BatchMatMulV2"] == 5
    assert operations["Transpose"] == 1


def test_a_large_map_of_a_saved_model_in_float32_is_one_product(found):
    operations = found["in float32"]["ConvNeXt block, large map"]
    assert operations["FusedMatMul BiasAdd GeluExact"] == 1
    assert operations["FusedMatMul BiasAdd Add"] == 1


@pytest.mark.parametrize("form", ["in bfloat16", "in float32"])
def test_norms_of_a_saved_model_are_one_operation_each(found, form):
    """Own tokens', digest tokens', and both before the MLP; nothing is left of their means."""
    for name, norms in {"block": 4, "ConvNeXt block": 1}.items():
        operations = found[form][name]
        assert operations["LayerNorm"] == norms
        assert not {"Mean", "Rsqrt", "FusedBatchNormV3"} & set(operations)


def test_hidden_activations_of_a_large_map_are_never_all_in_memory(found):
    """Hidden activations take four maps and LayerNorm one; fused, a quarter of the former."""
    assert found["memory"]["block"] >= 5
    assert found["memory"]["fused block"] < 3
