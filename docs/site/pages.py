"""Pages of the site that are no files in `docs`: start, API, and sources that guides link to."""

import ast
import functools
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[2]
# Documents outside `docs` that are in the navigation.
_DOCUMENTS = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
_DOCUMENTS["CONTRIBUTING.md"] = "contributing.md"
_LINK = re.compile(r'(\]\(|src=")(?!https?:|mailto:|#)([^)#"\s]+)')
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_PICTURES = {".png", ".svg", ".jpg"}
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".sh": "sh"}
# Subpackages that are no part of the public interface, though they have an `__all__`.
_INTERNAL = {"ops"}


def on_config(config: MkDocsConfig) -> None:
    """Puts the API's pages into the navigation."""
    (section,) = (entry for entry in config.nav if "API" in entry)
    section["API"] = [{name: f"api/{name}.md"} for name in public_names()]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages that are no files in `docs`."""
    css = Path(__file__).with_name("site.css").read_text(encoding="utf-8")
    files.append(File.generated(config, "assets/site.css", content=css))
    for name in public_names():
        text = f"# {name}\n\n::: {name}\n"
        files.append(File.generated(config, f"api/{name}.md", content=text))
    waiting = [*_DOCUMENTS, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    waiting = [path for path in waiting if not path.startswith("docs/api/")]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith("docs/"):
            _add(files, config, path)
        if path.endswith(".md") or (REPOSITORY / path).is_dir():
            linked = {posixpath.normpath(target) for target in _targets(path)} - seen
            waiting += [target for target in linked if (REPOSITORY / target).exists()]
            seen |= linked


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links out of `docs` to the pages of what they name."""
    if page.file.src_uri in ("index.md", "concepts.md"):  # alone in their section
        page.meta["hide"] = ["navigation"]
    if page.file.generated_by is None:
        return _with_links_of_the_site(markdown, f"docs/{page.file.src_uri}")
    return markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads public names to the API, and keeps short code in one line."""
    urls = _urls_of_names()
    if not page.file.src_uri.startswith("api/"):  # a word of a guide may be a name by chance
        urls = {name: url for name, url in urls.items() if "." in name}
    here = posixpath.dirname(page.url) or "."

    def code(found: re.Match) -> str:
        element = f'<code class="short">{found[1]}</code>' if len(found[1]) < 36 else found[0]
        url = urls.get(found[1])
        if url is None:
            return element
        return f'<a href="{posixpath.relpath(url, here)}">{element}</a>'

    # Not inside of links and of blocks of code.
    parts = re.split(r"(<a\b.*?</a>|<pre\b.*?</pre>)", html, flags=re.DOTALL)
    parts[::2] = [re.sub(r"<code>([^<]+)</code>", code, part) for part in parts[::2]]
    return "".join(parts)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> None:
    """Refuses scripts, styles and pictures of other hosts."""
    loaded = r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*"'
    loaded += r'|<link\b[^>]*\brel="(?:stylesheet|preconnect|icon)"[^>]*href="(?:https?:)?//[^"]*"'
    found = re.search(loaded, output)
    if found:
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0]}")


def on_post_build(config: MkDocsConfig) -> None:
    """Refuses a site in which a public name is on no page."""
    shown = config.plugins["mkdocstrings"].handlers.inventory
    missing = [
        f"{package}.{name}"
        for package, names in public_names().items()
        for name in names
        if f"{package}.{name}" not in shown
    ]
    known = {name for names in public_names().values() for name in names}
    for name in _all_of(REPOSITORY / "keras_cabvit" / "__init__.py"):
        if name not in known and f"keras_cabvit.{name}" not in public_names():
            missing.append(f"keras_cabvit.{name}")
    if missing:
        raise PluginError(f"These public names are on no page of the API: {', '.join(missing)}.")


@functools.cache
def public_names() -> dict[str, list[str]]:
    """Returns the public subpackages and modules, with the names in their `__all__`."""
    found = {}
    for path in sorted((REPOSITORY / "keras_cabvit").iterdir()):
        init = path / "__init__.py" if path.is_dir() else path
        if path.stem.startswith("_") or path.stem in _INTERNAL or init.suffix != ".py":
            continue
        names = _all_of(init) if init.is_file() else []
        if names:
            found[f"keras_cabvit.{path.stem}"] = names
    return found


@functools.cache
def _urls_of_names() -> dict[str, str]:
    """Returns the addresses of public names: in full, and of classes also alone."""
    urls = {}
    for package, names in public_names().items():
        for name in names:
            url = f"api/{package}.html#{package}.{name}"
            urls[f"{package}.{name}"] = url
            if len(re.findall("[A-Z]", name)) > 1 and not name.isupper():
                urls[name] = url
            if name in _all_of(REPOSITORY / "keras_cabvit" / "__init__.py"):
                urls[f"keras_cabvit.{name}"] = url
    return urls


def _all_of(path: Path) -> list[str]:
    """Returns the `__all__` of a module, which is not run."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _add(files: Files, config: MkDocsConfig, path: str) -> None:
    """Adds the page, or the picture, of a file or folder of the repository."""
    source, uri = REPOSITORY / path, _site_uri(path)
    if source.suffix in _PICTURES:
        files.append(File.generated(config, uri, abs_src_path=str(source)))
        return
    level = InclusionLevel.INCLUDED if path in _DOCUMENTS else InclusionLevel.NOT_IN_NAV
    text = _text_of(path)
    if path not in _DOCUMENTS:
        text = f"---\nsearch: {{exclude: true}}\n---\n{text}"
    files.append(File.generated(config, uri, content=text, inclusion=level))


