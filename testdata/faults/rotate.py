#!/usr/bin/env python3
"""rotate.py - a log that rotates as it grows: rotate.py rename|copytruncate LOG COUNT.

In: `now` and `later`, stamps. Out: COUNT numbered records of `now` with a rotation after each few hundred (three are kept),
then one of `later`, which moves time on.
"""
import os
import shutil
import sys
import time

how, log, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
now, later = os.environ["now"].encode(), os.environ["later"].encode()
out = open(log, "ab", buffering=0)
turned = time.monotonic()
for i in range(1, count + 1):
    out.write(b'{"ts":"%s","x":%d}\n' % (now, i))
    if i % 20 == 0:
        time.sleep(0.005)
    if i % 300 == 0 and time.monotonic() - turned > 0.3:
        for old in (3, 2):
            if os.path.exists(f"{log}.{old - 1}"):
                os.rename(f"{log}.{old - 1}", f"{log}.{old}")
        if how == "rename":
            os.rename(log, log + ".1")
            out.write(b'{"ts":"%s","old_file":true}\n' % now)  # the writer has not looked yet
            out.close()
            out = open(log, "ab", buffering=0)
        else:
            shutil.copyfile(log, log + ".1")
            os.truncate(log, 0)
        turned = time.monotonic()
out.write(b'{"ts":"%s"}\n' % later)
