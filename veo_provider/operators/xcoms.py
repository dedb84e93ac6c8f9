# SPDX-License-Identifier: Apache-2.0
"""The names of the XComs by which tasks, transfers and the page in Airflow's UI know each other's facts."""

from __future__ import annotations

GENERATION_XCOM = "veo_generation"
"""What a task says of its generation: a mapping."""

VIDEOS_XCOM = "veo_videos"
"""What a transfer says of the videos that it has stored: a list of mappings."""
