"""URLs without the user names and passwords in them, for files and messages."""

import re
import urllib.parse

# A text that is one URL, such as "postgresql://ann:my secret@host/runs", perhaps behind a word.
_WHOLE = re.compile(r"[\w+.:-]+://(?:(?!://)[^\n])*")
# Its user: all up to the last "@", if there is a password; spaces, "@" and "/" may be in it.
_WHOLE_USER = re.compile(r"(://)(?:[^/@:?#]*:[^\n]*|[^/@:?#]*)@")
_WHOLE_PARAMETER = r"[^&;]*"
# In a text, everything from the colon that follows a user's name up to "@" is a password, "/"
# included; so are spaces, unless it begins like a port. A second "@" may belong to it.
_PORT = r"\d+(?:[\s/'\"),.;\]]|$)"
_USER = re.compile(
    rf"(://)[^\s/@:?#'\"]*(?::(?:[^\s@]*|(?!{_PORT})(?:(?!://)[^@\n])*))?@(?:[^\s/@]*@)*"
)
_PARAMETER = r"[^\s&;'\"]*"
_NAME = r"([?&;](?:[\w-]*(?:password|passwd|pwd|secret|token|api_?key))=)"
_SEPARATOR = re.compile(r"[\s@:/?#]+")
# Shorter parts of a password are also parts of words.
_SHORTEST = 3


def without_credentials(text: str, url: str | None = None) -> str:
    """Returns a text with user names, passwords and tokens in its URLs replaced by `***`.

    Args:
        text: a URL, or a text that contains some. Of passwords in a text, one with a space and an
            "@" is found only if `url` is given.
        url: a URL whose password and its parts are replaced wherever they are in the text, as in
            messages of a program that took another part of the URL for the host. None, the default,
            looks for none.

    Example:
        >>> from keras_cabvit.url_credentials import without_credentials
        >>> without_credentials("postgresql://ann:secret@host/runs")
        'postgresql://***@host/runs'
    """
    if url is not None:
        text = text.replace(url, without_credentials(url))
        for secret in _secrets(url):
            text = text.replace(secret, "***")
    whole = _WHOLE.fullmatch(text) is not None
    user, parameter = (_WHOLE_USER, _WHOLE_PARAMETER) if whole else (_USER, _PARAMETER)
    text = user.sub(r"\1***@", text)
    return re.sub(_NAME + parameter, r"\1***", text, flags=re.IGNORECASE)


def _secrets(url: str) -> list[str]:
    """Returns the password of a URL and the parts of it, the longest first."""
    found = _WHOLE_USER.search(url)
    password = found[0][3:-1].partition(":")[2] if found else ""
    values = re.findall(_NAME + f"({_WHOLE_PARAMETER})", url, re.IGNORECASE)
    parts = set()
    for secret in (password, *(value for _, value in values)):
        ends = [secret, *(secret[mark.end() :] for mark in _SEPARATOR.finditer(secret))]
        parts |= {*ends, *_SEPARATOR.split(secret)}
    parts |= {urllib.parse.unquote(part) for part in parts}
    parts |= {urllib.parse.quote(part, safe="") for part in parts}
    return sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)
