"""Docstrings that griffe does not read by itself: sections of layers, functions of variants."""

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

import griffe

# Sections that Keras' docstrings have and Google's have not.
_SECTIONS = {"Example:": "Examples:", "Call arguments:": "Args: Call arguments"}
_PARAGRAPHS = r"(?:Input|Output|Weights[\w ]*|Call arguments and output)"
# Methods of layers and initializers that Keras calls.
_OF_KERAS = {
    "build",
    "call",
    "__call__",
    "compute_output_shape",
    "compute_output_spec",
    "get_build_config",
    "build_from_config",
    "get_config",
    "from_config",
}


class Docstrings(griffe.Extension):
    """Makes docstrings complete before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the sections that griffe does not know."""
        if obj.docstring is not None:
            obj.docstring.value = with_known_sections(obj.docstring.value)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Leaves out the methods through which Keras uses a layer: its docstring says it all."""
        for name in _OF_KERAS & cls.members.keys():
            cls.del_member(name)

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Puts functions in the place of the variants, which are made when the module runs."""
        if mod.path == "keras_cabvit.models.variants":
            for function in variants(Path(mod.filepath)):
                function.docstring.parser = mod.docstring.parser
                function.docstring.parser_options = mod.docstring.parser_options
                mod.set_member(function.name, function)


def with_known_sections(text: str) -> str:
    """Returns a docstring with the sections of Google's style alone."""
    for title, known in _SECTIONS.items():
        text = re.sub(rf"^{title}$", known, text, flags=re.MULTILINE)

    # Without annotations there are no types, and nothing to list.
    text = re.sub(
        r"^(Returns|Yields):\n((?:[ ]+.*\n?|\n(?=[ ]))+)",
        lambda found: f"**{found[1]}:**\n\n{textwrap.dedent(found[2])}\n",
        text,
        flags=re.MULTILINE,
    )

    def paragraph(found: re.Match) -> str:
        content = " ".join(line.strip() for line in found[2].splitlines())
        return f"\n**{found[1]}:** {content}\n"

    return re.sub(rf"^({_PARAGRAPHS}): (.*(?:\n[ ]+.*)*)$", paragraph, text, flags=re.MULTILINE)


def variants(path: Path) -> list[griffe.Function]:
    """Returns the functions of the named variants, with their signature and docstring.

    Args:
        path: path of keras_cabvit/models/variants.py, of which only data and text are run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    needed = ("Variant", "_hybrid", "_plain", "_documentation")
    data = [
        node
        for node in tree.body
        if getattr(node, "name", None) in needed
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper())
        or (isinstance(node, ast.ImportFrom) and node.module in ("dataclasses", "typing"))
    ]
    for node in (each for top in data for each in ast.walk(top)):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []  # they come from modules that are not imported
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(ast.Module(data, []), str(path), "exec"), names)
    (maker,) = (node for node in tree.body if getattr(node, "name", None) == "_named_variant")
    (builder,) = (node for node in ast.walk(maker) if getattr(node, "name", None) == "builder")
    functions = []
    for name, variant in names["VARIANTS"].items():
        signature = ast.unparse(builder.args).replace("name=name", f"name={name!r}")
        text = with_known_sections(names["_documentation"](variant))
        code = f"def {name}({signature}):\n    {text!r}\n"
        functions.append(griffe.visit("variants", path, code)[name])
    return functions
