# SPDX-License-Identifier: Apache-2.0
"""What the site's build does besides MkDocs: it finds the pages, and fills in code and options from where they are."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

DOCS = Path(__file__).parent
# Of this checkout, whatever is installed.
sys.path.insert(0, str(DOCS.parent))

from veo_provider.get_provider_info import get_provider_info  # noqa: E402

EXAMPLES = DOCS.parent / "example_dags"
_INCLUDE = re.compile(r"^\{\{ example: (?P<name>\w+)(?: (?P<section>\w+))? \}\}$", re.MULTILINE)
_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"


def example(name: str, section: str | None = None) -> str:
    """
    Return the code of an example DAG.

    :param name: the file's name without its suffix.
    :param section: what stands between ``# [START section]`` and ``# [END section]``; left out, the whole file.
    """
    path = EXAMPLES / f"{name}.py"
    if not path.exists():
        raise PluginError(f"there is no example_dags/{name}.py")
    code = path.read_text(encoding="utf-8")
    if section is not None:
        marked = re.search(rf"^[ ]*# \[START {section}\]\n(.*?)^[ ]*# \[END {section}\]$", code, re.S | re.M)
        if marked is None:
            raise PluginError(f"example_dags/{name}.py has no section {section}")
        code = marked[1]
    code = re.sub(r"^[ ]*# \[(START|END) \w+\]\n", "", code.removeprefix(_LICENCE), flags=re.M)
    return textwrap.dedent(code).strip() + "\n"


def options() -> str:
    """Return the options in ``[veo]`` as a table, from what Airflow itself is told of them."""
    rows = ["| Option | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, option in get_provider_info()["config"]["veo"]["options"].items():
        default = f"`{option['default']}`" if option["default"] else "empty"
        like = f" Example: `{option['example']}`" if option["example"] else ""
        rows.append(f"| `{name}` | {option['type']} | {default} | {option['description']}{like} |")
    return "\n".join(rows)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read the pages from the folder of the configuration; see the comment there."""
    config.docs_dir = str(DOCS)
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each line ``{{ example: file section }}`` by the code, and ``{{ options }}`` by the table."""
    markdown = markdown.replace("\n{{ options }}\n", f"\n{options()}\n")
    return _INCLUDE.sub(lambda found: f"```python\n{example(found['name'], found['section'])}```", markdown)
