# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the record of a submit, and says what follows if that fails."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from veo_provider.api.text import printable
from veo_provider.exceptions import VeoConfigurationError, VeoLedgerError, VeoLedgerUnavailableError
from veo_provider.ledger.decision import is_foreign
from veo_provider.ledger.record import Record, SubmitPhase
from veo_provider.ledger.reuse import ReuseIndex
from veo_provider.ledger.stores import folder_from_config, ledger_for

if TYPE_CHECKING:
    import logging

    from airflow.providers.common.compat.sdk import Context

    from veo_provider.ledger.stores import Ledger

WRITE_PAUSES = (0.5, 2.0, 5.0, 10.0, 20.0, 20.0)
"""Seconds before a record that couldn't be written is written again: an API server may be restarting."""


class Book:
    """
    A task's ledger. What its store raises becomes an error of ours, or a warning where nothing is at stake.

    :param context: the task's context.
    :param log: the task's logger.
    :param reuse: whether equal requests of any task are looked up before they are bought again.
    """

    def __init__(self, context: Context, log: logging.Logger | Any, *, reuse: bool) -> None:
        self._context = context
        self._log = log
        self._reuse = reuse

    @cached_property
    def _ledger(self) -> Ledger:
        return ledger_for(self._context)

    @cached_property
    def _index(self) -> ReuseIndex | None:
        folder = folder_from_config() if self._reuse else None
        return ReuseIndex(folder) if folder else None

    def open(self) -> None:
        """
        Find the ledger before anything is sent.

        :raises VeoConfigurationError: the folder for it is none, or there is none and ``reuse`` needs one.
        :raises VeoLedgerUnavailableError: it can't be reached just now.
        """
        try:
            ledger, index = self._ledger, self._index
        except (ValueError, TypeError, ImportError) as error:
            raise VeoConfigurationError(f"[veo] ledger_path is wrong, so nothing was sent: {_named(error)}") from error
        except Exception as error:
            # Its connection may be one that Airflow can't read just now, its credentials a server's that is away.
            raise VeoLedgerUnavailableError(
                f"The ledger can't be reached, so nothing was sent: {_named(error)}"
            ) from error
        if self._reuse and index is None:
            raise VeoConfigurationError("reuse=True needs a folder for the ledger: set [veo] ledger_path")
        if not ledger.crash_safe:
            self._log.warning(
                "No ledger: this Airflow has no task_state_store and [veo] ledger_path isn't set, so a retry of this "
                "task submits, and pays, again"
            )

    @property
    def run_started_at(self) -> float | None:
        """Epoch seconds; what was sent before isn't this run's. ``None``: the ledger knows that itself."""
        started = getattr(self._context.get("dag_run"), "start_date", None) if self._ledger.outlives_runs else None
        return None if started is None else started.timestamp()

    def read(self) -> Record | None:
        """Return the record."""
        try:
            return self._ledger.read()
        except ValueError as error:
            raise VeoLedgerError(f"{error}: nothing was sent. Mend or delete it") from error
        except Exception as error:
            raise VeoLedgerUnavailableError(
                f"The ledger can't be read, so nothing was sent: {_named(error)}"
            ) from error

    def find_equal(self, digest: str) -> str | None:
        """Return the id of a generation that an equal request has made."""
        try:
            return None if self._index is None else self._index.find(digest)
        except Exception as error:
            raise VeoLedgerUnavailableError(
                f"What reuse=True may hand back can't be looked up, so nothing was sent: {_named(error)}"
            ) from error

    def claim(self, intent: Record, after: Record | None) -> None:
        """Write an intent; only if this returns, and nobody has written since ``after``, may anything be sent."""
        try:
            stands = self._ledger.claim(intent, after)
        except BaseException as error:
            # Airflow's execution_timeout too: nothing was sent, and nobody should have to look it up.
            self._take_back(intent)
            if not isinstance(error, Exception):
                raise
            raise VeoLedgerUnavailableError(
                f"The ledger doesn't take the intent to send, so nothing was sent: {_named(error)}"
            ) from error
        if not stands:
            raise VeoLedgerUnavailableError(
                "Another process works on the same task, or has replaced this one: nothing was sent from here"
            )

    def keep(self, record: Record) -> None:
        """Write the id of what was paid for, or say it in an error that ends the task."""
        try:
            return self._write(record)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            failure = error
        if not isinstance(failure, Exception):
            # Airflow's execution_timeout, which strikes once: the id comes first.
            with suppress(Exception):
                self._ledger.write(record)
                raise failure
        raise VeoLedgerError(
            f"Generation {record.generation_id} was submitted and is billed, but its record couldn't be written "
            f"({_named(failure)}): a retry wouldn't know it. Run the task with this id as generation_id",
            generation_id=record.generation_id,
        ) from failure

    def note(self, record: Record) -> None:
        """Write what may also stay unwritten: what is in the ledger is on the safe side."""
        try:
            self._write(record, unless_replaced=True)
        except Exception as error:  # noqa: BLE001 - each store raises classes of its own
            self._log.warning("The record couldn't be written: %s", _named(error))

    def adopt(self, generation_id: str, *, base_url: str, conn_id: str, digest: str = "", model: str = "") -> None:
        """
        Record a generation that was submitted elsewhere: nothing is bought, so nothing may fail.

        :param generation_id: its id, which the gateway knows.
        :param base_url: the gateway.
        :param conn_id: by which connection it is asked.
        :param digest: of the request that it was made of, if that is known.
        :param model: by which model it was made, if that is known.
        """
        ti = self._context["ti"]
        try:
            there = self._ledger.read()
            if there is not None and not is_foreign(there, ti.try_number, self.run_started_at):
                if there.generation_id == generation_id:
                    if ti.max_tries > there.max_tries:
                        self.answer(there, ti.max_tries)
                    return
                if there.try_number > ti.try_number:
                    self._log.warning("Generation %s isn't recorded: a later try has bought another", generation_id)
                    return
            record = Record(
                phase=SubmitPhase.SUBMITTED,
                nonce=uuid.uuid4().hex,
                try_number=ti.try_number,
                max_tries=ti.max_tries,
                digest=digest,
                sent_at=time.time(),
                model=model,
                base_url=base_url,
                conn_id=conn_id,
                generation_id=generation_id,
                earlier=there.followed() if there else (),
                number=there.number + 1 if there else 1,
            )
            if not self._ledger.claim(record, there):
                self._log.warning("Generation %s isn't recorded: another process was faster", generation_id)
        except Exception as error:  # noqa: BLE001 - as in note()
            self._log.warning("Generation %s couldn't be recorded: %s", generation_id, _named(error))

    def answer(self, record: Record, max_tries: int) -> None:
        """Note that a clear has been answered by what there was: what follows are retries."""
        # Not the try: the record is still of the one that submitted, at the time that it says.
        self.note(replace(record, max_tries=max_tries))

    def done(self, generation_id: str) -> None:
        """Note that the task has succeeded. The record stays: Airflow may still lose the success."""
        try:
            record = self._ledger.read()
            if record is None or record.generation_id != generation_id:
                return
            max_tries = max(self._context["ti"].max_tries, record.max_tries)
            self._ledger.write(replace(record, phase=SubmitPhase.DONE, max_tries=max_tries))
            if record.digest and self._index is not None:
                self._index.add(record.digest, generation_id)
        except Exception as error:  # noqa: BLE001 - a later try asks the gateway instead
            self._log.warning("Generation %s couldn't be marked done: %s", generation_id, _named(error))

    def known_id(self) -> str | None:
        """Return the id of the generation that the task has, for an error that must name it."""
        try:
            record = self._ledger.read()
        except Exception as error:  # noqa: BLE001 - that error is the one to raise
            self._log.warning("The ledger couldn't be read: %s", _named(error))
            return None
        return None if record is None else record.generation_id

    def _write(self, record: Record, *, unless_replaced: bool = False) -> None:
        for pause in WRITE_PAUSES:
            try:
                return self._write_once(record, unless_replaced)
            except Exception as error:  # noqa: BLE001 - as in note()
                self._log.warning("The record couldn't be written, once more in %s s: %s", pause, _named(error))
                time.sleep(pause)
        return self._write_once(record, unless_replaced)

    def _write_once(self, record: Record, unless_replaced: bool) -> None:
        # Another process may have bought meanwhile; what it has written is worth more.
        if unless_replaced and (there := self._ledger.read()) is not None and there.nonce != record.nonce:
            self._log.warning("The record isn't written: another process has written one")
        else:
            self._ledger.write(record)

    def _take_back(self, intent: Record) -> None:
        """Leave no intent behind of which a later try would think that it was sent."""
        try:
            there = self._ledger.read()
            if there is not None and there.nonce == intent.nonce:
                self._ledger.write(replace(intent, phase=SubmitPhase.REFUSED))
        except Exception as error:  # noqa: BLE001 - then a later try asks a person
            self._log.warning("The intent couldn't be taken back: %s", _named(error))


def _named(error: BaseException) -> str:
    return printable(f"{type(error).__name__}: {error}", 300)
