"""Sound-Diffusion's numbers, and what our scales make better."""

from __future__ import annotations

import numpy as np
import pytest

from engine.conditioning.encodings import open_encoding
from engine.conditioning.raw_encoding import RawEncoding
from engine.conditioning.raw_features import (
    MEL_FFT,
    RATE_HZ,
    WINDOW,
    Stretch,
    _mel_bands,
    cepstral_rows,
    rows_of,
    slice_hop,
    spectra,
    stretch_of,
    window_hop,
    window_samples,
)
from engine.conditioning.scales import bank_shares, scaled
from engine.conditioning.sound_embedding import SoundEmbedding, SoundMoment, TargetSpec
from engine.conditioning.sound_mix import bent, mixed
from engine.conditioning.sound_slices import SlicePlan
from engine.conditioning.text_statistics import TextStatistics, text_statistics
from engine.errors import ModelLoadError
from engine.messages import Float32

SD1 = TargetSpec(77, 768)
EMBER = TargetSpec(8, 256, 256)
SECONDS = WINDOW / RATE_HZ


def sounds(seconds: float = 2.0, rate_hz: int = RATE_HZ) -> dict[str, Float32]:
    """Three sines, a bell, a clarinet, noise: what the reference measured with."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    rng = np.random.default_rng(0)
    bell = sum(
        np.exp(-t * 0.5 * (1 + k)) * np.sin(2 * np.pi * 440 * r * t)
        for k, r in enumerate((0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76))
    )
    clarinet = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in (1, 3, 5, 7, 9))
    made = {
        "sine 1 Hz": np.sin(2 * np.pi * t),
        "sine 10 Hz": np.sin(20 * np.pi * t),
        "sine 100 Hz": np.sin(200 * np.pi * t),
        "bell": bell / np.abs(bell).max(),
        "clarinet": clarinet / np.abs(clarinet).max(),
        "noise": 0.3 * rng.standard_normal(len(t)),
    }
    return {name: (0.7 * each).astype(np.float32) for name, each in made.items()}


def clip_like(target: TargetSpec = SD1, prompts: int = 24) -> TextStatistics:
    """Rows as CLIP-L writes them: about N(-0.1, 1.03), and a first row that never changes."""
    rng = np.random.default_rng(1)
    common = rng.standard_normal((target.tokens, target.width))
    bos = np.zeros(target.width)
    bos[:2] = (-28.0912, 33.0632)
    bank = []
    for _ in range(prompts):
        own = rng.standard_normal((target.tokens, target.width))
        tokens = -0.1 + 1.03 * (0.6 * common + 0.8 * own)
        tokens[0] = bos
        pooled = rng.standard_normal(target.pooled_width) if target.pooled_width else None
        bank.append(SoundEmbedding(tokens.astype(np.float32), pooled))
    return text_statistics(bank)


def embedded(encoding: str, scale: str, text: TextStatistics) -> dict[str, SoundEmbedding]:
    made = {}
    for name, samples in sounds().items():
        found = RawEncoding(encoding, scale, text).embed(SoundMoment(samples, RATE_HZ))
        assert found is not None, name
        made[name] = found
    return made


def pairwise(embeddings: dict[str, SoundEmbedding], *, rows: slice = slice(None)) -> Float32:
    """Cosines between different sounds, of all rows together."""
    flat = np.stack([each.tokens[rows].ravel() for each in embeddings.values()])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return (flat @ flat.T)[np.triu_indices(len(flat), 1)]


def neighbours(rows: Float32) -> Float32:
    """Cosines between each row and the next."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (unit[1:] * unit[:-1]).sum(axis=1)


def test_the_waveform_of_a_prompt_is_59136_samples_or_1_341_seconds():
    assert window_samples("waveform", SD1) == WINDOW == 59_136
    assert round(RawEncoding("waveform", "raw", clip_like()).window_s, 3) == 1.341
    samples = sounds()["noise"]
    stretch = stretch_of(SoundMoment(samples, RATE_HZ), 77, WINDOW)
    rows = rows_of("waveform", stretch, SD1)
    assert rows.shape == (77, 768)
    np.testing.assert_array_equal(rows.ravel(), samples[-59_136:])


@pytest.mark.parametrize("length", [5_700, 44_100, 59_136, 441_000])
def test_the_hop_rule_gives_exactly_77_frames(length: int):
    hop = window_hop(length, 77)
    assert hop == length // 77 + 1
    assert 1 + length // hop == 77


