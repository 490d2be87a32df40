import pytest
import torch
import torch.nn.functional as F

from kobza.distill import label_space
from kobza.distill.captioned_rows import CaptionedRow, read_musiccaps
from kobza.distill.music_tag_rules import TAGS, match_tags

SINGING = {"singing", "vocals", "voice"}

CLASSES = 'index,mid,display_name\n1,/m/b,"Organ"\n0,/m/a,Piano\n2,/m/c,Flute\n3,/m/d,Singing\n'
ROWS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption\n"
    'one,0,10,"/m/a,/m/c","[\'soft piano\', \'flute\']","A piano, and a flute. Nobody sings."\n'
    "two,0,10,\"/m/b,/m/unknown\",\"['loud', 'no voices']\",A church organ and no piano.\n"
)


def read(tmp_path, **kwargs):
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "musiccaps.csv").write_text(ROWS)
    return read_musiccaps(tmp_path / "musiccaps.csv", tmp_path / "classes.csv", **kwargs)


def test_a_row_has_the_labels_of_its_recording_and_those_that_its_text_names(tmp_path):
    first, second = read(tmp_path)
    assert first.labels == {0, 2, 3}  # "Singing" is named only
    assert second.labels == {1} and second.aspects == ["loud", "no voices"]
    assert {TAGS[tag] for tag in first.tags} == {"quiet", "soft", "Mellow", "piano", "flute", "vocal", *SINGING}
    assert {TAGS[tag] for tag in second.tags} == {"loud", "instrumental", "no vocals", "no vocal", "no voice"}


def test_excluded_rows_are_not_read(tmp_path):
    assert [row.caption for row in read(tmp_path, exclude={"one"})] == ["A church organ and no piano."]


def linear_data(n=4000, width=12, classes=20):
    rng = torch.Generator().manual_seed(0)
    truth = torch.randn(width, classes, generator=rng)
    pooled = torch.randn(n, width, generator=rng) + 3.0
    return pooled, pooled @ truth, truth


def test_with_all_axes_text_is_projected_onto_the_map_that_made_the_labels():
    pooled, labels, _ = linear_data()
    fitted = label_space.fit(pooled, labels, projection_dim=12)
    text = pooled @ fitted.weight.T + fitted.bias
    torch.testing.assert_close(F.normalize(text, dim=1), F.normalize(labels @ fitted.axes, dim=1), atol=0.1, rtol=0)
    cosine = F.cosine_similarity(text - text.mean(0), (labels - labels.mean(0)) @ fitted.axes)
    assert cosine.min() > 0.99


def test_ridge_recovers_a_planted_map_and_its_intercept():
    pooled, labels, truth = linear_data()
    weight, bias = label_space.ridge(pooled, labels + 2.0, penalty=1e-9)
    torch.testing.assert_close(weight.float(), truth.T, atol=1e-3, rtol=0)
    torch.testing.assert_close(bias.float(), torch.full((20,), 2.0), atol=1e-2, rtol=0)


def test_the_penalty_of_ridge_is_relative_to_the_mean_variance():
    pooled = 7 * torch.randn(5000, 6, generator=torch.Generator().manual_seed(1))
    truth = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    weight, bias = label_space.ridge(pooled, pooled @ truth + 3, penalty=0.3)
    torch.testing.assert_close(weight.float(), truth.T / 1.3, atol=0.05, rtol=0)
    torch.testing.assert_close(bias.float(), torch.full((4,), 3.0), atol=0.2, rtol=0)


def test_ridge_reduces_the_error_on_noisy_labels():
    pooled, labels, truth = linear_data(n=60)
    noisy = labels + 20 * torch.randn(labels.shape, generator=torch.Generator().manual_seed(3))
    errors = [(label_space.ridge(pooled, noisy, penalty)[0].T - truth).square().mean() for penalty in (1e-6, 1.0)]
    assert errors[1] < errors[0]


