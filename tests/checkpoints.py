"""Tiny randomly initialised checkpoints in the exact diffusers layout, written to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from engine.semantic.clap_folder import DEFAULT_CLAP

CLIP_WORDS = ["l", "o", "w", "e", "r", "s", "t", "i", "d", "n", "lo", "l</w>", "w</w>", "r</w>",
              "t</w>", "low</w>", "er</w>", "lowest</w>", "newer</w>", "wider</w>",
              "<unk>", "<|startoftext|>", "<|endoftext|>"]  # fmt: skip


def write_sd(
    folder: Path, *, width: int = 32, seed: int = 0, tiny_vae: bool = True, plain: bool = False
) -> Path:
    """SD 1.x / SD-Turbo layout; `width` is the text width (768 and 1024 in the real ones).

    `plain` has the scheduler of SD 1.5, which was made for many steps.
    """
    torch.manual_seed(seed)
    _write_unet(folder, cross_attention_dim=width)
    _write_vae(folder, tiny=tiny_vae)
    _write_text(folder, "tokenizer", "text_encoder", width)
    if plain:
        _write_scheduler(folder, "PNDMScheduler", "leading")
    else:
        _write_scheduler(folder)
    _index(folder, "StableDiffusionPipeline")
    return folder


def write_sdxl(folder: Path, *, seed: int = 0) -> Path:
    """SDXL-Turbo layout: two text encoders, pooled embedding, time ids."""
    torch.manual_seed(seed)
    _write_unet(
        folder, cross_attention_dim=64, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=32 + 6 * 8,
        transformer_layers_per_block=(1, 1), use_linear_projection=True,
    )  # fmt: skip
    _write_vae(folder, tiny=True)
    _write_text(folder, "tokenizer", "text_encoder", 32)
    _write_text(folder, "tokenizer_2", "text_encoder_2", 32, projected=True)
    _write_scheduler(folder)
    _index(folder, "StableDiffusionXLPipeline")
    return folder


def write_sdxs(folder: Path, *, seed: int = 0) -> Path:
    """SDXS-512 layout: three levels, one layer each, no middle, a Tiny autoencoder as its own."""
    torch.manual_seed(seed)
    _write_unet(
        folder, cross_attention_dim=32, block_out_channels=(32, 32, 64), mid_block_type=None,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    _write_vae(folder, tiny=True)
    _write_text(folder, "tokenizer", "text_encoder", 32)
    _write_scheduler(folder)
    _index(folder, "StableDiffusionPipeline")
    return folder


def write_lcm(folder: Path, *, seed: int = 0) -> Path:
    """LCM_Dreamshaper layout: the U-Net has an input for the guidance."""
    torch.manual_seed(seed)
    _write_unet(folder, cross_attention_dim=32, time_cond_proj_dim=16)
    _write_vae(folder, tiny=False)
    _write_text(folder, "tokenizer", "text_encoder", 32)
    _write_scheduler(folder, class_name="LCMScheduler", timestep_spacing="leading")
    _index(folder, "LatentConsistencyModelPipeline")
    return folder


def write_sd3(folder: Path, *, seed: int = 0, tiny_vae: bool = False) -> Path:
    """SD 3 layout without its T5: two CLIP encoders with projections, 16 latent channels."""
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(seed)
    transformer = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=16, out_channels=16, num_layers=2,
        attention_head_dim=8, num_attention_heads=4, joint_attention_dim=80,
        caption_projection_dim=32, pooled_projection_dim=64, pos_embed_max_size=24,
        dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip
    transformer.save_pretrained(folder / "transformer")
    _write_vae(folder, tiny=tiny_vae, latent_channels=16, scaling_factor=1.5305,
               shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False)  # fmt: skip
    _write_text(folder, "tokenizer", "text_encoder", 32, projected=True)
    _write_text(folder, "tokenizer_2", "text_encoder_2", 32, projected=True)
    home = folder / "scheduler"
    home.mkdir(parents=True)
    table = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000,
             "shift": 3.0}  # fmt: skip
    (home / "scheduler_config.json").write_text(json.dumps(table))
    _index(
        folder, "StableDiffusion3Pipeline",
        scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"],
        transformer=["diffusers", "SD3Transformer2DModel"],
        vae=["diffusers", "AutoencoderTiny" if tiny_vae else "AutoencoderKL"],
        text_encoder=["transformers", "CLIPTextModelWithProjection"],
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        text_encoder_3=["transformers", "T5EncoderModel"],
        tokenizer=["transformers", "CLIPTokenizer"], tokenizer_2=["transformers", "CLIPTokenizer"],
        tokenizer_3=["transformers", "T5TokenizerFast"],
    )  # fmt: skip
    return folder


def write_taesd(folder: Path, *, seed: int = 7, latent_channels: int = 4) -> Path:
    """`madebyollin/taesd` layout: an `AutoencoderTiny` with nothing around it."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(seed)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1),
        latent_channels=latent_channels,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _write_unet(folder: Path, **config: Any) -> None:
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": (32, 64), "norm_num_groups": 8, "attention_head_dim": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }  # fmt: skip
    UNet2DConditionModel(**settings | config).save_pretrained(folder / "unet")


