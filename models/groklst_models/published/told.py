"""The remarks of the tables, for each network at its published sizes.

The tables import torch, which takes long; a user who looks up a network only needs the remarks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Told:
    """Remarks on published weights before they are imported.

    Attributes:
        code: The repository whose keys they have.
        differs: What ours computes differently, as a clause; empty if it computes the same.
        note: A remark on results that differ only at borders or by rounding.
    """

    code: str
    differs: str = ""
    note: str = ""


TOLD: Final[Mapping[str, Told]] = {
    "act": Told(
        "jinsuyoo/act",
        differs="the published code adds large tokens where they overlap and does not average them",
    ),
    "ahmf": Told("GrokCV/GrokLST"),
    "cfgn": Told("yamengxi/CFGN-PyTorch"),
    "codon": Told("GrokCV/GrokLST"),
    "ctn": Told("BITszwang/CTNet"),
    "cunet": Told("GrokCV/GrokLST"),
    "dagf": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code normalizes batches, not each pixel's channels; its levels "
            "coarser than the LST see every second pixel, and an activation follows its last "
            "layer"
        ),
    ),
    "dat": Told(
        "zhengchen1999/DAT",
        differs=(
            "the published code normalizes batches, not each pixel's channels; with --set "
            "arguments.frozen_norms=true both are the same"
        ),
    ),
    "dbpn": Told("alterzero/DBPN-Pytorch"),
    "dct": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code divides by the eigenvalues of another Laplacian than the one "
            "that the guidance passes, and a ReLU follows its last layer"
        ),
    ),
    "dctlsa": Told(
        "zengkun301/DCTLSA",
        differs=(
            "the published code normalizes batches, not each pixel's channels, and its shifted "
            "windows wrap around to the opposite edge"
        ),
    ),
    "dgf": Told(
        "wuhuikai/DeepGuidedFilter",
        differs=(
            "the published code normalizes batches, not each pixel's channels; its window "
            "weights do not sum to one, and its line passes through the means of the window"
        ),
    ),
    "djf": Told(
        "GrokCV/GrokLST",
        note=(
            "the published code pads convolutions differently, which changes results near borders"
        ),
    ),
    "djfr": Told(
        "GrokCV/GrokLST",
        note=(
            "the published code pads convolutions differently, which changes results near borders"
        ),
    ),
    "dkn": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code normalizes batches, not each pixel's channels, and counts "
            "neighbours from the pixel and half a pixel aside, not around it"
        ),
    ),
    "dlgsanet": Told("NeonLeexiang/DLGSANet"),
    "dsrn": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code normalizes batches, not each pixel's channels, and normalizes "
            "and rectifies its last layer"
        ),
    ),
    "edsr": Told("sanghyun-son/EDSR-PyTorch"),
    "egasr": Told("zhonghangqiu/EGASR"),
    "fdkn": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code normalizes batches, not each pixel's channels, and counts "
            "neighbours from the pixel and half a pixel aside, not around it"
        ),
    ),
    "fdsr": Told("GrokCV/GrokLST"),
    "fen": Told("pbehjatii/FENet-PyTorch"),
    "fenet": Told("wangzheyuan-666/FeNet"),
    "han": Told(
        "wwlCape/HAN",
        differs=(
            "the published code gives the largest weights to the least similar layers, by a sum "
            "over the values, and convolves the last features before they are added"
        ),
    ),
    "haunet": Told(
        "likakakaka/HAUNet_RSISR",
        differs="in the published code the third map of the cross-scale block bypasses its "
        "projection",
    ),
    "hit_sir": Told("XiangZ-0/HiT-SR"),
    "hit_sng": Told("XiangZ-0/HiT-SR"),
    "hit_srf": Told("XiangZ-0/HiT-SR"),
    "mocolsk": Told(
        "GrokCV/GrokLST",
        note="in the published code the samples of a batch share one convolution, the mean of "
        "their own",
    ),
    "msg": Told(
        "GrokCV/GrokLST",
        differs=(
            "the published code divides the guidance by its range, pads the Gaussian with zeros "
            "at borders, and an activation follows its last layer"
        ),
    ),
    "ngswin": Told("rami0205/NGramSwin"),
    "omni": Told(
        "Francis0625/Omni-SR",
        note="the published code pads maps with zeros if their sides are not multiples of eight",
    ),
    "p2p": Told("GrokCV/GrokLST"),
    "pac": Told("GrokCV/GrokLST"),
    "pgdm": Told(
        "cas222huan/PGDM",
        differs=(
            "the published code scales LST and bands to a range, groklst to mean 0 and standard "
            "deviation 1; groklst does not use land cover"
        ),
    ),
    "pmba": Told("GrokCV/GrokLST"),
    "rcan": Told("yulunzhang/RCAN"),
    "rdn": Told("sanghyun-son/EDSR-PyTorch"),
    "rsag": Told(
        "Yuanjiayii/DSR_RSAG",
        note=(
            "the benchmark's copy reads the features of each upsampling step in the smooth "
            "branch, which changes its results"
        ),
    ),
    "safmn": Told(
        "sunny2109/SAFMN",
        differs="the published code does not add the interpolated LST to the result",
    ),
    "san": Told("daitao/SAN"),
    "sgnet": Told(
        "GrokCV/GrokLST",
        note=(
            "where a Fourier coefficient is real and negative, its phase is π here, and π or −π "
            "by rounding in the published code"
        ),
    ),
    "srcnn": Told("GrokCV/GrokLST"),
    "srfbn": Told("Paper99/SRFBN_CVPR19"),
    "srformer": Told("HVision-NKU/SRFormer"),
    "suft": Told("GrokCV/GrokLST"),
    "svlrm": Told("curlyqian/SVLRM"),
    "swinir": Told("JingyunLiang/SwinIR"),
}
"""By the network's key."""
