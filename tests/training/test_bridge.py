import torch

from kobza.training import bridge

CLASSES = 'index,mid,display_name\n1,/m/b,"Organ, church"\n0,/m/a,Piano\n2,/m/c,Flute\n'
ROWS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption\n"
    'one,0,10,"/m/a,/m/c","[\'soft piano\', \'flute\']","A piano, and a flute."\n'
    'two,0,10,"/m/b,/m/unknown","[\'loud\']",A church organ.\n'
)


def read(tmp_path, **kwargs):
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "musiccaps.csv").write_text(ROWS)
    return bridge.described_labels(tmp_path / "musiccaps.csv", tmp_path / "classes.csv", **kwargs)


def test_a_row_gives_its_caption_and_its_aspects_with_the_labels_of_the_recording(tmp_path):
    sentences, labels = read(tmp_path)
    assert sentences[:4] == ["A piano, and a flute.", "soft piano, flute", "A church organ.", "loud"]
    assert labels[:4].tolist() == [[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_every_label_gives_its_own_name(tmp_path):
    sentences, labels = read(tmp_path)
    assert sentences[4:] == [
        "Piano",
        "The Piano song",
        "Organ, church",
        "The Organ, church song",
        "Flute",
        "The Flute song",
    ]
    assert labels[4:].argmax(1).tolist() == [0, 0, 1, 1, 2, 2]


def test_rows_to_be_measured_on_are_left_out(tmp_path):
    sentences, labels = read(tmp_path, without={"one"})
    assert sentences[0] == "A church organ."
    assert len(sentences) == len(labels) == 8


def linear_world(n=4000, width=12, classes=20):
    rng = torch.Generator().manual_seed(0)
    truth = torch.randn(width, classes, generator=rng)
    pooled = torch.randn(n, width, generator=rng) + 3.0
    return pooled, pooled @ truth, truth


def test_with_all_axes_and_no_noise_text_lands_where_the_labels_are():
    pooled, labels, _ = linear_world()
    fitted = bridge.fit(pooled, labels, projection_dim=12, ridge=1e-6)
    text = pooled @ fitted.weight.T + fitted.bias
    sound = (labels - labels.mean(0)) @ fitted.axes
    torch.testing.assert_close(text, sound, atol=2e-2, rtol=1e-3)


def test_axes_are_orthonormal_and_the_first_say_most():
    pooled, labels, _ = linear_world()
    fitted = bridge.fit(pooled, labels, projection_dim=5)
    torch.testing.assert_close(fitted.axes.T @ fitted.axes, torch.eye(5), atol=1e-5, rtol=0)
    spread = (pooled @ fitted.weight.T + fitted.bias).var(0)
    assert (spread[:-1] >= spread[1:]).all()


def test_ridge_keeps_useless_dimensions_small():
    pooled, labels, truth = linear_world(n=60)
    noisy = labels + 20 * torch.randn(labels.shape, generator=torch.Generator().manual_seed(3))
    errors = []
    for ridge in (1e-6, 1.0):
        fitted = bridge.fit(pooled, noisy, projection_dim=12, ridge=ridge)
        errors.append(((fitted.weight.T @ fitted.axes.T) - truth).square().mean())
    assert errors[1] < errors[0]
