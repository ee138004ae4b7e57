"""`import keras_cabvit` costs what `import keras` costs."""

import importlib.metadata
import subprocess
import sys

from backend_process import REPOSITORY, backend_environment

PROGRAM = """
import sys
import keras
before = set(sys.modules)
import keras_cabvit
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def modules_beyond_keras(backend):
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=backend_environment(backend),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in process.stdout.split() if not name.startswith("_")}


def test_import_brings_only_the_library_and_the_standard_library():
    # On JAX, `import keras` brings neither TensorFlow nor PyTorch.
    packages = {name.partition(".")[0] for name in modules_beyond_keras("jax")}
    assert packages - set(sys.stdlib_module_names) == {"keras_cabvit"}


def test_core_dependencies_are_keras_and_numpy():
    requirements = importlib.metadata.requires("keras-cabvit")
    core = [line for line in requirements if "extra ==" not in line]
    assert sorted(line.split(">")[0].split("<")[0] for line in core) == ["keras", "numpy"]


def test_training_is_not_imported_by_the_library():
    for path in (REPOSITORY / "keras_cabvit").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("import training", "from training")), path