def _write_vae(folder: Path, *, tiny: bool, latent_channels: int = 4, **config: Any) -> None:
    from diffusers import AutoencoderKL, AutoencoderTiny

    vae: Any
    if tiny:
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1),
            latent_channels=latent_channels,
        )  # fmt: skip
    else:
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), norm_num_groups=4, latent_channels=latent_channels,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            **config,
        )  # fmt: skip
    vae.save_pretrained(folder / "vae")


def _write_text(
    folder: Path, tokenizer: str, encoder: str, width: int, *, projected: bool = False
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(CLIP_WORDS), hidden_size=width, intermediate_size=37, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=77, projection_dim=32,
        bos_token_id=21, eos_token_id=22, pad_token_id=22,
    )  # fmt: skip
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    model.save_pretrained(folder / encoder)
    home = folder / tokenizer
    home.mkdir(parents=True)
    vocabulary = {word: index for index, word in enumerate(CLIP_WORDS)}
    (home / "vocab.json").write_text(json.dumps(vocabulary))
    (home / "merges.txt").write_text("#version: 0.2\nl o\nlo w</w>\ne r</w>\n")
    (home / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77,
                    "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                    "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"})
    )  # fmt: skip


def _write_scheduler(
    folder: Path, class_name: str = "EulerDiscreteScheduler", timestep_spacing: str = "trailing"
) -> None:
    """As SD-Turbo's; plain checkpoints space their steps "leading"."""
    home = folder / "scheduler"
    home.mkdir(parents=True)
    (home / "scheduler_config.json").write_text(
        json.dumps({"_class_name": class_name, "beta_start": 0.00085, "beta_end": 0.012,
                    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
                    "prediction_type": "epsilon", "timestep_spacing": timestep_spacing})
    )  # fmt: skip


def _index(folder: Path, class_name: str, **components: list[str]) -> None:
    table = {"_class_name": class_name, **components}
    (folder / "model_index.json").write_text(json.dumps(table))


