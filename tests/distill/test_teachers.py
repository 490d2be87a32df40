import pytest
import torch

from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE, Teacher


def test_the_architecture_is_the_released_network(teacher):
    shapes = {name: tuple(value.shape) for name, value in teacher.state_dict().items()}
    assert sum(parameter.numel() for parameter in teacher.parameters()) == 983_599  # as its release says
    assert shapes["features.4.block.2.conc_se_layers.0.fc1.weight"] == (8, 32)
    assert shapes["features.15.block.1.0.weight"] == (384, 1, 5, 5)
    assert shapes["classifier.5.weight"] == (527, 512)


def test_ten_seconds_give_4_by_32_cells_and_the_embedding_is_their_mean(teacher):
    with torch.no_grad():
        output = teacher(torch.randn(2, 10 * TEACHER_SAMPLING_RATE) * 0.1)
        last = teacher.features[-1](output.cells)
    assert output.logits.shape == (2, 527)
    assert output.cells.shape == (2, 64, 4, 32)
    torch.testing.assert_close(output.embedding, last.mean((2, 3)))
    torch.testing.assert_close(output.logits, teacher.classifier(last))


def test_a_tone_excites_its_own_mel_band(teacher):
    time = torch.arange(TEACHER_SAMPLING_RATE) / TEACHER_SAMPLING_RATE
    low, high = (teacher.log_mel(torch.sin(2 * torch.pi * hertz * time)[None]) for hertz in (300.0, 6000.0))
    assert low.shape == (1, 1, 128, 100)  # a frame per 10 ms
    assert low.mean(3).argmax() < 40 < 90 < high.mean(3).argmax()


def test_the_teacher_is_frozen(teacher):
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_missing_weights_are_an_error_that_says_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"teacher's weights are not at .*mn04_as"):
        Teacher.load(tmp_path / "mn04_as.pt")


@pytest.mark.parametrize("content", [b"<html>Not found</html>", b"", {"weight": torch.zeros(2)}, [1]])
def test_a_file_without_the_weights_is_an_error_that_says_where_to_get_them(content, tmp_path):
    path = tmp_path / "mn04_as.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"mn04_as.pt does not hold the teacher's weights .*: download mn04_as"):
        Teacher.load(path)


def test_saved_weights_are_loaded(teacher, tmp_path):
    torch.save(teacher.state_dict(), tmp_path / "teacher.pt")
    loaded = Teacher.load(tmp_path / "teacher.pt").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in teacher.state_dict().items())
