# SPDX-License-Identifier: Apache-2.0
"""The gateway as Airflow hooks, and the only sockets of the package."""
