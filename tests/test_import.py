"""`import keras_cabvit` costs what `import keras` costs."""

import importlib
import re
import subprocess
import sys
import tomllib
import types

import pytest
from backend_process import REPOSITORY, backend_environment
from library_modules import library_modules

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


def test_import_loads_only_the_library_filelock_and_the_standard_library():
    # On JAX, `import keras` imports neither TensorFlow nor PyTorch.
    packages = {name.partition(".")[0] for name in modules_beyond_keras("jax")}
    packages -= {*sys.stdlib_module_names, "filelock"}  # Keras may have imported these already
    assert packages == {"keras_cabvit"}


def test_core_dependencies_are_keras_numpy_and_filelock():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]
    assert sorted(names) == ["filelock", "keras", "numpy"]


def test_no_function_shadows_a_module():
    for module in library_modules():
        importlib.import_module(module)
        package, _, name = module.rpartition(".")
        assert isinstance(getattr(sys.modules[package], name), types.ModuleType), module


def test_without_beam_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r'needs Apache Beam: pip install "keras-cabvit\[beam\]"'):
        importlib.import_module("keras_cabvit.beam")


def test_training_is_not_imported_by_the_library():
    for path in (REPOSITORY / "keras_cabvit").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("import training", "from training")), path
