"""A list of names in a sentence."""


def listed(names, limit=5):
    """Returns the first few names as text.

    Args:
        names: iterable of strings.
        limit: integer, the number of names to list; the others are counted. Defaults to 5.

    Example:
        >>> from keras_cabvit.data.listed import listed
        >>> listed(["ant", "bee", "cat"], limit=2)
        'ant, bee and 1 more'
    """
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit:,} more" * (len(names) > limit))
