"""Hook of MkDocs: documents of the checkout that lie outside docs/ are pages of the site, and links to them work.

Each document keeps its one place. Other files that a document links to, such as a profile, are copied into the site.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "overview.md",
    "config/README.md": "configuration.md",
    "config/demo/s4pred/README.md": "demo-weights.md",
    "ansible/README.md": "ansible.md",
    "benchmarks/results.md": "benchmarks.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
LINK = re.compile(r"(?<=\]\()([^)#\s]+)((?:#[^)\s]*)?)(?=\))")


def place_in_site(source):
    """The path in the site of a file of the checkout, given relative to the checkout."""
    inside = source.removeprefix("docs/")
    return PAGES.get(source, inside if inside != source else f"files/{source}")


def source_of(page):
    """The path of a page's Markdown, relative to the checkout."""
    return next((source for source, path in PAGES.items() if path == page), f"docs/{page}")


def linked(markdown, source):
    """The files of the checkout that a document links to, relative to the checkout."""
    for target, _ in LINK.findall(markdown):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if ":" not in target and (CHECKOUT / path).is_file():
            yield path


def on_files(files, config):
    """Add the documents outside docs/, and the files that any document links to."""
    sources = {source_of(file.src_uri) for file in files if file.src_uri.endswith(".md")} | set(PAGES)
    targets = {path for source in sources for path in linked((CHECKOUT / source).read_text(), source)}
    for source in sorted(set(PAGES) | targets - sources):
        place = place_in_site(source)
        if place not in files.src_uris:
            files.append(File.generated(config, place, abs_src_path=str(CHECKOUT / source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Make the links of a document those of the site."""
    source = source_of(page.file.src_uri)

    def in_site(match):
        target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if ":" in target or not (CHECKOUT / path).is_file():
            return match[0]
        return os.path.relpath(place_in_site(path), posixpath.dirname(page.file.src_uri) or ".") + anchor

    return LINK.sub(in_site, markdown)