def write_lora_kohya(
    path: Path, checkpoint: Path, *, seed: int = 0, rank: int = 2, alpha: float | None = 1.0,
    text: bool = True, original_names: bool = False, size: float = 0.5,
    only: str = "", metadata: dict[str, str] | None = None,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Write a LoRA of every layer of a tiny checkpoint under the keys of kohya's trainer.

    `original_names` are those of kohya's SDXL files: the blocks of the first release. `only` keeps
    layers whose name holds it. Returns what is added at weight 1, by component and module.
    """
    tensors: dict[str, torch.Tensor] = {}
    deltas: dict[str, torch.Tensor] = {}
    twins = (checkpoint / "text_encoder_2").is_dir()
    roots = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if twins else "lora_te_",
             "text_encoder_2": "lora_te2_"}  # fmt: skip
    for component, layer, up, down in _factors(checkpoint, seed, rank, text, only, size):
        spelled = _named_by_trainers(component, layer)
        if original_names and component == "unet":
            spelled = _original_name(layer)
        name = roots[component] + spelled.replace(".", "_")
        tensors[f"{name}.lora_up.weight"] = up
        tensors[f"{name}.lora_down.weight"] = down
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
        deltas[f"{component}.{layer}"] = _product(up, down) * (alpha or rank) / rank
    _save(tensors, path, metadata)
    return deltas


def write_lora_peft(
    path: Path, checkpoint: Path, *, seed: int = 0, rank: int = 2, alpha: float | None = None,
    text: bool = True, old: bool = False, size: float = 0.5, only: str = "",
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Write a LoRA of a tiny checkpoint in diffusers' layout: peft's keys, or the `old` ones.

    `alpha` goes into the file's note, where diffusers keeps it; without, it is the rank.
    """
    tensors: dict[str, torch.Tensor] = {}
    deltas: dict[str, torch.Tensor] = {}
    up_name, down_name = ("lora.up", "lora.down") if old else ("lora_B", "lora_A")
    for component, layer, up, down in _factors(checkpoint, seed, rank, text, only, size):
        spelled = _named_by_trainers(component, layer)
        tensors[f"{component}.{spelled}.{up_name}.weight"] = up
        tensors[f"{component}.{spelled}.{down_name}.weight"] = down
        deltas[f"{component}.{layer}"] = _product(up, down) * (alpha or rank) / rank
    note = {f"{part}.lora_alpha": alpha for part in ("unet", "text_encoder", "text_encoder_2")}
    notes = {} if alpha is None else {"lora_adapter_metadata": json.dumps(note)}
    _save(tensors, path, {"format": "pt", **notes})
    return deltas


def _factors(
    checkpoint: Path, seed: int, rank: int, text: bool, only: str, size: float
) -> list[tuple[str, str, torch.Tensor, torch.Tensor]]:
    """(component, layer, up, down) of every linear layer and convolution that is stored."""
    from safetensors import safe_open

    generator = torch.Generator().manual_seed(seed)
    factors = []
    for component in ("unet", "text_encoder", "text_encoder_2") if text else ("unet",):
        for file in sorted((checkpoint / component).glob("*.safetensors")):
            with safe_open(file, "pt") as weights:
                for key in weights.keys():  # noqa: SIM118 - a file is no dictionary
                    shape = weights.get_slice(key).get_shape()
                    layer = key.removesuffix(".weight")
                    if len(shape) < 2 or "embedding" in key.split(".")[-2] or only not in key:
                        continue
                    up = torch.randn(shape[0], rank, *[1] * (len(shape) - 2), generator=generator)
                    down = torch.randn(rank, *shape[1:], generator=generator)
                    down *= size / (rank * down[0].numel()) ** 0.5
                    factors.append((component, layer, up * size, down))
    return factors


def _named_by_trainers(component: str, layer: str) -> str:
    """CLIP's layers as all files call them; transformers 5 stores some without `text_model.`."""
    inner = layer.startswith("encoder.") and component.startswith("text")
    return f"text_model.{layer}" if inner else layer


def _product(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    return (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])


def _save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)


_ORIGINAL_BLOCKS = {
    "conv_in": "input_blocks.0.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0", "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0", "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0", "up_blocks.1.resnets.1": "output_blocks.3.0",
}  # fmt: skip
_ORIGINAL_LAYERS = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip


def _original_name(layer: str) -> str:
    block = max((b for b in _ORIGINAL_BLOCKS if f"{layer}.".startswith(f"{b}.")), key=len)
    inner = layer[len(block) + 1 :]
    return f"{_ORIGINAL_BLOCKS[block]}.{_ORIGINAL_LAYERS.get(inner, inner)}".rstrip(".")


