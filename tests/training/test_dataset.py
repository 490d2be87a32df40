import collections
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recordings import tone, write
from torch.utils.data import DataLoader

from kobza.audio import load_audio
from kobza.data.recordings import Recording
from kobza.training.dataset import PairCollator, PairDataset, write_text

ASPECTS = tuple(f"aspect {k}" for k in range(8))


def long_recording(path, hertz=200.0, seconds=20.0):
    t = np.arange(round(seconds * 16000)) / 16000
    return write(path, (0.4 * np.sin(2 * np.pi * (hertz + 20 * t) * t)).astype(np.float32))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Recording]:
    folder = tmp_path_factory.mktemp("pairs")
    long_recording(folder / "long.flac")
    write(folder / "short.wav", tone(500, 3.0))
    write(folder / "stereo.mp3", np.stack([tone(300, 12.0), tone(310, 12.0)]), 44100)
    long_recording(folder / "other.ogg", 700.0, 14.0)
    return [
        Recording(folder / name, name, caption=f"A sound of {name}.", aspects=ASPECTS)
        for name in ("long.flac", "short.wav", "stereo.mp3", "other.ogg")
    ]


def same(one: list[dict], two: list[dict]) -> bool:
    return len(one) == len(two) and all(
        a["text"] == b["text"] and a["key"] == b["key"] and np.array_equal(a["audio"], b["audio"])
        for a, b in zip(one, two, strict=True)
    )


def test_validation_is_the_first_window_and_the_caption(recordings):
    data = PairDataset(recordings, text="mix", train=False, seed=3)
    for item, recording in zip(data, recordings, strict=True):
        assert item["text"] == recording.caption and item["key"] == recording.id and "mask_seed" not in item
        assert np.array_equal(item["audio"], load_audio(recording.path)[:160_000]) and item["audio"].dtype == np.float32
    before = list(data)
    data.set_epoch(5)
    assert same(before, list(data))


def test_a_training_window_is_an_excerpt_of_the_recording(recordings):
    data = PairDataset(recordings, train=True)
    starts = []
    for epoch in range(6):
        data.set_epoch(epoch)
        window, whole = data[0]["audio"], load_audio(recordings[0].path)
        assert len(window) == 160_000
        places = [k for k in range(len(whole) - 160_000 + 1) if abs(whole[k] - window[0]) < 1e-7]
        starts += [k for k in places if np.array_equal(whole[k : k + 160_000], window)]
    assert len(starts) == 6 and len(set(starts)) == 6 and max(starts) - min(starts) > 30_000
    assert np.array_equal(data[1]["audio"], load_audio(recordings[1].path))  # all of a short one


def test_randomness_depends_on_seed_epoch_and_index_only(recordings):
    def run(seed=0, epoch=2, workers=0, order=range(4)):
        data = PairDataset(recordings, text="mix", train=True, seed=seed, mixup=0.5)
        data.set_epoch(epoch)
        if workers:
            return list(DataLoader(data, batch_size=None, num_workers=workers))
        items = {k: data[k] for k in order}
        return [items[k] for k in range(4)]

    once = run()
    assert same(once, run(order=(3, 1, 0, 2))) and same(once, run(workers=2))
    assert [i["mask_seed"] for i in once] == [i["mask_seed"] for i in run()]
    assert not same(once, run(epoch=3)) and not same(once, run(seed=1))


def test_a_new_epoch_reaches_persistent_workers(recordings):
    data = PairDataset(recordings, text="mix", train=True)
    loader = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in range(2):
        data.set_epoch(epoch)
        epochs.append(list(loader))
        assert same(epochs[-1], [data[k] for k in range(4)])
    assert not same(*epochs)


def test_text_is_the_caption_the_aspects_or_a_mix():
    recording, rng = Recording("", "a", caption="Sad song.", aspects=ASPECTS), np.random.default_rng(0)
    assert write_text(recording, "caption", rng) == write_text(recording, "mix", None) == "Sad song."
    assert write_text(recording, "aspects", rng) == ", ".join(ASPECTS)
    drawn = [write_text(recording, "mix", rng) for _ in range(400)]
    assert 150 < drawn.count("Sad song.") < 250
    lists = [text.split(", ") for text in drawn if text != "Sad song."]
    assert all(len(set(words)) == len(words) and set(words) <= set(ASPECTS) for words in lists)
    assert len({len(words) for words in lists}) > 3 and len({tuple(words) for words in lists}) > 100
    first = collections.Counter(words[0] for words in lists)
    assert set(first) == set(ASPECTS)  # in any order
    for text in ("caption", "aspects", "mix", "varied"):
        assert write_text(Recording("", "a", caption="Only this."), text, rng) == "Only this."
        assert write_text(Recording("", "a", aspects=("x",)), text, rng) == "x"
    with pytest.raises(ValueError, match="no text 'tags' to train on: choose one of caption, aspects, mix, varied"):
        PairDataset([], text="tags")


