"""Every example in a docstring runs and prints the output shown."""

import contextlib
import doctest
import importlib
import re

import keras
import numpy as np
import pytest
from library_modules import library_modules

import keras_cabvit

# The variants' docstrings are one text with names filled in, which shows the shape of the output.
# Large variants get no weights: initial values take most of the time.
LARGE_VARIANT = re.compile(r"CabViT[HP]_[SBL]$")


def examples():
    """Yields every docstring of the package that has examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in library_modules():
        for test in finder.find(importlib.import_module(name), name):
            if test.examples:
                # The others are Keras' code and this library's, which have tests on every backend.
                of_torch = test.name.startswith("keras_cabvit.pytorch.")
                marks = [pytest.mark.torch_too] if of_torch else []
                exports = test.name.startswith("keras_cabvit.export.")
                if exports or test.name.endswith("count_complexity"):
                    marks.append(pytest.mark.slow)
                yield pytest.param(test, id=test.name, marks=marks)


@pytest.mark.parametrize("test", list(examples()))
def test_examples(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test.globs = {"keras_cabvit": keras_cabvit, "keras": keras, "np": np}
    report = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    weights = contextlib.nullcontext()
    if LARGE_VARIANT.search(test.name):
        weights = keras.StatelessScope(initialize_variables=False)
    with weights:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_every_public_layer_and_model_has_an_example():
    found = {parameter.id.rsplit(".")[-1] for parameter in examples()}
    public = set(keras_cabvit.layers.__all__) | set(keras_cabvit.models.__all__)
    assert public - {"PartComplexity"} <= found  # the record of `count_complexity`
