"""Models from the hub, against one on the loopback interface that does everything wrong once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from engine.diffusion.hub.cache import cached_models, snapshot_of
from engine.diffusion.hub.choice import choose_files
from engine.diffusion.hub.client import Hub, RemoteFile, Repository
from engine.diffusion.hub.fetch import (
    SPARE_BYTES,
    TRIES,
    FetchProgress,
    bytes_missing,
    check_room,
    fetch,
)
from engine.errors import FetchError, ModelLoadError
from tests.checkpoints import write_sd, write_taesd
from tests.fake_hub import COMMIT, FakeHub, FakeRepository, fake_hub

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

WEIGHTS = bytes(range(256)) * 400
ONE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as running:
        running.repositories["some/model"] = FakeRepository(
            {"model_index.json": b"{}", "unet/config.json": b'{"a": 1}', ONE: WEIGHTS}
        )
        yield running


def bring(
    hub: FakeHub, root: Path, hub_id: str = "some/model", *, token: str | None = None
) -> tuple[Path, list[FetchProgress], list[float]]:
    steps: list[FetchProgress] = []
    waits: list[float] = []
    with Hub(hub.url, token) as client:
        repository = client.repository(hub_id)
        folder = fetch(
            client, repository, choose_files(repository), root, steps.append, waits.append
        )
    return folder, steps, waits


def test_a_model_lies_where_the_hubs_own_tools_look_for_it(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download, snapshot_download

    folder, steps, _ = bring(hub, tmp_path)
    assert (folder / ONE).read_bytes() == WEIGHTS
    assert snapshot_of("some/model", tmp_path) == folder
    offline = {"local_files_only": True, "cache_dir": tmp_path}
    assert Path(snapshot_download("some/model", **offline)) == folder
    assert Path(hf_hub_download("some/model", ONE, **offline)) == folder / ONE
    assert (
        steps[-1].done
        == steps[-1].total
        == sum(len(data) for data in hub.repositories["some/model"].files.values())
    )


def test_a_cut_connection_is_taken_up_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_after = [40_000, 30_000]
    folder, _, waits = bring(hub, tmp_path)
    assert (folder / ONE).read_bytes() == WEIGHTS
    ranges = [span for path, span, _ in hub.asked if path.endswith(ONE)]
    assert ranges == ["", "bytes=32768-", "bytes=49152-"]
    assert len(waits) == 2


def test_a_later_fetch_goes_on_with_what_an_earlier_one_left(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_after = [20_000] + [0] * TRIES
    with pytest.raises(FetchError, match=r"goes on where it stopped"):
        bring(hub, tmp_path)
    assert snapshot_of("some/model", tmp_path) is None
    assert [(model.half, model.snapshot) for model in cached_models(tmp_path)] == [(True, None)]
    hub.asked.clear()
    folder, steps, _ = bring(hub, tmp_path)
    assert (folder / ONE).read_bytes() == WEIGHTS
    assert [span for path, span, _ in hub.asked if path.endswith(ONE)] == ["bytes=16384-"]
    assert min(step.done for step in steps if step.path == ONE) > 16_384


def test_a_hub_that_cannot_resume_begins_anew(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_after, hub.ignores_ranges = [40_000], True
    folder, _, _ = bring(hub, tmp_path)
    assert (folder / ONE).read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", [ONE, "unet/config.json"])
def test_a_file_that_arrives_damaged_is_deleted_and_never_used(
    hub: FakeHub, tmp_path: Path, path: str
) -> None:
    hub.flipped = {path}
    with pytest.raises(FetchError, match=rf"{path} of some/model arrived damaged .checksum"):
        bring(hub, tmp_path)
    assert snapshot_of("some/model", tmp_path) is None
    hub.flipped = set()
    folder, _, _ = bring(hub, tmp_path)
    assert (folder / path).read_bytes() == hub.repositories["some/model"].files[path]


def test_what_is_here_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    bring(hub, tmp_path)
    hub.asked.clear()
    bring(hub, tmp_path)
    assert [path for path, _, _ in hub.asked] == ["/api/models/some/model/revision/main"]


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path
) -> None:
    with Hub(hub.url) as client:
        repository = client.repository("some/model")
    files = choose_files(repository)
    need = bytes_missing(repository, files, tmp_path)
    assert need == sum(file.size for file in files)
    check_room(repository, files, tmp_path, need + SPARE_BYTES)
    with pytest.raises(FetchError, match=r"needs 0\.00 GB more and 0\.50 GB is free"):
        check_room(repository, files, tmp_path, need + SPARE_BYTES - 1)
    bring(hub, tmp_path)
    check_room(repository, files, tmp_path, 0)


def test_a_model_that_is_not_there_is_named(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"has no some/other .*models list"):
        bring(hub, tmp_path, "some/other")


def test_a_gated_model_says_where_its_licence_is_accepted(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories["some/model"].gated = True
    with pytest.raises(FetchError, match=rf"accept it at {hub.url}/some/model.*HF_TOKEN"):
        bring(hub, tmp_path)


def test_without_a_network_the_remedy_is_a_folder(tmp_path: Path) -> None:
    with (
        Hub("http://127.0.0.1:9") as client,
        pytest.raises(FetchError, match=r"check the network"),
    ):
        client.repository("some/model")


def test_a_server_that_is_no_hub_is_named(hub: FakeHub) -> None:
    hub.answers_pages = True
    with Hub(hub.url) as client, pytest.raises(FetchError, match="is it a model hub"):
        client.repository("some/model")


def test_the_token_does_not_follow_a_redirect_to_another_host(
    hub: FakeHub, tmp_path: Path
) -> None:
    with fake_hub() as store:
        store.repositories = hub.repositories
        hub.elsewhere = store.url.replace("127.0.0.1", "localhost")
        folder, _, _ = bring(hub, tmp_path, token="secret")
        assert (folder / ONE).read_bytes() == WEIGHTS
        assert {token for _, _, token in hub.asked} == {"Bearer secret"}
        assert {token for _, _, token in store.asked} == {""}


def repository_of(*paths: str) -> Repository:
    files = tuple(RemoteFile(path, 10, "0" * 64) for path in paths)
    return Repository("some/model", COMMIT, "mit", files)


def chosen(*paths: str, **settings: bool) -> list[str]:
    return [entry.path for entry in choose_files(repository_of(*paths), **settings)]


def test_only_configurations_and_one_set_of_safetensors_are_fetched() -> None:
    stem = "unet/diffusion_pytorch_model"
    assert chosen(
        "model_index.json", "README.md", "sd_turbo.safetensors", "unet/config.json",
        f"{stem}.safetensors", f"{stem}.fp16.safetensors", f"{stem}.bin",
        f"{stem}.non_ema.safetensors", "safety_checker/model.safetensors",
        "safety_checker/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "text_encoder/model.safetensors", "text_encoder/model.fp16.safetensors",
        "image.png", "vae/diffusion_pytorch_model.safetensors",
    ) == [
        "model_index.json", "unet/config.json", f"{stem}.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.fp16.safetensors",
        "tokenizer/vocab.json", "tokenizer/merges.txt", "README.md",
    ]  # fmt: skip


def test_weights_in_several_parts_come_with_their_index() -> None:
    parts = [f"transformer/diffusion_pytorch_model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    index = "transformer/diffusion_pytorch_model.safetensors.index.json"
    assert chosen("model_index.json", index, *parts) == ["model_index.json", index, *parts]


def test_the_third_text_encoder_comes_only_when_asked_for() -> None:
    paths = ("model_index.json", "transformer/diffusion_pytorch_model.safetensors",
             "text_encoder_3/model.safetensors", "tokenizer_3/spiece.model")  # fmt: skip
    assert chosen(*paths) == list(paths[:2])
    assert chosen(*paths, with_t5=True) == list(paths)


def test_an_autoencoder_and_a_lora_are_fetched_alone() -> None:
    tiny = ("config.json", "diffusion_pytorch_model.safetensors")
    assert chosen(*tiny, "taesd_encoder.safetensors", "diffusion_pytorch_model.bin") == list(tiny)
    assert chosen("pytorch_lora_weights.safetensors", "x.png") == [
        "pytorch_lora_weights.safetensors"
    ]


def test_of_many_loras_one_has_to_be_named() -> None:
    repository = repository_of("a.safetensors", "b.safetensors", "c.bin")
    with pytest.raises(FetchError, match=r"FILE one of a\.safetensors, b\.safetensors"):
        choose_files(repository)
    assert [entry.path for entry in choose_files(repository, "b.safetensors")] == ["b.safetensors"]
    with pytest.raises(FetchError, match=r"has no d\.safetensors; it has a\.safetensors"):
        choose_files(repository, "d.safetensors")
    with pytest.raises(FetchError, match="no pickles"):
        choose_files(repository, "c.bin")


def test_pickles_alone_are_refused() -> None:
    with pytest.raises(FetchError, match=r"pickles only \(unet/x\.bin\)"):
        chosen("model_index.json", "unet/x.bin")


@pytest.mark.parametrize("path", ["../up.json", "/etc/x.json", "a\\b.json", "C:x.json"])
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    with pytest.raises(FetchError, match="outside its folder"):
        chosen("model_index.json", path)


def test_a_file_without_a_checksum_is_not_trusted(tmp_path: Path) -> None:
    files = [RemoteFile("a.safetensors", 3, "../../evil")]
    with Hub("http://127.0.0.1:9") as client, pytest.raises(FetchError, match="no checksum"):
        fetch(client, repository_of(), files, tmp_path, lambda step: None, lambda s: None)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["models", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_commands_fetch_list_and_remove_a_model(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    taesd = write_taesd(tmp_path / "taesd")
    (taesd / "README.md").write_text("---\nlicense: mit\n---\n# TAESD\n")
    hub.add("madebyollin/taesd", taesd, licence="mit")
    hub.add("someone/sd", write_sd(tmp_path / "sd", width=64), licence="other")
    for name in ("taesd", "someone/sd"):
        code, out, _ = run(capsys, "fetch", name, "--endpoint", hub.url)
        assert code == 0
        assert "licence" in out
    code, out, _ = run(capsys, "list")
    assert code == 0
    rows = [line.split("  ") for line in out.splitlines()]
    assert any("taesd" in row[1] and "small autoencoder" in " ".join(row) and "mit" in row[-1]
               for row in rows if len(row) > 3)  # fmt: skip
    assert "sonolume models fetch NAME" in out
    table = json.loads(run(capsys, "list", "--json")[1])
    assert [(e["name"], e["family"], e["state"]) for e in table["fetched"]] == [
        ("taesd", "small autoencoder", "whole"), ("someone/sd", "SD, text 64", "whole"),
    ]  # fmt: skip
    assert "taesd" not in {entry["name"] for entry in table["recommended"]}
    code, out, _ = run(capsys, "remove", "someone/sd")
    assert code == 0
    assert "free again" in out
    assert [m.hub_id for m in cached_models(tmp_path / "hub")] == ["madebyollin/taesd"]
    assert run(capsys, "remove", "someone/sd")[0] == 1


def test_offline_by_setting_is_not_the_network(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = run(capsys, "fetch", "sd-turbo", "--endpoint", hub.url)
    assert code == 1
    assert "HF_HUB_OFFLINE is set" in err
    assert hub.asked == []


def test_a_model_of_the_hub_is_never_fetched_by_painting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.diffusion.models.source import checkpoint_path

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"sonolume models fetch sd-turbo"):
        checkpoint_path("sd-turbo")
    (tmp_path / "models--stabilityai--sd-turbo" / "blobs").mkdir(parents=True)
    with pytest.raises(ModelLoadError, match="only in part"):
        checkpoint_path("stabilityai/sd-turbo")