def test_the_hop_rule_fails_for_the_last_time_at_5775_samples():
    """The reference page says 5 699, which is the last but one."""
    failing = [n for n in range(1, 60_000) if 1 + n // window_hop(n, 77) != 77]
    assert failing[-2:] == [5_699, 5_775]


def test_magnitudes_are_those_of_an_independent_stft():
    samples = sounds()["bell"][:WINDOW]
    hop = window_hop(WINDOW, 77)
    mine = spectra(Stretch(samples, 0, WINDOW, hop), 77, 1534)
    padded = np.pad(samples, 767)
    window = np.sin(np.pi * np.arange(1534) / 1534) ** 2
    for row in (0, 1, 40, 76):
        part = padded[row * hop : row * hop + 1534] * window
        k = np.arange(0, 768, 37)
        direct = np.abs(np.exp(-2j * np.pi * np.outer(k, np.arange(1534)) / 1534) @ part)
        np.testing.assert_allclose(mine[row, k], direct, atol=2e-3)
    assert mine.shape == (77, 768)


def test_rows_far_apart_hear_everything_between_them():
    """A click between two rows of ember's eight is heard, which one window a row would miss."""
    samples = np.zeros(WINDOW, np.float32)
    hop = window_hop(WINDOW, 8)
    samples[3 * hop + hop // 3] = 1.0
    rows = spectra(Stretch(samples, 0, WINDOW, hop), 8, 510)
    assert rows[3].min() > 0.0
    assert rows[[0, 1, 2, 4, 5, 6, 7]].max() == 0.0


def test_the_mel_bands_are_librosas():
    import librosa

    theirs = librosa.filters.mel(sr=RATE_HZ, n_fft=MEL_FFT, n_mels=128, fmax=8000.0).T
    np.testing.assert_allclose(_mel_bands(), theirs, atol=2e-6)


def test_a_tone_stands_where_it_belongs_on_the_mel_rows():
    t = np.arange(WINDOW) / RATE_HZ
    rows = {}
    for hz in (200.0, 1000.0, 4000.0):
        samples = np.sin(2 * np.pi * hz * t).astype(np.float32)
        stretch = stretch_of(SoundMoment(samples, RATE_HZ), 77, WINDOW)
        rows[hz] = rows_of("mel", stretch, SD1)[40]
        assert rows[hz].max() == pytest.approx(1.0, abs=0.02)
    peaks = [int(each.argmax()) for each in rows.values()]
    # Slaney: 3, 15 and 15 + 27 ln(4) / ln(6.4) of 45.245 mel.
    expected = [768 * mel / 45.245 for mel in (3.0, 15.0, 35.164)]
    np.testing.assert_allclose(peaks, expected, atol=8)


def test_mfcc_rows_are_the_smooth_envelope_of_the_mel_rows():
    bands = np.arange(128)
    smooth = (0.5 + 0.3 * np.cos(np.pi * 3 * (bands + 0.5) / 128)).astype(np.float32)
    rough = smooth + 0.2 * (-1.0) ** bands
    made = cepstral_rows(np.stack([smooth, rough]).astype(np.float32), 128)
    np.testing.assert_allclose(made[0], smooth, atol=1e-4)
    np.testing.assert_allclose(made[1], smooth, atol=0.02)


def test_raw_rows_are_near_copies_of_each_other_and_far_too_long():
    """The reference measured neighbours at .78 to .998 and lengths of 43 to 549."""
    for name, each in embedded("fft", "raw", clip_like()).items():
        assert np.median(neighbours(each.tokens)) > 0.75, name
        assert np.linalg.norm(each.tokens, axis=1).max() > 43.0, name


def test_minmax_makes_all_sounds_alike():
    """The reference measured pairwise cosines of .83 to .999 and rows of a length near 777."""
    made = embedded("fft", "minmax", clip_like())
    found = pairwise(made)
    assert found.min() == pytest.approx(0.83, abs=0.02)
    assert found.max() == pytest.approx(0.999, abs=0.005)
    for name, each in made.items():
        assert each.tokens.min() == pytest.approx(-28.0912, abs=1e-3), name
        assert each.tokens.max() == pytest.approx(33.0632, abs=1e-3), name
        if name != "noise":  # whose energy is not in a few low bins
            lengths = np.linalg.norm(each.tokens, axis=1)
            assert np.median(lengths) == pytest.approx(777.0, rel=0.05), name


def test_standard_and_manifold_tell_sounds_apart_where_minmax_does_not():
    text = clip_like()
    alike = pairwise(embedded("fft", "minmax", text), rows=slice(1, None))
    for scale in ("standard", "manifold"):
        apart = pairwise(embedded("fft", scale, text), rows=slice(1, None))
        assert np.median(apart) < np.median(alike) - 0.2, (scale, apart)


@pytest.mark.parametrize("scale", ["standard", "manifold"])
@pytest.mark.parametrize("encoding", ["waveform", "fft", "mel", "mfcc"])
def test_scaled_rows_are_as_long_as_text_and_keep_its_first_row(encoding: str, scale: str):
    text = clip_like()
    np.testing.assert_array_equal(text.kept, np.eye(1, 77, dtype=np.float32)[0])
    for name, each in embedded(encoding, scale, text).items():
        lengths = np.linalg.norm(each.tokens, axis=1)
        np.testing.assert_allclose(lengths[1:], text.lengths[1:], rtol=0.1, err_msg=name)
        np.testing.assert_allclose(each.tokens[0], text.mean[0], atol=2e-3, err_msg=name)


def test_neighbouring_rows_are_decorrelated():
    text = clip_like()
    for name, each in embedded("fft", "standard", text).items():
        own = each.tokens - text.mean
        assert np.abs(neighbours(own[1:])).mean() < 0.15, name


def test_the_manifold_stays_inside_the_span_of_the_bank():
    text = clip_like()
    span = text.tokens[:, 5, :].astype(np.float64)  # of one row: 24 prompts in 768 directions
    for name, each in embedded("mel", "manifold", text).items():
        row = each.tokens[5].astype(np.float64)
        found, *_ = np.linalg.lstsq(span.T, row, rcond=None)
        assert np.linalg.norm(span.T @ found - row) < 1e-4 * np.linalg.norm(row), name
        assert found.min() > -1e-4, name  # and inside their hull, lengths apart


def test_shares_of_the_bank_sum_to_one_and_find_a_prompt_of_it_again():
    text = clip_like()
    shares = bank_shares(text.tokens[7], text)
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert int(shares.argmax()) == 7


def test_embers_prompt_space_has_a_pooled_vector_of_its_own():
    text = clip_like(EMBER)
    assert text.target == EMBER
    for scale in ("raw", "minmax", "standard", "manifold"):
        made = embedded("mel", scale, text)
        pooled = np.stack([each.pooled for each in made.values()])
        assert pooled.shape == (6, 256)
        assert np.ptp(pooled, axis=0).max() > 1e-3, scale


def test_a_manifold_of_a_slightly_louder_or_later_sound_is_nearly_the_same():
    text = clip_like(EMBER)
    encoding = RawEncoding("mel", "manifold", text)
    samples = sounds(3.0)["clarinet"]
    here = encoding.embed(SoundMoment(samples[:-400], RATE_HZ))
    louder = encoding.embed(SoundMoment(1.3 * samples[:-400], RATE_HZ))
    later = encoding.embed(SoundMoment(samples, RATE_HZ))
    for other in (louder, later):
        gap = np.linalg.norm(other.tokens - here.tokens) / np.linalg.norm(here.tokens)
        assert gap < 0.05


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000, 192_000])
def test_the_sample_rate_does_not_change_what_is_heard(rate_hz: int):
    text = clip_like(EMBER)
    encoding = RawEncoding("mel", "standard", text)
    low = np.sin(2 * np.pi * 500 * np.arange(3 * RATE_HZ) / RATE_HZ).astype(np.float32)
    same = np.sin(2 * np.pi * 500 * np.arange(3 * rate_hz) / rate_hz).astype(np.float32)
    here = encoding.embed(SoundMoment(low, RATE_HZ)).tokens.ravel()
    there = encoding.embed(SoundMoment(same, rate_hz)).tokens.ravel()
    assert here @ there / np.linalg.norm(here) / np.linalg.norm(there) > 0.9


