# SPDX-License-Identifier: Apache-2.0
"""From the gateway's result to the user's own storage."""
