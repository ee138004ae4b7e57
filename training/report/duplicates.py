"""The section about near duplicates in the data, and their list as a file."""

from training.data.duplicates import Duplicates
from training.evaluation.csv_table import csv_text
from training.report.markdown import escaped, table

# Groups in the table before the rest is only in the file.
_MOST_GROUPS = 20


def duplicates(found: Duplicates) -> str:
    """Returns the section about near duplicates; empty if there are none and all were compared."""
    title = "## Near duplicates in the data"
    if not found.groups:
        return f"{title}\n\n{escaped(found.note)}" if found.note else ""
    images = sum(map(len, found.groups))
    across = {*found.across_splits, *found.across_classes}
    notable = [group for group in found.groups if group in across]
    groups = "1 group" if len(found.groups) == 1 else f"{len(found.groups):,} groups"
    lines = [
        title,
        f"{images:,} images are in {groups} of images that are nearly the same: copies, and "
        "pictures of a burst. All are in [duplicates.csv](duplicates.csv). A scored image with a "
        "duplicate among the training images says little about other images.",
    ]
    if notable:
        rows = [
            [
                str(number) if member is group[0] else "",
                escaped(member.name),
                member.split,
                escaped(member.class_name),
            ]
            for number, group in enumerate(notable[:_MOST_GROUPS], 1)
            for member in group
        ]
        shown = (
            ""
            if len(notable) <= _MOST_GROUPS
            else f"The first {_MOST_GROUPS} of {len(notable):,}. "
        )
        lines += [
            f"<details><summary>{shown}Groups with images of several splits or classes</summary>",
            table(["group", "image", "split", "class"], rows, text_columns=4),
            "</details>",
        ]
    return "\n\n".join(lines)


def duplicates_as_csv(found: Duplicates) -> str:
    """Returns the groups as CSV text; images with the same `content` are identical files."""
    rows = []
    for number, group in enumerate(found.groups, 1):
        contents: dict[int, int] = {}
        for member in group:
            content = contents.setdefault(member.content, len(contents) + 1)
            rows.append([number, member.name, member.split, member.class_name, content])
    return csv_text(["group", "image", "split", "class", "content"], rows)