def test_silence_is_nothing_to_encode_and_a_short_sound_is_preceded_by_silence():
    encoding = RawEncoding("fft", "standard", clip_like(EMBER))
    assert encoding.embed(SoundMoment(np.zeros(0, np.float32), RATE_HZ)) is None
    assert encoding.embed(SoundMoment(np.full(9_000, 1e-4, np.float32), RATE_HZ)) is None
    short = encoding.embed(SoundMoment(sounds()["bell"][:12_000], RATE_HZ))
    assert short is not None
    assert np.isfinite(short.tokens).all()


def test_bending_pushes_by_eight_tenths_of_the_rms():
    tokens = np.random.default_rng(3).standard_normal((8, 16)).astype(np.float32)
    made = bent(SoundEmbedding(tokens, tokens[0]), rms=0.5, amount=1.0)
    pushes = made.tokens - tokens
    np.testing.assert_allclose(np.abs(pushes), 0.4 * tokens.std(), rtol=1e-3)
    assert abs(pushes.mean()) < 0.1
    assert bent(SoundEmbedding(tokens), rms=0.5, amount=0.0).tokens is tokens


def test_a_mix_keeps_the_lengths_of_its_rows():
    rng = np.random.default_rng(4)
    one, two = (SoundEmbedding(rng.standard_normal((8, 64)).astype(np.float32)) for _ in range(2))
    half = mixed([one, two], [0.25, 0.75])
    wanted = 0.25 * np.linalg.norm(one.tokens, axis=1) + 0.75 * np.linalg.norm(two.tokens, axis=1)
    np.testing.assert_allclose(np.linalg.norm(half.tokens, axis=1), wanted, rtol=1e-4)


