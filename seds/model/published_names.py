"""The released checkpoint's names for this model's tensors (recordings and released weights use them)."""

from __future__ import annotations

# (ours, published), applied in order; no pattern matches where it should not.
NAMES = (
    ("text_tower.projection", "clip.text_projection"),
    ("text_tower.blocks.", "clip.transformer.resblocks."),
    ("text_tower.", "clip."),
    ("pose_tower.", "clip.visual."),
    ("rgb_tower.", "clip_rgb.visual."),
    ("visual.input.", "visual.conv1."),
    ("visual.blocks.", "visual.transformer.resblocks."),
    ("visual.projection", "visual.proj"),
    (".attention.qkv.", ".attn.in_proj_"),
    ("resblocks.attention.", "resblocks.attn."),
    ("logit_scale", "clip.logit_scale"),
    ("fusion.pose_layers.", "fusion.P2R_layers."),
    ("fusion.rgb_layers.", "fusion.R2P_layers."),
    ("fusion.pose_norm.", "fusion.P2R_layer_norm."),
    ("fusion.rgb_norm.", "fusion.R2P_layer_norm."),
    ("fusion.mix_1.", "fusion.mlp_fusion.mlp.c_fc."),
    ("fusion.mix_2.", "fusion.mlp_fusion.mlp.c_proj."),
    ("fusion.mix_3.", "fusion.mlp_fusion.mlp.c_proj1."),
    ("fusion.mix_norm.", "fusion.mlp_fusion.ln."),
    ("pose_encoder.window_block.", "signbert.GCN_Conv."),
    ("pose_encoder.hand.", "signbert.embed.st_gcn_hand."),
    ("pose_encoder.body.", "signbert.embed.st_gcn_body."),
)
# The same within one part of the model, identified by how the published name starts at that point.
PARTS = {
    "clip": ((".attention.out.", ".attn.out_proj."), (".expand.", ".mlp.c_fc."), (".contract.", ".mlp.c_proj.")),
    "fusion": (
        (".feedforward_norm.", ".feed_forward.layer_norm."),
        (".expand.", ".feed_forward.pwff_layer.0."),
        (".contract.", ".feed_forward.pwff_layer.3."),
        (".attention.query.", ".src_src_att.q_layer."),
        (".attention.key.", ".src_src_att.k_layer."),
        (".attention.value.", ".src_src_att.v_layer."),
        (".attention.offsets.", ".src_src_att.sample_offsets."),
        (".attention.out.", ".src_src_att.output_layer."),
        (".norm.", ".layer_norm."),
    ),
    "signbert": (
        (".temporal.0.", ".tcn_full_b1."),
        (".temporal.1.", ".tcn_full_b2."),
        (".conv5.", ".conv1d_5.0."),
        (".conv3_1.", ".conv1d_3_1.0."),
        (".conv3_2.", ".conv1d_3_2.0."),
        (".mix.", ".conv1x1."),
        (".norm.", ".bn."),
        (".data_norm.", ".data_bn."),
        (".pooled_units.", ".st_gcn_pool."),
        (".units.", ".st_gcn_networks."),
        (".graph.", ".gcn.conv."),
        (".norm1.", ".tcn.0."),
        (".linear.", ".tcn.3."),
        (".norm2.", ".tcn.4."),
        (".shortcut.", ".residual.0."),
        (".shortcut_norm.", ".residual.1."),
        (".out.", ".conv4.0."),
        (".out_norm.", ".conv4.1."),
    ),
}
OURS_ALONE = ("rgb_mean", "rgb_std", "pose_weight")
# In the released checkpoint, but never used.
UNUSED = (
    "clip.logit_scale_first_softmax",
    "clip.logit_scale_sec_softmax",
    "clip.visual.conv2_trans.weight",
    "clip_rgb.visual.conv2_trans.weight",
)
# Constants that this model computes itself.
TABLES = (
    "fusion.pe.pe",
    "signbert.embed.st_gcn_hand.A",
    "signbert.embed.st_gcn_hand.A_pool",
    "signbert.embed.st_gcn_body.A",
    "signbert.embed.st_gcn_body.A_pool",
)
# Linear layers here, 1x1 convolutions there.
POINTWISE = ("visual.conv1.weight", "gcn.conv.weight", "tcn.3.weight", "residual.0.weight", "conv4.0.weight")


def published_name(name: str) -> str:
    """The released name of a tensor of SEDS.state_dict(). Raises KeyError for one that the release does not have."""
    if name in OURS_ALONE:
        raise KeyError(f"the release has no {name!r}")
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    for start, pairs in PARTS.items():
        if name.startswith(start):
            for ours, theirs in pairs:
                name = name.replace(ours, theirs)
    return name


def is_half(name: str) -> bool:
    """Whether the release saves the tensor of that name in float16: the towers' projections, not their norms."""
    return name.startswith(("clip.", "clip_rgb.")) and (
        ".attn." in name
        or ".mlp." in name
        or name.endswith((".proj", "text_projection", "conv1.weight", "conv2_trans.weight"))
    )
