import math

import pytest
import torch

from kobza.model.loss_kobza import LOSSES, clip_loss, logit_scale, mulan_loss, siglip_loss


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def test_the_two_forms_of_the_temperature():
    assert logit_scale(2.0, "exp") == pytest.approx(math.e**2)
    assert logit_scale(0.0, "exp") == 1.0
    assert logit_scale(0.2, "inverse") == pytest.approx(5.0)


def rows_only(logits: torch.Tensor) -> float:
    h = logits.exp()
    return sum(-math.log(h[i, i] / h[i].sum()) for i in range(len(h))) / len(h)


def test_clip_is_the_mean_of_both_directions_and_of_neither_alone(logits):
    there, back = rows_only(logits), rows_only(logits.t())
    assert abs(there - back) > 0.1  # else the next lines would prove nothing
    assert clip_loss(logits).item() == pytest.approx((there + back) / 2)
    assert abs(clip_loss(logits).item() - there) > 0.05


def test_mulan_is_the_formula_pair_by_pair(logits):
    h, n = logits.exp(), len(logits)
    expected = 0.0
    for i in range(n):
        others = 0.0
        for j in range(n):
            if j != i:
                others += h[i, j] + h[j, i]
        expected -= math.log(h[i, i] / others)
    assert mulan_loss(logits).item() == pytest.approx(expected / n)


def test_siglip_asks_of_every_cell_whether_it_is_a_pair(logits):
    n, expected = len(logits), 0.0
    for i in range(n):
        for j in range(n):
            expected += math.log1p(math.exp(-logits[i, j] if i == j else logits[i, j]))
    assert siglip_loss(logits).item() == pytest.approx(expected / n)


@pytest.mark.parametrize("name", LOSSES)
def test_sentences_and_recordings_are_treated_alike(name, logits):
    assert LOSSES[name](logits).item() == pytest.approx(LOSSES[name](logits.t()).item())


@pytest.mark.parametrize("name", LOSSES)
def test_a_rival_in_the_row_and_a_rival_in_the_column_both_push(name):
    logits = torch.zeros(4, 4, requires_grad=True)
    LOSSES[name](logits).backward()
    off_diagonal = ~torch.eye(4, dtype=torch.bool)
    assert (logits.grad[off_diagonal] > 0).all() and (logits.grad.diagonal() < 0).all()
    rival = torch.eye(4) * 5
    rival[0, 1] = 4.0  # sentence 0 likes recording 1 too: bad for sentence 0, and for recording 1
    assert LOSSES[name](rival) > LOSSES[name](torch.eye(4) * 5)
    assert LOSSES[name](rival.t().contiguous()) > LOSSES[name](torch.eye(4) * 5)


@pytest.mark.parametrize("name", LOSSES)
def test_large_scales_do_not_overflow(name):
    logits = ((torch.eye(3) * 2 - 1) * 1e4).requires_grad_()
    for matrix in (logits, -logits):
        loss = LOSSES[name](matrix)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()


def test_mulan_needs_another_pair():
    with pytest.raises(ValueError, match="the batch has 1: use a batch of 2 or more"):
        mulan_loss(torch.zeros(1, 1))


@pytest.fixture
def same() -> torch.Tensor:
    """Of the five pairs of `logits`, 0, 2 and 3 are of one recording, 1 and 4 of others."""
    owner = torch.tensor([0, 1, 0, 0, 2])
    return owner[:, None] == owner[None]


@pytest.mark.parametrize(("name", "perfect"), [("clip", 0.01), ("mulan", None), ("siglip", 0.02)])
def test_captions_of_one_recording_are_not_each_others_negatives(name, perfect):
    """Four perfect pairs with two captions each: before, CLIP's loss was log 2."""
    owner = torch.arange(8) // 2
    same = owner[:, None] == owner[None]
    logits = torch.where(same, 6.0, -2.0 if name == "clip" else -6.0)
    loss, single = LOSSES[name](logits, same), LOSSES[name](logits[::2, ::2])
    assert LOSSES[name](logits) > loss + 0.6
    if perfect is not None:
        assert loss < perfect
    else:  # more negatives, each as bad as in four pairs with a caption each
        assert loss.item() == pytest.approx(single.item() + math.log(2), abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_leads_to_another_caption_of_the_recording(name, logits, same):
    logits.requires_grad_()
    LOSSES[name](logits, same).backward()
    itself = torch.eye(5, dtype=torch.bool)
    assert (logits.grad[same & ~itself] == 0).all() and (logits.grad[~same] > 0).all()
    assert (logits.grad.diagonal() < 0).all()
    assert LOSSES[name](logits, same).item() == pytest.approx(LOSSES[name](logits.t(), same).item())


@pytest.mark.parametrize("name", LOSSES)
def test_recordings_with_one_caption_each_have_the_same_loss_to_the_bit(name, logits):
    one_each = torch.eye(5, dtype=torch.bool)
    assert torch.equal(LOSSES[name](logits.float(), one_each), LOSSES[name](logits.float()))


def test_mulan_needs_another_recording():
    with pytest.raises(ValueError, match="all 3 pairs of the batch are of one recording"):
        mulan_loss(torch.zeros(3, 3), torch.ones(3, 3, dtype=torch.bool))
