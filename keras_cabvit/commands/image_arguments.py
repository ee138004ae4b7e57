"""Image files and folders on a command line."""

import collections
import os
import sys

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.commands.text_table import one_line
from keras_cabvit.paths import path_text

WIDEST = 60


def add_files(parser, nargs="+"):
    """Adds image files and folders to a parser, as `files`."""
    parser.add_argument(
        "files",
        type=path_argument,
        nargs=nargs,
        metavar="FILE|FOLDER",
        help="image files, and folders whose images are taken at any depth, sorted by path",
    )


def each_path(sources, not_read=None):
    """Yields the files of a command line, and the images of its folders.

    Args:
        sources: list of paths.
        not_read: `collections.Counter` of image files in other formats, or None.
    """
    for source in sources:
        if os.path.isdir(source):
            # Imported here, because it imports numpy.
            from keras_cabvit.data.folders.images_below import images_below

            yield from images_below(source, not_read)
        else:
            yield source


def survey(sources):
    """Says on standard error what is not read.

    Returns:
        The number of files, and the width of the widest name, at most `WIDEST`.

    Raises:
        ValueError: there are no images in a folder.
    """
    total, width, not_read = 0, 0, collections.Counter()
    for source in sources:
        before = total
        for path in each_path([source], not_read):
            total += 1
            width = max(width, len(one_line(path_text(path))))
        if total == before:
            from keras_cabvit.data.folders.folder_entries import SUFFIXES

            raise ValueError(
                " ".join(
                    [
                        f"There are no images in {source}: files ending in {', '.join(SUFFIXES)}.",
                        *_not_read_sentences(not_read),
                    ]
                )
            )
    for sentence in _not_read_sentences(not_read):
        print(sentence, file=sys.stderr)
    return total, min(width, WIDEST)


def _not_read_sentences(not_read):
    """Yields a sentence for each format of a `Counter` of files that are not read, by suffix."""
    for suffix, count in sorted(not_read.items()):
        # Imported here, because it imports numpy.
        from keras_cabvit.data.folders.folder_entries import CONVERTIBLE

        files = f"{count:,} {suffix} file{'s' * (count > 1)}"
        if suffix in CONVERTIBLE:
            yield f"Not read: {files}; `cabvit convert-images FOLDER NEW_FOLDER` makes JPEG copies."
        else:
            yield f"Not read: {files}; convert to JPEG."


def changed_sentence(total, seen):
    """Returns a sentence on a folder that held another number of files when it was surveyed."""
    return (
        f"A folder has changed meanwhile: it held {total:,} files at the start, and {seen:,} were "
        "found."
    )
