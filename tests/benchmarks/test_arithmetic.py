import sys

from recordings import tone, write

from kobza.benchmarks import arithmetic


def test_all_arithmetics_are_measured_beside_pytorch(tiny_checkpoint, tmp_path, monkeypatch, capsys):
    rows = []
    for i in range(3):
        write(tmp_path / f"{i}.flac", tone(200 + 300 * i, 1.5))
        rows.append(f'{{"file_name": "{i}.flac", "caption": "tone {i}"}}\n')
    (tmp_path / "metadata.jsonl").write_text("".join(rows))
    argv = ["arithmetic", str(tmp_path), "--pairs", str(tmp_path), "--model", str(tiny_checkpoint)]
    monkeypatch.setattr(sys, "argv", argv)
    arithmetic.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 windows, 3 captions" and [line.split(":")[0] for line in lines[1:]] == [
        "PyTorch",
        "float32",
        "int8",
    ]
    assert "cosine mean 1.00000, lowest 1.00000" in lines[2] and lines[2].split("10 ")[-1] == lines[1].split("10 ")[-1]
