"""URLs without the user names and passwords in them, for files and messages."""

import re

# After the colon that follows a user's name, everything up to "@" is a password, "/" included.
_USER = re.compile(r"(://)[^\s/@:?#'\"]*(?::[^\s@]*)?@")
_PARAMETER = re.compile(
    r"([?&;](?:[\w-]*(?:password|passwd|pwd|secret|token|api_?key))=)[^\s&;'\"]*", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """Returns a text with user names, passwords and tokens in its URLs replaced by `***`.

    Args:
        text: a URL, or a text that contains some.

    Example:
        >>> from keras_cabvit.url_credentials import without_credentials
        >>> without_credentials("postgresql://ann:secret@host/runs")
        'postgresql://***@host/runs'
    """
    return _PARAMETER.sub(r"\1***", _USER.sub(r"\1***@", text))
