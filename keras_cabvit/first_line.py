"""The first line of an error's message, for a sentence that gives another program's reason."""


def first_line(error: BaseException, text: str | None = None) -> str:
    r"""Returns the first line of an error's message, or the name of its class if there is none.

    Args:
        error: the error.
        text: string, what to take the line of. Defaults to the error's message.

    Example:
        >>> from keras_cabvit.first_line import first_line
        >>> first_line(ValueError("\nThe shapes differ.\nSee the log.")), first_line(ValueError())
        ('The shapes differ.', 'ValueError')
    """
    lines = (str(error) if text is None else text).strip().splitlines()
    return lines[0] if lines else type(error).__name__
