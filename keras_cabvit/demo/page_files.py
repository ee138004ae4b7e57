"""The files that both forms of the page share, and their types."""

from pathlib import Path

FOLDER = Path(__file__).parent / "page"
# `classifier.js` of a page is one of two: served.js asks the server, alone.js computes.
SHARED = ("index.html", "page.css", "page.js", "maps.js", "heat.js", "icon.svg")
SERVED = {name: name for name in SHARED} | {"classifier.js": "served.js"}
ALONE = {name: name for name in SHARED} | {
    "classifier.js": "alone.js",
    **{name: name for name in ("photograph.js", "webp.js", "gif.js")},
    "evaluation.js": "evaluation.js",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
