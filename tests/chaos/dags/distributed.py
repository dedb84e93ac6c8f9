# SPDX-License-Identifier: Apache-2.0
"""What runs on an Airflow of two workers and two triggerers: in a pool that counts what is deferred, with a limit."""

from __future__ import annotations

from tests.chaos.videos import videos_dag

# Polls as they are by default, and a limit that is lower than the pool's.
distributed = videos_dag(
    "distributed",
    pool="veo",
    max_active_tis_per_dag=16,
    poll_interval=None,
)
