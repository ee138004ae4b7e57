"""Every example in a docstring runs and prints the output shown."""

import doctest
import importlib
import pkgutil
import re

import keras
import numpy as np
import pytest

import keras_cabvit

# These run on TensorFlow only: exporters use it on every backend, and the variants' docstrings are
# one text with names filled in, while the large variants take long to build.
ON_TENSORFLOW = re.compile(r"keras_cabvit\.export|CabViT[HP]_[SBL]$")


def examples():
    """Yields every docstring of the package that has examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for info in pkgutil.walk_packages(keras_cabvit.__path__, "keras_cabvit."):
        module = importlib.import_module(info.name)
        for test in finder.find(module, info.name):
            if test.examples:
                marks = [] if ON_TENSORFLOW.search(test.name) else [pytest.mark.torch_too]
                if test.name.startswith("keras_cabvit.export."):
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
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_every_public_layer_and_model_has_an_example():
    found = {parameter.id.rsplit(".")[-1] for parameter in examples()}
    public = set(keras_cabvit.layers.__all__) | set(keras_cabvit.models.__all__)
    assert public - {"PartComplexity"} <= found  # the record of `count_complexity`
