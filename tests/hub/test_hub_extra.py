"""KerasHub is optional."""

import importlib
import sys

import pytest


def test_without_kerashub_a_sentence_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("keras_cabvit.hub")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r'needs KerasHub: pip install "keras-cabvit\[hub\]"'):
        importlib.import_module("keras_cabvit.hub")
