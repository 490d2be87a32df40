"""Small data sets in the folders and file formats of the real ones."""

import csv
import json

import soundfile
from recordings import tone, write

from kobza.data.gtzan import GENRES

TAGS = [str(100 + 20 * i) for i in range(188)]  # frequencies: `ToneEmbedder` understands "tone 440"

CLOTHO_HEAD = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


def clotho(folder, tables="", audio=""):
    """The same name in two splits, as in Clotho's archives."""
    for published in ("development", "validation", "evaluation"):
        captions = ",".join(f'"{published}, words {n}"' for n in range(1, 6))
        table = folder / tables / f"clotho_captions_{published}.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"{CLOTHO_HEAD}Rain on a Tent (2).wav,{captions}\ngone.wav,{captions}\n")
        write(folder / audio / published / "Rain on a Tent (2).wav", tone(300, 0.2))
    return folder


def gtzan(folder, numbers=(0, 1), kind="wav"):
    """Tones of 0.5 s, an own pitch per genre, under GTZAN's names; 16-bit .wav, or big-endian .au of the archive."""
    for g, genre in enumerate(GENRES):
        (folder / genre).mkdir(parents=True)
        for number in numbers:
            path = folder / genre / f"{genre}.{number:05d}.{kind}"
            soundfile.write(path, tone(200 + 150 * g + number, 0.5), 16000, format=kind.upper(), subtype="PCM_16")
    return folder


def magnatagatune(folder, clips, tags=TAGS, write_audio=True):
    """clips: {mp3_path: its tags}. Quoted, tab-separated, as annotations_final.csv is; mp3 of each one's first tag."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "annotations_final.csv", "w", newline="") as file:
        table = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        table.writerow(["clip_id", *tags, "mp3_path"])
        for i, (path, had) in enumerate(clips.items(), 2):
            table.writerow([i, *("1" if tag in had else "0" for tag in tags), path])
            if write_audio:
                write(folder / path, tone(float(had[0]) if had else 60.0, 1.5))
    return folder


def musiccaps(folder, count, frequencies=None):
    """Clips in MusicCaps' columns, every second one of AudioSet's evaluation set."""
    rows = []
    for i in range(count):
        hertz = (frequencies or [150 + 100 * k for k in range(count)])[i]
        ytid = f"-{i:02d}SdAVK79lg"
        write(folder / f"{ytid}.wav", tone(hertz, 0.3))
        rows.append(
            {
                "file_name": f"{ytid}.wav",
                "ytid": ytid,
                "start_s": 30,
                "end_s": 40,
                "audioset_positive_labels": "/m/0140xf,/m/02cjck",
                "aspect_list": "['low quality', 'sustained strings']",
                "caption": f"the song is a tone {hertz}",
                "author_id": 4,
                "is_balanced_subset": False,
                "is_audioset_eval": i % 2 == 0,
            }
        )
    write_rows(folder, rows)
    return folder


def musiccaps_table(path, ids, start=5):
    """MusicCaps' table of those videos, each with ten seconds from `start` on."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        about = ("audioset_positive_labels", "aspect_list", "caption", "author_id")
        table.writerow(["ytid", "start_s", "end_s", *about, "is_balanced_subset", "is_audioset_eval"])
        for ytid in ids:
            aspects = """['slow', "it's sad"]"""
            table.writerow([ytid, start, start + 10, "/m/04rlf", aspects, f"The song of {ytid}.", 4, "False", "True"])
    return path


def write_rows(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
