"""Names of layers as trainers spell them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.diffusion.lora_keys import layer_table, read_key, unread_kind

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

Q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
KNOWN = {
    "lora_unet_" + Q.replace(".", "_") + ".lora_up.weight": ("unet", Q, "up"),
    "lora_unet_" + Q.replace(".", "_") + ".lora_mid.weight": ("unet", Q, "mid"),
    "lora_unet_" + Q.replace(".", "_") + ".alpha": ("unet", Q, "alpha"),
    "lora_unet_" + Q.replace(".", "_") + ".hada_w2_b": ("unet", Q, "hada_w2_b"),
    "lora_unet_" + Q.replace(".", "_") + ".lokr_w1": ("unet", Q, "lokr_w1"),
    f"unet.{Q}.lora_A.weight": ("unet", Q, "down"),
    f"unet.{Q}.lora_B.default.weight": ("unet", Q, "up"),
    f"unet.{Q}.lora.down.weight": ("unet", Q, "down"),
    f"base_model.model.{Q}.lora_A.weight": ("unet", Q, "down"),
    f"base_model.model.unet.{Q}.lora_A.weight": ("unet", Q, "down"),
    f"{Q.removesuffix('to_q')}processor.to_q_lora.up.weight": ("unet", Q, "up"),
    "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": (
        "text_encoder", "text_model.encoder.layers.0.mlp.fc1", "alpha",
    ),
    "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (
        "text_encoder_2", "text_model.encoder.layers.0.mlp.fc1", "down",
    ),
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight": (
        "text_encoder", "text_model.encoder.layers.0.self_attn.q_proj", "up",
    ),
    "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight": (
        "text_encoder", "text_model.encoder.layers.0.self_attn.to_q", "up",
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", KNOWN)
def test_a_key_says_component_layer_and_part(key: str) -> None:
    component, layer, part = KNOWN[key]
    found = read_key(key)
    assert found is not None
    assert (found.component, found.layer, found.part) == (component, layer.replace(".", "_"), part)


@pytest.mark.parametrize("key", ["model.diffusion_model.input_blocks.0.0.weight", "emb_params"])
def test_what_is_no_part_of_a_lora_has_no_key(key: str) -> None:
    assert read_key(key) is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("lora_unet_x.dora_scale", "DoRA"),
        ("unet.x.lora_magnitude_vector.weight", "DoRA"),
        ("lora_unet_x.hada_t1", "LyCORIS in Tucker form"),
        ("lora_unet_x.oft_blocks", "OFT"),
        ("lora_unet_x.diff", "whole differences of weights"),
        ("bundle_emb.token.string_to_param", "new words for the text encoder"),
        ("unet.x.lora_B.bias", "biases"),
    ],
)
def test_what_is_not_read_is_known_by_name(key: str, kind: str) -> None:
    assert unread_kind(key) == kind


SDXL = {  # as kohya's files for SDXL have them
    "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
    "input_blocks_4_0_skip_connection": "down_blocks.1.resnets.0.conv_shortcut",
    "input_blocks_4_1_transformer_blocks_1_attn2_to_k":
        "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k",
    "input_blocks_8_1_proj_in": "down_blocks.2.attentions.1.proj_in",
    "middle_block_1_transformer_blocks_9_ff_net_0_proj":
        "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj",
    "middle_block_2_emb_layers_1": "mid_block.resnets.1.time_emb_proj",
    "output_blocks_0_1_transformer_blocks_0_attn1_to_out_0":
        "up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks_5_1_proj_out": "up_blocks.1.attentions.2.proj_out",
    "output_blocks_8_0_out_layers_3": "up_blocks.2.resnets.2.conv2",
    "label_emb_0_0": "add_embedding.linear_1",
    "time_embed_2": "time_embedding.linear_2",
    "out_2": "conv_out",
}  # fmt: skip
SD15 = {  # as files cut out of merged SD 1.x checkpoints have them
    "input_blocks_1_1_proj_in": "down_blocks.0.attentions.0.proj_in",
    "input_blocks_11_0_in_layers_2": "down_blocks.3.resnets.1.conv1",
    "output_blocks_2_1_conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks_4_1_transformer_blocks_0_attn2_to_k":
        "up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k",
    "output_blocks_5_2_conv": "up_blocks.1.upsamplers.0.conv",
    "output_blocks_11_1_proj_out": "up_blocks.3.attentions.2.proj_out",
}  # fmt: skip


def full_size(**config: object) -> nn.Module:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: nn.Module = UNet2DConditionModel(**config)
    return unet


def test_the_names_of_the_first_release_are_those_of_the_full_size_networks() -> None:
    sdxl = full_size(
        sample_size=128, block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        use_linear_projection=True,
    )  # fmt: skip
    sd15 = full_size(cross_attention_dim=768)
    for network, names in ((sdxl, SDXL), (sd15, SD15)):
        table = layer_table("unet", network)
        for original, ours in names.items():
            assert table[original] is network.get_submodule(ours), original
        # Every layer goes by its own name too, and by nobody else's.
        layers = {
            n: m for n, m in network.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))
        }
        assert all(table[name.replace(".", "_")] is layer for name, layer in layers.items())
        assert set(table.values()) == set(layers.values())