def test_axes_are_orthonormal_and_sorted_by_variance():
    pooled, labels, _ = linear_data()
    fitted = label_space.fit(pooled, labels, projection_dim=5)
    torch.testing.assert_close(fitted.axes.T @ fitted.axes, torch.eye(5), atol=1e-5, rtol=0)
    spread = (pooled @ fitted.weight.T + fitted.bias).var(0)
    assert (spread[:-1] >= spread[1:]).all()


def test_rare_labels_count_more_and_blocks_by_their_weight_whatever_their_size():
    labels = torch.zeros(100, 3)
    labels[:64, 0] = labels[:4, 1] = 1
    torch.testing.assert_close(label_space.rarity_weights(labels), torch.tensor([1.0, 4.0, (0.64 / 0.004) ** 0.5]))
    weights = label_space.block_weights()
    sizes = [size for size, _ in label_space.BLOCKS]
    norms = [block.norm().item() for block in weights.split(sizes)]
    assert norms == pytest.approx([weight for _, weight in label_space.BLOCKS])


def test_a_name_stands_half_for_its_label_and_half_for_what_goes_with_it():
    labels = torch.zeros(40, 3)
    labels[:10, 0] = labels[:10, 1] = 1  # the first two always together
    labels[:2, 2] = 1  # too rare for a mean
    rows = label_space.name_targets(labels, torch.tensor([1.0, 2.0, 1.0]))
    mean = torch.tensor([0.75, 1.5, 0.15])
    torch.testing.assert_close(rows[0], 0.5 * torch.tensor([mean.norm().item(), 0, 0]) + 0.5 * mean)
    torch.testing.assert_close(rows[2], torch.tensor([0.0, 0.0, 1.0]))


def test_centred_captions_have_length_one_and_no_direction_in_common():
    pooled, labels, _ = linear_data()
    fitted = label_space.fit(pooled, labels, projection_dim=8)
    off_center = fitted._replace(bias=fitted.bias + 3 * fitted.weight.norm())
    centered = label_space.center_text(off_center, pooled)
    assert off_center.project_text(pooled).mean(0).norm() > 0.5
    assert centered.project_text(pooled).mean(0).norm() < 0.2


def test_statistics_standardise_logits_and_outliers_are_cut():
    logits = 5 + 3 * torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    space = label_space.LabelSpace(torch.zeros(4, 2), torch.zeros(4), torch.eye(4), torch.zeros(4), torch.ones(4))
    standardised = space.with_statistics(logits).standardise(logits)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(4), atol=0.02, rtol=0)
    torch.testing.assert_close(standardised.std(0), torch.ones(4), atol=0.02, rtol=0)
    assert space.standardise(torch.full((1, 4), 1e6)).max() == label_space.MAX_DEVIATIONS


def test_a_built_space_finds_the_label_that_a_sentence_names():
    """Sentences are counts of words; a caption names its recording's labels, and so must the text's side."""
    names = [f"label{i}" for i in range(527)]
    vocabulary = {word: i for i, word in enumerate([*names[:6], "jazz", "rock", "the", "song", "a"])}

    def pool(sentences):
        pooled = torch.zeros(len(sentences), len(vocabulary))
        for line, sentence in zip(pooled, sentences, strict=True):
            for word in sentence.lower().split():
                if word in vocabulary:
                    line[vocabulary[word]] += 1
        return pooled

    rows = [
        CaptionedRow(f"a {names[i % 6]} song {genre}", [names[i % 6]], {i % 6}, match_tags(genre))
        for i in range(60)
        for genre in ("jazz", "rock")
    ]
    space = label_space.build(rows, names, pool)
    logits = torch.zeros(8, 627)
    logits[range(6), range(6)] = 1.0
    logits[6, [527 + 9]] = logits[7, [527]] = 1.0  # MSD's "jazz" and "rock"
    logits[7, [527 + 50 + 7]] = 1.0
    words = [*names[:6], "jazz", "rock"]
    found = (space.project_text(pool(words)) @ space.project_audio(logits).T).argmax(1)
    assert found.tolist() == list(range(8))
