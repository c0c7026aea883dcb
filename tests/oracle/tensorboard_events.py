#!/usr/bin/env python3
"""Writes tests/fixtures/events.tfevents: the file of scalars that TensorBoard's own writer makes of some events.

    python3 tests/oracle/tensorboard_events.py             writes
    python3 tests/oracle/tensorboard_events.py --check     compares, and reads the file with TensorBoard's reader
    python3 tests/oracle/tensorboard_events.py --read DIR  prints what TensorBoard finds in a directory, a scalar a line
"""

import io
import pathlib
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "events.tfevents"
ROWS = [
    (0, {"loss": 2.5}),
    (1, {"loss": 1.25, "evaluation/accuracy": 0.1}),
    (300, {"loss": float("inf")}),
    (70000, {"a name of some length, so that the record has more than 127 bytes: " + "x" * 80: -1e-30}),
]


def written():
    """The first second is the 1700000000th; each record comes half a second after the last."""
    file, time = io.BytesIO(), 1700000000.0
    writer = RecordWriter(file)
    writer.write(Event(wall_time=time, file_version="brain.Event:2").SerializeToString())
    writer.write(Event(wall_time=time, step=5, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
    for step, scalars in ROWS:
        time += 0.5
        values = [Summary.Value(tag=name, simple_value=x) for name, x in scalars.items()]
        writer.write(Event(wall_time=time, step=step, summary=Summary(value=values)).SerializeToString())
    return file.getvalue()


def read(directory):
    events = EventAccumulator(str(directory), purge_orphaned_data=True, size_guidance={"scalars": 0})
    events.Reload()
    return [(tag, x.step, x.value) for tag in sorted(events.Tags()["scalars"]) for x in events.Scalars(tag)]


def main():
    if "--read" in sys.argv:
        for tag, step, value in read(sys.argv[2]):
            print(tag, step, value)
        return
    if "--check" not in sys.argv:
        OUT.write_bytes(written())
    elif OUT.read_bytes() != written():
        sys.exit(f"{OUT.name} is not what TensorBoard writes: run python3 tests/oracle/tensorboard_events.py")
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / OUT.name).write_bytes(OUT.read_bytes())
        found = read(directory)
    assert len(found) == sum(len(scalars) for _, scalars in ROWS), found
    print(f"tests/fixtures/{OUT.name} is what TensorBoard writes, and it reads {len(found)} scalars there")


if __name__ == "__main__":
    main()