def _text_of(path: str) -> str:
    """Returns the Markdown of a page about a file or folder of the repository."""
    source = REPOSITORY / path
    if source.is_dir():
        readme = source / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {path}"
        listed = "\n".join(f"- [{name}]({name})" for name in _listed(source))
        text = f"{text}\n\n## Files\n\n{listed}\n"
        return _with_links_of_the_site(text, f"{path}/README.md")
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".md":
        return _with_links_of_the_site(text, path)
    language = _LANGUAGES.get(source.suffix, "text")
    return f"# {path}\n\n````{language}\n{text.rstrip()}\n````\n"


def _listed(folder: Path) -> list[str]:
    """Returns the text files in a folder, the README aside."""
    return [
        file.name
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".") and file.name != "README.md"
    ]


def _targets(path: str) -> list[str]:
    """Returns what a document links to, or a folder has, as paths of the repository."""
    source = REPOSITORY / path
    folder, text, targets = posixpath.dirname(path), "", []
    if source.is_dir():
        folder = path
        targets = _listed(source)
        source = source / "README.md"
    if source.is_file():
        text = source.read_text(encoding="utf-8")
    targets += [target for _, target in _LINK.findall(_CODE.sub("", text))]
    return [posixpath.join(folder, target) for target in targets]


def _with_links_of_the_site(markdown: str, path: str) -> str:
    """Returns a document of the repository with links to the pages of the site."""
    here = posixpath.dirname(_site_uri(path))

    def link(found: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
        if not (REPOSITORY / target).exists():
            return found[0]  # which MkDocs reports
        return found[1] + posixpath.relpath(_site_uri(target), here or ".")

    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


def _site_uri(path: str) -> str:
    """Returns the path in the site of a file or folder of the repository."""
    if path in _DOCUMENTS:
        return _DOCUMENTS[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    source = REPOSITORY / path
    if source.is_dir() or source.name == "README.md":
        folder = path if source.is_dir() else posixpath.dirname(path)
        return f"source/{folder}/index.md"
    if source.suffix in _PICTURES or source.suffix == ".md":
        return f"source/{path}"
    return f"source/{path}.md"
