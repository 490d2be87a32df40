"""The bridge: how sentences and sound meet in one space without a single captioned recording.

Each row of MusicCaps (arXiv 2301.11325) has a human caption and the AudioSet labels of the same recording. Ridge
regression carries a sentence's vector to those labels; the teacher carries sound to logits of the same labels. The 128
principal axes of what sentences say there are the shared space to begin with (`fit`). It is then tuned (`tune`): of
every caption, of its aspects, of the labels' names and of people's words sounds are imagined (`imagined.py`), and both
maps learn to find one by the other (CLIP's loss, arXiv 2103.00020). The result lies between the two: what is learned
from imagined sounds helps one word more than it helps a caption. So the text projection is known before any audio is
heard, and the audio tower learns to reach the same place (`student.py`).
"""

import ast
import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.distill.keyword_rules import TEMPLATES, VOICES, WORDS, labels_in, mistype, phrases
from kobza.distill.logit_sampler import Imagined, Known

RIDGE = 0.1  # share of the mean variance of a text dimension; the result hardly moves between 0.03 and 1
NAME_PROMPTS = ("{}", "The {} song")


MIX = 0.4  # share of what was tuned in what is used, measured: 1 finds words better and captions worse
RARE = 0.004  # labels rarer than this weigh no more than one that is as rare
COMMON = {"Music": 0.3, "Musical instrument": 1.0}  # where a positive lies, in deviations: most sounds have them
LABELLED, NAMED, WORD, ONLY, SILENT = (1.3, 0.3), (1.1, 0.45), (1.17, 0.35), (1.3, 0.25), (-0.35, 0.4)  # see `Known`


class Bridge(NamedTuple):
    """Text: pooled sentence @ `weight`.T + `bias`. Audio: standardised logits @ `axes`. Both then to unit length."""

    weight: Tensor  # (projection_dim, text width)
    bias: Tensor  # (projection_dim,)
    axes: Tensor  # (labels, projection_dim)
    logits_mean: Tensor  # (labels,), as are the deviations: how the teacher's logits are standardised
    logits_std: Tensor

    def place_text(self, pooled: Tensor) -> Tensor:
        """Pooled sentences (n, text width) -> unit length, (n, projection_dim)."""
        return F.normalize(pooled @ self.weight.T + self.bias, dim=-1)

    def place_sound(self, logits: Tensor) -> Tensor:
        """The teacher's logits (n, labels) -> unit length, (n, projection_dim)."""
        return F.normalize((logits - self.logits_mean) / self.logits_std @ self.axes, dim=-1)


class Said(NamedTuple):
    """Things said of the same sounds: of item i one of `texts[i]`, (k, text width); `sounds` (copies, n, labels)."""

    texts: Sequence[Tensor]
    sounds: Tensor
    batch: int
    first: float = 0.0  # how often the first text, a caption, is the one; else one of the others or a mean of several


def read_labels(path: Path) -> tuple[dict[str, int], list[str]]:
    """AudioSet's class table (index, mid, display_name) -> index of each MID, and the names in order."""
    with open(path, newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: int(row["index"]))
    return {row["mid"]: int(row["index"]) for row in rows}, [row["display_name"] for row in rows]


class Row(NamedTuple):
    """A row of MusicCaps: its caption, its aspects, its labels and those that its words name, and that no one sings."""

    caption: str
    aspects: list[str]
    labels: set[int]
    named: set[int]
    voiceless: bool


def read_rows(musiccaps: Path, class_table: Path, without: set[str] = frozenset()) -> list[Row]:
    """The rows of MusicCaps, but for those whose ytid is in `without` (so that those recordings can be measured on)."""
    index, names = read_labels(class_table)
    number = {name: at for at, name in enumerate(names)}
    rows = []
    with open(musiccaps, newline="") as table:
        for row in csv.DictReader(table):
            if row["ytid"] in without:
                continue
            aspects = ast.literal_eval(row["aspect_list"])
            named, voiceless = labels_in(f"{row['caption']} . {', '.join(aspects)}")
            labels = {index[mid] for mid in row["audioset_positive_labels"].split(",") if mid in index}
            rows.append(Row(row["caption"], aspects, labels, {number[n] for n in named if n in number}, voiceless))
    return rows


def fit(pooled: Tensor, labels: Tensor, projection_dim: int = 128, ridge: float = RIDGE) -> Bridge:
    """Ridge regression from pooled sentences (n, width) to labels (n, classes), cut to its principal axes.

    A label counts by the root of its rarity. The logits' statistics are left at 0 and 1.
    """
    share = labels.double().mean(0).clamp_min(RARE)
    x, y = pooled.double(), labels.double() * (share.max() / share).sqrt()
    x_mean = x.mean(0)
    centred = x - x_mean
    covariance = centred.T @ centred / len(x)
    penalty = ridge * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=x.dtype)
    solved = torch.linalg.solve(covariance + penalty, centred.T @ (y - y.mean(0)) / len(x))  # (width, classes)
    axes = torch.linalg.eigh(solved.T @ covariance @ solved).eigenvectors.flip(1)[:, :projection_dim]  # largest first
    weight = (solved @ axes).T.contiguous()
    plain = torch.zeros(y.shape[1]), torch.ones(y.shape[1])
    return Bridge(weight.float(), (-weight @ x_mean).float(), axes.float().contiguous(), *plain)


