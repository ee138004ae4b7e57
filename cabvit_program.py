"""The entry of the `cabvit` command.

Its import marks the process as a program of this project: `import keras_cabvit` then imports
Keras only when it is needed. Python runs a package's `__init__` before any module inside, so the
mark is outside the package.
"""


def main():
    """Runs the command; see `keras_cabvit.cli.main`."""
    from keras_cabvit import cli

    return cli.main()
