# SPDX-License-Identifier: Apache-2.0
"""The gateway as Airflow hooks: whatever goes to it, or is fetched from its links, goes through here."""
