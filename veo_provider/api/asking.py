# SPDX-License-Identifier: Apache-2.0
"""One generation is asked for again and again, and mostly there is nothing new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from veo_provider.api.calls import Answer, poll_call
from veo_provider.api.generation import Generation, read_generation

if TYPE_CHECKING:
    from veo_provider.api.problem import Problem


class Asking:
    """
    The polls of one generation. An answer like the last one isn't read again: reading is a large part of a poll's cost.

    :param generation_id: the gateway's id.
    """

    def __init__(self, generation_id: str) -> None:
        self.generation_id = generation_id
        self.call = poll_call(generation_id)
        self.known: Answer | None = None
        """The last answer, if it said that the generation goes on: whoever gets the same one hands this one back."""
        self._meant: Generation | None = None

    def read(self, answer: Answer) -> Generation | Problem:
        """
        Read an answer.

        :param answer: the gateway's answer, or :attr:`known`.
        """
        if self._meant is not None and answer is self.known:
            return self._meant
        seen = read_generation(answer, self.generation_id)
        # Problems and ends name the request that brought them: of those no two are the same.
        self.known = self._meant = None
        if isinstance(seen, Generation) and not seen.is_final:
            # A copy is without the parsed document, which thousands of triggers would keep.
            self.known, self._meant = replace(answer), seen
        return seen
