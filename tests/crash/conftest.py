"""Disks that fail want root, strace and tmpfs: for who asks, ``PARLEY_DISK=1 pytest tests/crash``."""

import os

collect_ignore = [] if os.environ.get("PARLEY_DISK") else ["test_disk.py"]
