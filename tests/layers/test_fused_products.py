from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def blocks(run_python):
    script = Path(__file__).with_name("fused_products.py")
    return run_python([script], "tensorflow", TF_ENABLE_ONEDNN_OPTS="1")


def test_tensorflow_joins_products_with_their_biases_and_with_gelu(blocks):
    """Queries, keys and values (apart if fused), the projection, and the two of the MLP."""
    products = {
        name: {kind: count for kind, count in operations.items() if "MatMul" in kind}
        for name, operations in blocks.items()
    }
    joined_with_gelu = {"FusedMatMul BiasAdd GeluExact": 1, "BatchMatMulV2": 2}
    assert products == {
        "block": {"FusedMatMul BiasAdd": 4, **joined_with_gelu},
        "fused block": {"FusedMatMul BiasAdd": 5, **joined_with_gelu},
    }
    assert not any("Erfc" in operations for operations in blocks.values())
