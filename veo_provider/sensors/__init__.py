# SPDX-License-Identifier: Apache-2.0
"""Wait for a generation that someone else submitted."""