def _say(texts: Tensor, first: float, rng: random.Random) -> Tensor:
    """One text's vector out of (k, width)."""
    if len(texts) == 1 or rng.random() < first:
        return texts[0]
    others = texts[1:] if first else texts
    if not first or rng.random() < 0.55:
        return others[rng.randrange(len(others))]
    return others[rng.sample(range(len(others)), rng.randint(min(2, len(others)), len(others)))].mean(0)


def tune(start: Bridge, lessons: Sequence[Said], steps: int = 200, mix: float = MIX, seed: int = 0) -> Bridge:
    """Both maps learn to tell whose sound is whose within a batch; `mix` of the learned, the rest is `start`.

    The scales of text and sound before they are brought to unit length are free, so both are set to one first.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    spread = (torch.stack([texts[0] for texts in lessons[0].texts]) @ start.weight.T + start.bias).std()
    sound_spread = (lessons[0].sounds[0].float() @ start.axes).std()
    begun = [start.weight / spread, start.bias / spread, start.axes / sound_spread]
    weight, bias, axes = learned = [tensor.clone().requires_grad_() for tensor in begun]
    scale = torch.tensor(14.0).log().requires_grad_()
    rates = (2e-3, 2e-4, 3e-3)  # the audio side moves slowly: it is known from real sounds, the text side is not
    optimizer = torch.optim.Adam([{"params": p} for p in ([weight, bias], [axes], [scale])], betas=(0.9, 0.98))
    for step in range(steps):
        share = min(1.0, (step + 1) / 50, (steps - step) / (0.6 * steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        texts, sounds = [], []
        for lesson in lessons:
            numbers = torch.randint(len(lesson.texts), (lesson.batch,))
            texts += [_say(lesson.texts[number], lesson.first, rng) for number in numbers.tolist()]
            sounds.append(lesson.sounds[torch.randint(len(lesson.sounds), (lesson.batch,)), numbers].float())
        sound = torch.cat(sounds)
        sound = sound + 0.5 * torch.randn_like(sound)  # the student will not hear as the teacher does
        cosines = F.normalize(torch.stack(texts) @ weight.T + bias, dim=-1) @ F.normalize(sound @ axes, dim=-1).T
        logits, own = scale.exp().clamp(max=40) * cosines, torch.arange(len(sound))
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mixed = [mix * new.detach() + (1 - mix) * old for new, old in zip(learned, begun, strict=True)]
    return Bridge(*mixed, start.logits_mean, start.logits_std)


def known(row: Row, number: dict[str, int]) -> Known:
    """What a row says of its sound; the labels of its recording count more than those that its words name."""
    said = dict.fromkeys(row.named, NAMED) | dict.fromkeys(row.labels, LABELLED)
    silent = {number[name] for name in VOICES if name in number} if row.voiceless else set()
    return said | dict.fromkeys(silent - row.labels, SILENT)


def build(rows: list[Row], names: list[str], imagined: Imagined, read: Callable[[list[str]], Tensor]) -> Bridge:
    """The bridge from MusicCaps' rows, the labels' names and people's words. `read`: sentences -> pooled (n, width)."""
    number, rng, draws = {name: at for at, name in enumerate(names)}, random.Random(0), torch.Generator().manual_seed(0)
    for name, place in COMMON.items():
        if name in number:
            imagined.positive[number[name]] = place
    captions, aspects = read([row.caption for row in rows]), sorted({a for row in rows for a in row.aspects})
    place = dict(zip(aspects, read(aspects), strict=True))
    said = [
        torch.stack([caption, *(place[a] for a in row.aspects)]) for caption, row in zip(captions, rows, strict=True)
    ]
    own = read([prompt.format(name) for name in names for prompt in NAME_PROMPTS]).unflatten(0, (len(names), -1))

    targets = torch.zeros(len(rows), len(names))
    for target, row in zip(targets, rows, strict=True):
        target[sorted(row.labels | row.named)] = 1.0
    lists = torch.stack([texts[-len(row.aspects) :].mean(0) for texts, row in zip(said, rows, strict=True)])
    of_names = torch.eye(len(names)).repeat_interleave(len(NAME_PROMPTS), 0)
    start = fit(torch.cat([captions, lists, own.flatten(0, 1)]), torch.cat([targets, targets, of_names]))
    start = start._replace(logits_mean=imagined.mean.float(), logits_std=imagined.std.float())

    words = phrases()
    forms = [[*(t.format(word) for t in TEMPLATES), mistype(word, rng)] for word in words]
    typed = read([form for group in forms for form in group]).unflatten(0, (len(words), -1))
    meant = [{number[n]: WORD for n in labels_in(word)[0] if n in number} for word in words]
    meant = [labels or {number.get("Music", 0): (1.3, 1.0)} for labels in meant]
    heard = imagined.draw([known(row, number) for row in rows], 4, draws)
    alone = imagined.draw([{at: ONLY} for at in range(len(names))], 8, draws)
    music = [number[name] for name in names if name in WORDS] or list(range(len(names)))
    return tune(
        start,
        [
            Said(said, heard, 384, 0.45),
            Said([own[at] for at in music], alone[:, music], 64),
            Said(list(typed), imagined.draw(meant, 4, draws), 128),
        ],
    )
