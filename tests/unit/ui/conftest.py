# SPDX-License-Identifier: Apache-2.0
"""The page is there on some versions of Airflow only."""

from __future__ import annotations

from veo_provider import compat

collect_ignore = [] if compat.PAGE else ["test_lanes.py", "test_listing.py", "test_stores.py"]
