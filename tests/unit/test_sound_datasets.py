"""Datasets on disk to pairs: three published layouts and our own, and splits that do not leak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import TrainingError
from engine.training.sound_datasets.format_names import FORMAT_NAMES
from engine.training.sound_datasets.formats import _READERS, read_pairs
from engine.training.sound_datasets.pairs import SoundPair, split_by_fold, split_by_group


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")
    return path


def captions(data: Path, format_name: str = "auto") -> dict[str, str]:
    return {pair.sound.name: pair.caption for pair in read_pairs(data, format_name).pairs}


def esc50(data: Path, *, leave_out: str = "") -> Path:
    rows = [("1-100-A-0", 1, "dog"), ("1-100-B-0", 1, "dog"), ("2-200-A-12", 2, "crackling_fire"),
            ("3-300-A-10", 3, "rain")]  # fmt: skip
    table = data / "meta" / "esc50.csv"
    table.parent.mkdir(parents=True)
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for name, fold, category in rows:
        _, source, take, target = name.split("-")
        lines.append(f"{name}.wav,{fold},{target},{category},False,{source},{take}")
        if name != leave_out:
            touched(data / "audio" / f"{name}.wav")
    table.write_text("\n".join(lines))
    return data


def test_format_names_are_those_with_a_reader() -> None:
    assert ("auto", *_READERS) == FORMAT_NAMES


def test_esc50_is_recognised_with_folds_and_recordings(tmp_path: Path) -> None:
    found = read_pairs(esc50(tmp_path))
    assert [(p.group, p.fold) for p in found.pairs] == [
        ("100", "1"), ("100", "1"), ("200", "2"), ("300", "3"),
    ]  # fmt: skip
    assert found.pairs[2].caption == "crackling fire"
    assert found.pairs[3].caption == "rain drops on a window"  # the bank's prompt for rain
    assert found.report() == []


def test_missing_clips_are_listed_skipped_and_counted(tmp_path: Path) -> None:
    found = read_pairs(esc50(tmp_path, leave_out="2-200-A-12"))
    assert len(found.pairs) == 3
    assert found.report() == [
        f"missing: {tmp_path / 'audio' / '2-200-A-12.wav'}",
        "1 of 4 pairs are missing and were skipped",
    ]


def test_a_long_list_of_missing_clips_is_cut_but_counted_whole(tmp_path: Path) -> None:
    rows = "\n".join(f"{i}.wav,rain" for i in range(31))
    (tmp_path / "t.csv").write_text(f"file,category\n{rows}\n")
    touched(tmp_path / "0.wav")
    report = read_pairs(tmp_path).report()
    assert len(report) == 22
    assert report[-2:] == ["missing: and 10 more", "30 of 31 pairs are missing and were skipped"]


def test_audiocaps_from_its_json(tmp_path: Path) -> None:
    touched(tmp_path / "train" / "audio" / "a_b_30.wav")
    touched(tmp_path / "test" / "audio" / "own name.flac")
    samples = [
        {"id": "a_b_30", "audio": "train/audio/a_b_30.wav", "caption": "a dog  barks",
         "split": "train"},
        {"id": "x", "audio": "own name.flac", "caption": "rain falls", "split": "test"},
        {"id": "a_b_30", "audio": "", "caption": " ", "split": "train"},
        {"id": "gone", "audio": "", "caption": "wind", "split": "train"},
    ]  # fmt: skip
    (tmp_path / "metadata.json").write_text(json.dumps({"samples": samples}))
    found = read_pairs(tmp_path)
    assert [(p.caption, p.group, p.fold) for p in found.pairs] == [
        ("a dog barks", "a_b", "train"), ("rain falls", "x", "test"),
    ]  # fmt: skip
    assert len(found.missing) == 2
    assert "has no caption" in found.missing[0]


def test_audiocaps_from_the_published_tables(tmp_path: Path) -> None:
    touched(tmp_path / "train" / "audio" / "vid_30.wav")
    touched(tmp_path / "val" / "audio" / "9.wav")
    head = "audiocap_id,youtube_id,start_time,caption\n"
    (tmp_path / "train.csv").write_text(head + '1,vid,30,"a bell, ringing"\n2,vid,30,a bell\n')
    (tmp_path / "val.csv").write_text(head + "9,other,0,wind\n")
    found = read_pairs(tmp_path)
    assert [(p.sound.name, p.caption, p.group, p.fold) for p in found.pairs] == [
        ("vid_30.wav", "a bell, ringing", "vid", "train"),
        ("vid_30.wav", "a bell", "vid", "train"),
        ("9.wav", "wind", "other", "val"),
    ]


def test_audioset_by_names_of_its_labels(tmp_path: Path) -> None:
    names = 'index,mid,display_name\n0,/m/0,Speech\n1,/m/1,"Rain, falling"\n2,/m/2,Dog\n'
    (tmp_path / "class_labels_indices.csv").write_text(names)
    (tmp_path / "eval_segments.csv").write_text(
        "# Segments csv created Sun Mar  5 10:54:25 2017\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        '--aa, 30.000, 40.000, "/m/0,/m/1"\n-bb, 0.000, 10.000, "/m/2"\n'
        'cc, 5.000, 15.000, "/m/9"\n'
    )
    touched(tmp_path / "audio" / "--aa_30.wav")
    touched(tmp_path / "Y-bb.flac")
    found = read_pairs(tmp_path)
    assert [(p.caption, p.group, p.fold) for p in found.pairs] == [
        ("speech and rain", "--aa", "eval_segments"), ("dog", "-bb", "eval_segments"),
    ]  # fmt: skip
    assert len(found.missing) == 1


def test_any_folder_with_a_table(tmp_path: Path) -> None:
    touched(tmp_path / "rain" / "1-7-A.ogg")
    touched(tmp_path / "x.ogg")
    (tmp_path / "own.csv").write_text(
        "file,category,fold,freesound_id\nrain/1-7-A.ogg,rain,1,\nx.ogg,glass_breaking,2,55\n"
    )
    assert captions(tmp_path) == {
        "1-7-A.ogg": "rain drops on a window", "x.ogg": "glass breaking",
    }  # fmt: skip
    assert [pair.group for pair in read_pairs(tmp_path).pairs] == ["7", "55"]


def test_what_is_no_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"in no known format: ESC-50 has meta/esc50\.csv"):
        read_pairs(tmp_path)
    with pytest.raises(TrainingError, match="is no folder"):
        read_pairs(tmp_path / "none")
    (tmp_path / "metadata.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"metadata\.json is not"):
        read_pairs(tmp_path)


def test_a_table_without_its_columns_or_clips_is_named(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    table = tmp_path / "meta" / "esc50.csv"
    table.write_text("filename,fold\na.wav,1\n")
    with pytest.raises(TrainingError, match="no column 'category'"):
        read_pairs(tmp_path, "esc50")
    table.write_text("filename,fold,category\n")
    with pytest.raises(TrainingError, match="no rows"):
        read_pairs(tmp_path, "esc50")
    table.write_text("filename,fold,category\na.wav,1,dog\n")
    with pytest.raises(TrainingError, match=r"no pair .*1 are missing; the first missing one is"):
        read_pairs(tmp_path, "esc50")
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingError, match="cannot be read as a table"):
        read_pairs(tmp_path, "esc50")


def pair(number: int, group: str, fold: str) -> SoundPair:
    return SoundPair(Path(f"{number}.wav"), "c", group, fold)


def test_no_recording_is_learned_from_and_asked_about() -> None:
    """Even where the dataset's own folds cut one recording in two."""
    pairs = [pair(0, "a", "1"), pair(1, "b", "1"), pair(2, "b", "2"), pair(3, "c", "2")]
    split = split_by_fold(pairs, "2")
    assert [p.sound.stem for p in split.held_out] == ["2", "3"]
    assert [p.sound.stem for p in split.learned] == ["0"]
    with pytest.raises(TrainingError, match=r"no fold '7' .* has 1, 2"):
        split_by_fold(pairs, "7")
    with pytest.raises(TrainingError, match="all 2 pairs were held out"):
        split_by_fold([pair(0, "a", "1"), pair(1, "a", "1")], "1")


def test_groups_are_drawn_whole_and_the_same_by_seed() -> None:
    pairs = [pair(i, str(i // 3), "") for i in range(60)]
    split = split_by_group(pairs, 0.2, seed=1)
    assert len(split.held_out) == 12
    assert {p.group for p in split.held_out}.isdisjoint(p.group for p in split.learned)
    assert split == split_by_group(pairs, 0.2, seed=1)
    assert split != split_by_group(pairs, 0.2, seed=2)
