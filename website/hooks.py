"""Hooks of MkDocs: pages that are generated, pages from outside ``docs/``, and links to both."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from groklst_cli import __version__
from website import commands, notebooks, python_face
from website.places import BORROWED, ROOT, links, moved, origin_of, place_of, titled

GENERATED = {"reference/commands.md": commands.page, "reference/python.md": python_face.page}
STYLE = "style.css"
CODE = re.compile(r"(?<!<pre>)<code>([^<]*)</code>")
FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """State the version in the footer."""
    config.copyright = f"groklst {__version__}, Apache-2.0"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not stand in ``docs/`` as a page."""
    made = {place: write() for place, write in GENERATED.items()}
    for path, place in BORROWED.items():
        made[place] = (ROOT / path).read_text(encoding="utf-8")
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        made[f"notebooks/{notebook.stem}.md"] = notebooks.page(notebook)
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    for path in sorted(_linked_files(files)):
        files.append(File.generated(config, place_of(path), abs_src_path=str(ROOT / path)))
    style = Path(__file__).with_name(STYLE)
    files.append(File.generated(config, STYLE, abs_src_path=str(style)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links so that they lead to places on the site."""
    place = page.file.src_uri
    if place in GENERATED or place.startswith("notebooks/"):
        return markdown
    origin = origin_of(place)
    return moved(titled(markdown, origin), origin, place)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep the dashes of an option in one line with its name."""

    def kept(found: re.Match[str]) -> str:
        return FLAG.sub(r'<span class="flag">\g<0></span>', found[0])

    return CODE.sub(kept, html)


def _linked_files(files: Files) -> set[str]:
    """Find files outside ``docs/`` that are no pages and that a page links to."""
    named: set[str] = set()
    for file in files.documentation_pages():
        if file.src_uri not in GENERATED:
            named.update(links(file.content_string, origin_of(file.src_uri)))
    outside = {path for path in named if not path.startswith("docs/") and path not in BORROWED}
    return {path for path in outside if (ROOT / path).is_file()}
