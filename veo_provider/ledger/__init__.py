# SPDX-License-Identifier: Apache-2.0
"""
What a task knows of its own submit, across tries: the record, what follows from it, and where it is kept.

``record.py`` (what is known) -> ``decision.py`` (what to do about it) -> ``stores.py`` (Airflow's task state)
and ``folder.py`` (an object store).
"""
