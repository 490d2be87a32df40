"""Analysing tracks that are indexed already; nothing is embedded for it."""

from collections.abc import Callable, Iterable

from kobza.internal_error import InternalError
from kobza.library.ingest.analysis import SAMPLING_RATE, with_analysis
from kobza.library.ingest.decode_ahead import decoded
from kobza.library.ingest.decoding import RecordingEnd, WindowSettings
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.scan import Job
from kobza.library.records import Failure
from kobza.library.stores.base import Store

RULE = WindowSettings(SAMPLING_RATE, window_seconds=10.0, min_window_seconds=1.0)  # what decoding hands over at once


def analyze_tracks(
    store: Store, paths: Iterable[str], progress: Callable[[Progress], None] | None = None
) -> tuple[int, list[Failure]]:
    """Analyse those of the tracks at `paths` that were not, and write each at once: (how many, what cannot be read).

    A file that has changed since it was indexed is left to the next run.
    """
    wanted = set(paths)
    tracks = {track.path: track for track in store.select() if track.energy is None and track.path in wanted}
    states = store.file_states()
    jobs = [Job(path, states[path].size, states[path].mtime_ns, known=True, analyze=True) for path in tracks]
    failed: list[Failure] = []
    written = done = 0
    with decoded(jobs, RULE) as events:
        while done < len(jobs):
            event = events.get()
            if not isinstance(event, RecordingEnd):
                continue
            done += 1
            recording, path = event.recording, event.recording.job.path
            if recording.failure is not None:
                failed.append(recording.failure)
            elif recording.fault is not None:
                raise InternalError(recording.fault)
            elif recording.hash == states[path].hash and recording.analysis.energy is not None:
                store.retag(with_analysis(tracks[path], recording.analysis), states[path])
                written += 1
            if progress is not None:
                progress(Progress(done, len(jobs), done / len(jobs), path))
    return written, failed