def write_clap(folder: Path, *, seed: int = 0, fused: bool = False) -> Path:
    """`laion/clap-htsat-unfused` (or `-fused`) layout: two towers, tokenizer, extractor."""
    from transformers import ClapConfig, ClapModel

    torch.manual_seed(seed)
    fusion = {"enable_fusion": True, "fusion_type": "aff_2d"} if fused else {}
    config = ClapConfig(
        text_config={"vocab_size": 262, "hidden_size": 32, "num_hidden_layers": 2,
                     "num_attention_heads": 4, "intermediate_size": 64,
                     "max_position_embeddings": 96},
        audio_config={"patch_embeds_hidden_size": 8, "hidden_size": 64, "spec_size": 256,
                      "num_mel_bins": 64, "depths": [1, 1, 1, 1],
                      "num_attention_heads": [1, 2, 2, 4], **fusion},
        projection_dim=48, logit_scale_init_value=20.0,
    )  # fmt: skip
    ClapModel(config).save_pretrained(folder)
    _write_byte_tokenizer(folder)
    extractor = {
        "feature_extractor_type": "ClapFeatureExtractor", "processor_class": "ClapProcessor",
        "feature_size": 64, "sampling_rate": 48_000, "hop_length": 480, "fft_window_size": 1024,
        "max_length_s": 10, "nb_max_samples": 480_000, "frequency_min": 50,
        "frequency_max": 14_000, "padding": "repeatpad", "padding_value": 0.0,
        "truncation": "fusion" if fused else "rand_trunc",
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    return folder


def write_fetched_clap(cache: Path) -> Path:
    """The same where the hub's cache has `DEFAULT_CLAP` once it was fetched."""
    home = cache / f"models--{DEFAULT_CLAP.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    return write_clap(home / "snapshots" / ("0" * 40))


def _write_byte_tokenizer(folder: Path) -> None:
    """RoBERTa's kind of tokenizer that knows single bytes and no merges."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = [chr(byte) for byte in shown] + [chr(256 + place) for place in range(len(hidden))]
    words = ["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "RobertaTokenizer", "model_max_length": 90})
    )


def write_controlnet(folder: Path, checkpoint: Path, *, seed: int = 0, zero: bool = False) -> Path:
    """`lllyasviel/sd-controlnet-canny` layout, for the U-Net of `checkpoint`.

    `zero` leaves its last convolutions as training begins with them: the branch adds nothing.
    """
    from diffusers import ControlNetModel, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(
        checkpoint / "unet", use_safetensors=True, low_cpu_mem_usage=False
    )
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 96, 256))
    if not zero:
        with torch.no_grad():
            for parameter in net.parameters():
                if not parameter.any():
                    parameter.normal_(0.0, 3.0)
    net.save_pretrained(folder)
    return folder


def write_ip_adapter(file: Path, checkpoint: Path, *, seed: int = 0, tokens: int = 4) -> Path:
    """`h94/IP-Adapter` layout: `ip-adapter_sd15.safetensors` with `image_encoder` beside it."""
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
            image_size=28, patch_size=7, projection_dim=20,
        )
    )  # fmt: skip
    encoder.save_pretrained(file.parent / "image_encoder")
    unet = UNet2DConditionModel.from_pretrained(
        checkpoint / "unet", use_safetensors=True, low_cpu_mem_usage=False
    )
    width = int(unet.config.cross_attention_dim)
    weights = {
        "image_proj.proj.weight": torch.randn(tokens * width, 20),
        "image_proj.proj.bias": torch.randn(tokens * width),
        "image_proj.norm.weight": 1.0 + 0.1 * torch.randn(width),
        "image_proj.norm.bias": 0.1 * torch.randn(width),
    }
    for index, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            inner = unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0]
            for part in ("to_k_ip", "to_v_ip"):
                weights[f"ip_adapter.{index}.{part}.weight"] = torch.randn(inner, width)
    save_file(weights, file)
    return file
