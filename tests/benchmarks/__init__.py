# SPDX-License-Identifier: Apache-2.0
"""Ours, its peers and the floors, measured in turn in one run: ``make bench`` prints the tables."""
