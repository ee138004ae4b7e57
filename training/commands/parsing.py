"""Parsing a command's arguments into its dataclass."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import tyro

from keras_cabvit.paths import local_path

Options = TypeVar("Options")


def parsed(form: type[Options], command: str, arguments: list[str], **settings: Any) -> Options:
    """Parses arguments, and checks every path among them before anything is done.

    Args:
        form: dataclass of the options.
        command: string, the command after `python -m training`, as help and errors print it.
        arguments: list of strings.
        **settings: further arguments of `tyro.cli`.

    Returns:
        The options, in which a leading `~` of a path is expanded.

    Raises:
        ValueError: a path is an address, such as `gs://bucket/run`.
    """
    prog = f"python -m training {command}"
    return _with_local_paths(tyro.cli(form, args=arguments, prog=prog, **settings), "")


def _with_local_paths(value: Any, name: str) -> Any:
    if isinstance(value, Path):
        return local_path(value, name)
    if isinstance(value, tuple):
        return tuple(_with_local_paths(item, name) for item in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    changes = {
        field.name: _with_local_paths(getattr(value, field.name), field.name)
        for field in dataclasses.fields(value)
    }
    return dataclasses.replace(value, **changes)
