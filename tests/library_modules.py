"""The modules of the library that the tests' environment can import."""

import pkgutil

import keras_cabvit

# Beam lowers packages of others, and has an environment and tests of its own.
ELSEWHERE = "keras_cabvit.beam"


def library_modules():
    """Returns the names of all modules but those of `keras_cabvit.beam`, sorted."""
    names = []
    for info in pkgutil.walk_packages(keras_cabvit.__path__, "keras_cabvit.", onerror=_raise):
        if info.name != ELSEWHERE and not info.name.startswith(f"{ELSEWHERE}."):
            names.append(info.name)
    return sorted(names)


def _raise(name):
    # `walk_packages` imports every package to look inside.
    if name != ELSEWHERE:
        raise ImportError(name)
