"""The optional package `huggingface_hub`."""

import importlib
from types import ModuleType


def hub_library() -> ModuleType:
    """Returns the module `huggingface_hub`, with its modules `errors` and `utils`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        library = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError(
            'The Hugging Face Hub needs huggingface_hub: pip install "keras-cabvit[huggingface]"'
        ) from error
    for name in ("errors", "utils"):  # which it imports when they are first needed
        importlib.import_module(f"huggingface_hub.{name}")
    return library


def check_repo_id(repo_id: str) -> None:
    """Checks the form of a repository's name.

    Args:
        repo_id: string, the owner and the name, as in "anna/clothes".

    Raises:
        ValueError: it has another form, or characters that the Hub refuses.
        ImportError: huggingface_hub is not installed.
    """
    library = hub_library()
    right = (
        "`repo_id` must be OWNER/NAME, where the owner is a user or an organization of the Hub, "
        "such as anna/clothes, with letters, digits, `-`, `_` and `.`"
    )
    if repo_id.count("/") != 1 or repo_id.count(":") or not all(repo_id.split("/")):
        raise ValueError(f"{right}. Received: {repo_id!r}")
    try:
        library.utils.validate_repo_id(repo_id)
    except ValueError as error:
        raise ValueError(f"{right}. {error}") from error
