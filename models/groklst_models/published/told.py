"""What the tables beside say in words, of each network at its published sizes.

The tables fill tensors, for which one waits for torch; who looks a network up needs the words only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Told:
    """What is to be known of published weights before they are imported.

    Attributes:
        code: The repository whose keys they have.
        differs: What ours computes otherwise, as a clause; empty if it computes the same.
        note: What to know about results that are the same but for borders or rounding.
    """

    code: str
    differs: str = ""
    note: str = ""


TOLD: Final[Mapping[str, Told]] = {
    "act": Told(
        "jinsuyoo/act", differs="there large tokens are added up where they overlap, not averaged"
    ),
    "ahmf": Told("GrokCV/GrokLST"),
    "cfgn": Told("yamengxi/CFGN-PyTorch"),
    "codon": Told("GrokCV/GrokLST"),
    "ctn": Told("BITszwang/CTNet"),
    "cunet": Told("GrokCV/GrokLST"),
    "dagf": Told(
        "GrokCV/GrokLST",
        differs=(
            "there batches are normalized, not each pixel's channels, levels coarser "
            "than the LST see every second pixel, and an activation follows the last "
            "layer"
        ),
    ),
    "dat": Told(
        "zhengchen1999/DAT",
        differs=(
            "there batches are normalized, not each pixel's channels; with --set "
            "arguments.frozen_norms=true it is the same"
        ),
    ),
    "dbpn": Told("alterzero/DBPN-Pytorch"),
    "dct": Told(
        "GrokCV/GrokLST",
        differs=(
            "there the division is by eigenvalues of another Laplacian than the "
            "guidance passes, and a ReLU follows the last layer"
        ),
    ),
    "dctlsa": Told(
        "zengkun301/DCTLSA",
        differs=(
            "there batches are normalized, not each pixel's channels, and moved "
            "windows go on at the opposite edge"
        ),
    ),
    "dgf": Told(
        "wuhuikai/DeepGuidedFilter",
        differs=(
            "there batches are normalized, not each pixel's channels, a window's "
            "weights do not sum to one, and the line passes through the window's "
            "means"
        ),
    ),
    "djf": Told(
        "GrokCV/GrokLST",
        note=("there convolutions are padded otherwise, which changes results near borders"),
    ),
    "djfr": Told(
        "GrokCV/GrokLST",
        note=("there convolutions are padded otherwise, which changes results near borders"),
    ),
    "dkn": Told(
        "GrokCV/GrokLST",
        differs=(
            "there batches are normalized, not each pixel's channels, and neighbours "
            "are counted from the pixel and half a pixel aside, not around it"
        ),
    ),
    "dlgsanet": Told("NeonLeexiang/DLGSANet"),
    "dsrn": Told(
        "GrokCV/GrokLST",
        differs=(
            "there batches are normalized, not each pixel's channels, and the last "
            "layer is normalized and rectified"
        ),
    ),
    "edsr": Told("sanghyun-son/EDSR-PyTorch"),
    "egasr": Told("zhonghangqiu/EGASR"),
    "fdkn": Told(
        "GrokCV/GrokLST",
        differs=(
            "there batches are normalized, not each pixel's channels, and neighbours "
            "are counted from the pixel and half a pixel aside, not around it"
        ),
    ),
    "fdsr": Told("GrokCV/GrokLST"),
    "fen": Told("pbehjatii/FENet-PyTorch"),
    "fenet": Told("wangzheyuan-666/FeNet"),
    "han": Told(
        "wwlCape/HAN",
        differs=(
            "there layers that resemble a layer least weigh most, by a sum over the "
            "values, and the last features are convolved before they are added"
        ),
    ),
    "haunet": Told(
        "likakakaka/HAUNet_RSISR",
        differs="there the third map of the cross-scale block passes its own projection by",
    ),
    "hit_sir": Told("XiangZ-0/HiT-SR"),
    "hit_sng": Told("XiangZ-0/HiT-SR"),
    "hit_srf": Told("XiangZ-0/HiT-SR"),
    "mocolsk": Told(
        "GrokCV/GrokLST",
        note="there the samples of a batch share one convolution, the mean of their own",
    ),
    "msg": Told(
        "GrokCV/GrokLST",
        differs=(
            "there the guidance is divided by its range, the Gaussian meets zeros at "
            "borders, and an activation follows the last layer"
        ),
    ),
    "ngswin": Told("rami0205/NGramSwin"),
    "omni": Told(
        "Francis0625/Omni-SR",
        note="maps whose sides eight does not divide are padded with zeros there",
    ),
    "p2p": Told("GrokCV/GrokLST"),
    "pac": Told("GrokCV/GrokLST"),
    "pgdm": Told(
        "cas222huan/PGDM",
        differs=(
            "LST and bands are brought to a range there, here to mean 0 and deviation"
            " 1, and land cover is not looked at"
        ),
    ),
    "pmba": Told("GrokCV/GrokLST"),
    "rcan": Told("yulunzhang/RCAN"),
    "rdn": Told("sanghyun-son/EDSR-PyTorch"),
    "rsag": Told(
        "Yuanjiayii/DSR_RSAG",
        note=(
            "the benchmark's copy reads each climb's own features in the smooth "
            "branch, which changes its results"
        ),
    ),
    "safmn": Told("sunny2109/SAFMN", differs="there no interpolated LST is added to the result"),
    "san": Told("daitao/SAN"),
    "sgnet": Told(
        "GrokCV/GrokLST",
        note=(
            "where a wave's value is real and negative its phase is π here, π or −π "
            "by rounding there"
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
