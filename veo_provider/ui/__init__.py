# SPDX-License-Identifier: Apache-2.0
"""The page "Veo videos" in Airflow's UI: ``app`` asks ``access``, then ``listing`` or ``serving``."""
