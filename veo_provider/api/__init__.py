# SPDX-License-Identifier: Apache-2.0
"""The gateway's wire protocol as pure functions and data: no socket, no clock, nothing of Airflow.

Every rule comes from the wire contract, which the documentation's page "Gateway contract" repeats.
What can go wrong is returned as a :class:`~veo_provider.api.problem.Problem`; raising is for hooks and
operators.
"""