def test_slices_are_as_many_as_pictures_and_keep_the_fraction_of_a_second():
    plan = SlicePlan(samples=round(2.55 * 44_100), sample_rate=44_100, per_second=20.0)
    assert plan.count == 51  # Sound-Diffusion: floor(2.55) * 20 = 40
    assert plan.span(0) == (0, 2_205)
    assert plan.span(50)[0] == 50 * 2_205


@pytest.mark.parametrize(("seconds", "fps"), [(10, 20), (3, 30), (60, 12)])
def test_the_hop_of_slices_is_that_of_the_reference(seconds: int, fps: int):
    length = seconds * 44_100
    count = seconds * fps
    hop = slice_hop(length, count, 77)
    assert hop == length // (77 * count) - 1
    assert 1 + length // hop >= 77 * count
    assert abs(slice_hop(round(44_100 / fps), 1, 77) - hop) <= 1


def test_slices_never_drift_against_the_pictures():
    plan = SlicePlan(samples=600 * 44_100, sample_rate=44_100, per_second=29.97)
    for index in (1, 1_000, 17_981):
        assert abs(plan.span(index)[0] / 44_100 - index / 29.97) < 1e-4


def test_overlapping_slices_hear_their_neighbours():
    plan = SlicePlan(samples=441_000, sample_rate=44_100, per_second=10.0, overlap=0.5)
    assert plan.span(3) == (11_025, 19_845)


def test_between_two_slices_both_count():
    plan = SlicePlan(samples=44_100, sample_rate=44_100, per_second=4.0)
    assert plan.shares(0.25) == ((1, 1.0),)
    (one, share), (two, rest) = plan.shares(0.375)
    assert (one, two) == (1, 2)
    assert share == pytest.approx(0.5)
    assert rest == pytest.approx(0.5)
    assert plan.shares(99.0) == ((3, 1.0),)


def test_a_slice_is_encoded_whole_and_its_margins_are_not():
    text = clip_like(EMBER)
    rng = np.random.default_rng(5)
    tone = np.sin(2 * np.pi * 440 * np.arange(1_470) / RATE_HZ).astype(np.float32)
    noise = rng.standard_normal(6_000).astype(np.float32)
    rows = {}
    for name, around in (("quiet", 0.0 * noise), ("loud", noise)):
        samples = np.concatenate([around[:3_000], tone, around[3_000:]])
        stretch = stretch_of(SoundMoment(samples, RATE_HZ, margin=3_000), 8, WINDOW)
        assert (stretch.first, stretch.length) == (3_000, 1_470)
        assert stretch.hop == 1_470 // 8 - 1
        rows[name] = rows_of("waveform", stretch, text.target)
    np.testing.assert_array_equal(rows["quiet"], rows["loud"])


def test_an_unknown_adapter_is_one_line_with_the_remedy():
    with pytest.raises(ModelLoadError, match="choose waveform, fft, mel or mfcc"):
        open_encoding("soul", None, EMBER, scale="raw", text=clip_like)


def test_two_prompts_at_least_are_needed_for_statistics():
    with pytest.raises(ValueError, match="no spread"):
        text_statistics([SoundEmbedding(np.zeros((2, 4), np.float32))])


def test_a_scale_that_is_none_is_refused():
    text = clip_like(EMBER)
    with pytest.raises(ValueError, match="no scale"):
        scaled(np.ones((8, 256), np.float32), "mel", "loud", text)
