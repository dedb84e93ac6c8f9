# SPDX-License-Identifier: Apache-2.0
"""Submit a generation and tell what became of it."""