def test_varied_texts_are_paraphrases_too_and_sentences_around_aspects():
    recording = Recording("", "a", caption="Sad song.", aspects=ASPECTS, paraphrases=("A sad song.", "It is sad."))
    rng = np.random.default_rng(0)
    drawn = collections.Counter(write_text(recording, "varied", rng) for _ in range(900))
    captions = [drawn[text] for text in ("Sad song.", "A sad song.", "It is sad.")]
    assert all(110 < count < 190 for count in captions)
    framed = sum(count for text, count in drawn.items() if text.endswith(".")) - sum(captions)
    assert 170 < framed < 280 and any(text.startswith("Music: aspect ") for text in drawn)
    for text in ("caption", "mix", "aspects"):
        assert not {write_text(recording, text, rng) for _ in range(50)} & set(recording.paraphrases)
    assert write_text(recording, "varied", None) == "Sad song."


def test_mixup_joins_audio_and_texts(recordings):
    plain, mixed = (PairDataset(recordings, train=True, mixup=part) for part in (0.0, 1.0))
    for one, two in zip(plain, mixed, strict=True):
        assert two["text"].startswith(one["text"].rstrip(".") + ", and A sound of ")
        assert len(one["audio"]) == len(two["audio"]) and not np.array_equal(one["audio"], two["audio"])
        assert np.abs(two["audio"]).max() <= 1


def test_waveforms_are_changed_in_training_alone_and_the_same_again(recordings):
    def pairs(epoch, **options):
        data = PairDataset(recordings, **{"train": True, "seed": 4, "wave_augment": True, **options})
        data.set_epoch(epoch)
        return list(data)

    assert same(pairs(2), pairs(2)) and not same(pairs(2), pairs(3)) and not same(pairs(2), pairs(2, seed=5))
    for plain, changed in zip(pairs(2, wave_augment=False), pairs(2), strict=True):
        assert plain["text"] == changed["text"] and changed["audio"].dtype == np.float32
        assert not np.array_equal(plain["audio"], changed["audio"])
        assert len(plain["audio"]) / 1.07 < len(changed["audio"]) <= len(plain["audio"])
    assert same(list(PairDataset(recordings)), pairs(2, train=False))


def test_a_batch_is_a_models_input(recordings, tiny_processor):
    items = list(PairDataset(recordings))
    batch = PairCollator(tiny_processor)(items)
    assert batch["keys"] == [r.id for r in recordings] and "window_counts" not in batch
    assert batch["input_values"].shape == (4, 1024, 128)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (4, batch["input_ids"].shape[1])
    alone = PairCollator(tiny_processor)(items[1:2])
    assert torch.equal(alone["input_values"][0], batch["input_values"][1])
    with pytest.raises(ValueError, match="longer than the model's"):
        PairCollator(tiny_processor)(list(PairDataset(recordings, window_seconds=12.0)))


def test_spec_augment_masks_a_band_and_a_span_of_training_pairs_only(recordings, tiny_processor):
    collate, plain = PairCollator(tiny_processor, spec_augment=True), PairCollator(tiny_processor)
    validation = list(PairDataset(recordings))
    assert torch.equal(collate(validation)["input_values"], plain(validation)["input_values"])
    training = list(PairDataset(recordings, train=True))
    state = torch.random.get_rng_state()
    masked, whole = collate(training)["input_values"], plain(training)["input_values"]
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(masked, collate(training)["input_values"])
    assert torch.equal(masked[2], collate(training[2:3])["input_values"][0])  # whatever else is in the batch
    changed = masked != whole
    assert (masked[changed] == 0).all()
    for one in changed:
        frames, bins = one.all(1), one.all(0)
        assert frames.sum() < 192 and bins.sum() < 48
        assert torch.equal(one, frames[:, None] | bins[None])
    assert len({tuple(one.flatten().nonzero().flatten().tolist()) for one in changed}) == 4


def test_spec_augment_is_refused_where_a_tower_takes_waveforms(recordings):
    def processor(**_):
        return {"input_values": torch.zeros(len(recordings), 160_000), "window_counts": [1] * len(recordings)}

    processor.feature_extractor = SimpleNamespace(sampling_rate=16000)
    collate = PairCollator(processor, spec_augment=True)
    with pytest.raises(ValueError, match="masks spectrograms; this audio tower takes waveforms: leave it out"):
        collate(list(PairDataset(recordings, train=True)))
