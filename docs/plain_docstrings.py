# SPDX-License-Identifier: Apache-2.0
"""What mkdocstrings needs to show our docstrings: their reStructuredText as Markdown, and inherited parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_ROLE = re.compile(r":(?P<role>class|func|meth|mod|data|attr):`(?P<tilde>~)?(?P<path>[\w.]+)`")
_LITERAL = re.compile(r"(?P<text>\S)?::$", re.MULTILINE)


def _shown(found: re.Match[str]) -> str:
    path = found["path"]
    name = path.rpartition(".")[2] if found["tilde"] else path
    # Only our own classes and functions are on the site.
    linked = path.startswith("veo_provider.") and found["role"] in ("class", "func", "meth")
    return f"[`{name}`][{path}]" if linked else f"`{name}`"


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    for member in module.members.values():
        if isinstance(member, griffe.Class):
            yield member
        elif isinstance(member, griffe.Module):
            yield from _classes(member)


class PlainDocstrings(griffe.Extension):
    """Rewrites every docstring when it is read, and completes signatures when all is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite roles as code or links, and ``::`` as a colon."""
        if obj.docstring is not None:
            text = _ROLE.sub(_shown, obj.docstring.value)
            obj.docstring.value = _LITERAL.sub(lambda found: f"{found['text']}:" if found["text"] else "", text)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Give a class that passes ``**kwargs`` on the parameters of its base, if that is one of ours."""
        for cls in _classes(pkg):
            init = cls.members.get("__init__")
            for base in cls.resolved_bases:
                inherited = base.members.get("__init__")
                if isinstance(init, griffe.Function) and isinstance(inherited, griffe.Function):
                    self._complete(init.parameters, inherited.parameters)

    @staticmethod
    def _complete(own: griffe.Parameters, inherited: griffe.Parameters) -> None:
        rest = next((p for p in own if p.kind is griffe.ParameterKind.var_keyword), None)
        if rest is None:
            return
        del own[rest.name]
        for parameter in inherited:
            if parameter.name not in own:
                own.add(parameter)
