"""The main job up to a stage, or the whole of it with a look at its threads: `python -m benchmarks.stages STAGE …`.

Each stage does what the one before it does, and one thing more, with the engine's own parts; the rest of the command
line is that of `sync`. For `profile.py`, which measures these processes from outside.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

STAGES = {
    "start": "start-up",
    "read": "reading bytes",
    "source": "decoding, checking, ids",
    "cut": "cutting chunks",
    "produce": "from reader to event loop",
    "send": "sending",
    "whole": "order, replies, journal, fingerprint, report",
}
"""What each stage adds to the one before it."""

READER = "reader"
"""The process that reads, beside the threads of this one."""

SAMPLE_S = 0.05
READ_BYTES = 1 << 20


async def work_up_to(stage: str, config: Path) -> None:
    """Do the job up to `stage` (any but the whole)."""
    from engine.api.http import HttpBulkApi
    from engine.pipeline.channel import Channel
    from engine.pipeline.pipeline import CHUNKS_QUEUED
    from engine.pipeline.producer import produce
    from engine.reading.process import ReaderProcess
    from engine.reading.spawned import pays
    from engine.run.job import endpoint_of, reading_of
    from engine.settings.loading import load
    from engine.sources.files import open_source
    from engine.values.records import Chunk

    settings = load(config)
    upload = settings.upload
    source = open_source(settings.source.spec(), batch_size=upload.batch_size, record_bytes_max=upload.max_body_bytes)
    reading = reading_of(settings, None)
    async with HttpBulkApi(endpoint_of(settings)) as api:
        match stage:
            case "read":
                _read_all(source.paths)
            case "source":
                _exhaust(source.blocks())
            case "cut":
                _exhaust(reading.cutting.cut(source))
            case "produce" | "send":
                in_process = not pays(source.size())
                chunks = reading.cutting.cut(source) if in_process else ReaderProcess(reading).chunks()
                channel: Channel[Chunk] = Channel(CHUNKS_QUEUED)

                async def take() -> None:
                    async for chunk in channel:
                        if stage == "send":
                            await api.update(chunk.elements)

                async with asyncio.TaskGroup() as group:
                    group.create_task(produce(chunks, channel))
                    for _ in range(upload.concurrency):
                        group.create_task(take())


def _read_all(paths: tuple[str, ...]) -> None:
    for path in paths:
        with open(path, "rb") as file:
            while file.read(READ_BYTES):
                pass


def _exhaust(items: Iterator[object]) -> None:
    for _ in items:
        pass


class ThreadTimes:
    """Notes, while the work goes on, how much CPU each thread of this process has used."""

    def __init__(self) -> None:
        self._nanoseconds: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample_until_over, name="sampler", daemon=True)
        self._sampler.start()

    def stop(self) -> dict[str, float]:
        """Return CPU seconds by the name of the thread; native libraries' threads are one, and so is the reader."""
        self._over.set()
        self._sampler.join()
        seconds: dict[str, float] = {}
        self._nanoseconds.pop(self._sampler.native_id or 0, None)
        for thread, spent in self._nanoseconds.items():
            name = self._names.get(thread, "native threads")
            seconds[name] = seconds.get(name, 0.0) + spent / 1e9
        reader = resource.getrusage(resource.RUSAGE_CHILDREN)
        return seconds | {READER: reader.ru_utime + reader.ru_stime}

    def _sample_until_over(self) -> None:
        last = False
        while not last:
            last = self._over.wait(SAMPLE_S)
            self._names.update({thread.native_id or 0: thread.name for thread in threading.enumerate()})
            for task in Path("/proc/self/task").iterdir():
                try:
                    self._nanoseconds[int(task.name)] = int((task / "schedstat").read_text().split()[0])
                except OSError:
                    continue  # the thread has ended


def main(stage: str, arguments: list[str]) -> int:
    """Do the job up to `stage`; `threads` does all of it and prints one more line, with the CPU by thread."""
    from engine.__main__ import GC_THRESHOLDS, main as engine_main

    if stage == "whole":
        return engine_main(arguments)
    if stage == "threads":
        times = ThreadTimes()
        exit_code = engine_main(arguments)
        print(json.dumps(times.stop()))
        return exit_code
    import uvloop

    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work_up_to(stage, Path(arguments[arguments.index("-c") + 1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
