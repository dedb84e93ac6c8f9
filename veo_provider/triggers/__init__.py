# SPDX-License-Identifier: Apache-2.0
"""Waiting on the triggerer, and what crosses back to the worker."""
