"""What griffe does not see in the sources: sections of layers, and the functions of the variants."""

import ast
import re
from pathlib import Path
from typing import Any

import griffe

# Sections that Keras' docstrings have and Google's have not.
_SECTIONS = {"Example": "Examples", "Call arguments": "Args: Call arguments"}
_PARAGRAPHS = r"(?:Input|Output|Weights[\w ]*|Call arguments and output)"


class Docstrings(griffe.Extension):
    """Makes docstrings complete before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the sections that griffe does not know."""
        if obj.docstring is not None:
            obj.docstring.value = with_known_sections(obj.docstring.value)

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Puts functions in the place of the variants, which are made when the module runs."""
        if mod.path == "keras_cabvit.models.variants":
            for function in variants(Path(mod.filepath)):
                mod.set_member(function.name, function)


def with_known_sections(text: str) -> str:
    """Returns a docstring with the sections of Google's style alone."""
    for title, known in _SECTIONS.items():
        text = re.sub(rf"^{title}:$", f"{known}:" if ":" not in known else known, text, flags=re.M)

    def paragraph(found: re.Match) -> str:
        content = " ".join(line.strip() for line in found[2].splitlines())
        return f"\n**{found[1]}:** {content}\n"

    return re.sub(rf"^({_PARAGRAPHS}): (.*(?:\n[ ]+.*)*)$", paragraph, text, flags=re.M)


def variants(path: Path) -> list[griffe.Function]:
    """Returns the functions of the named variants, with their signature and docstring.

    Args:
        path: path of keras_cabvit/models/variants.py, of which only data and text are run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    needed = ("Variant", "_hybrid", "_plain", "VARIANTS", "_DOCUMENTATION", "_documentation")
    data = [
        node
        for node in tree.body
        if getattr(node, "name", None) in needed
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in needed)
        or (isinstance(node, ast.ImportFrom) and node.module in ("dataclasses", "typing"))
    ]
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
