# SPDX-License-Identifier: Apache-2.0
"""Run a command as another user: ``as_user.py UID GID COMMAND...``. PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import sys


def main() -> None:
    uid, gid, *command = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
