"""The registry of methods, one line each; ``build`` makes all of them."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal

from groklst_models.errors import ArgumentsError, MissingPackageError, UnknownMethodError

Shelf = Literal["guided", "single", "fitted"]

Guidance = Literal["needed", "used", "ignored"]
"""How a fitted method uses guidance."""

EXTRA: Final = "groklst[boosting]"
"""What to install for methods that need an extra package."""


@dataclass(frozen=True)
class Entry:
    """A method as the catalogue shows it.

    Attributes:
        name: The key that users type.
        shelf: ``guided`` (weights and guidance), ``single`` (weights), ``fitted`` (the scene).
        where: ``module:Class`` below ``groklst_models``.
        title: The method's own name.
        paper: First author, venue and year.
        presets: Arguments of this entry if several entries share a class.
        package: The extra package that it imports.
        any_device: Whether it computes on any device; otherwise always on the CPU.
        guidance: How a fitted method uses guidance; its class says the same.
        weights: The file of weights that is installed with it, below ``groklst_models/weights``.
    """

    name: str
    shelf: Shelf
    where: str
    title: str
    paper: str
    presets: Mapping[str, Any] = field(default_factory=dict)
    package: str | None = None
    any_device: bool = True
    guidance: Guidance = "needed"
    weights: str | None = None

    @property
    def needs_weights(self) -> bool:
        """Whether it runs from a checkpoint only."""
        return self.shelf != "fitted"

    def check_package(self) -> None:
        """Check that its package can be imported.

        Raises:
            MissingPackageError: If it is not installed or cannot be loaded.
        """
        if self.package is None:
            return
        try:
            import_module(self.package)
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                f"{self.name} needs the package {error.name}, which is not installed; "
                f"type: pip install '{EXTRA}'"
            ) from error
        except (ImportError, OSError, ValueError) as error:  # of the loader; ValueError: XGBoost's
            raise MissingPackageError(
                f"{self.name} needs the package {self.package}, which cannot be loaded "
                f"({' '.join(str(error).split())[:200]}); groklst doctor says how to repair it"
            ) from error

    def load(self) -> type[Any]:
        """Import and return its class."""
        module, _, name = self.where.partition(":")
        found: type[Any] = getattr(import_module(f"groklst_models.{module}"), name)
        return found


_TABLE: Final = (
    # fitted
    Entry(
        "atpk",
        "fitted",
        "fitted.atpk:ATPK",
        "Area-to-point kriging",
        "Kyriakidis, GA 2004",
        guidance="ignored",
    ),
    Entry("atprk", "fitted", "fitted.atprk:ATPRK", "Regression kriging", "Wang et al., RSE 2015"),
    Entry(
        "best",
        "fitted",
        "fitted.best:Best",
        "Weighed ensemble",
        "Breiman, Mach. Learn. 1996",
        guidance="used",
    ),
    Entry(
        "bicubic",
        "fitted",
        "fitted.bicubic:Bicubic",
        "Cubic convolution",
        "Keys, TASSP 1981",
        guidance="ignored",
    ),
    Entry(
        "bilinear",
        "fitted",
        "fitted.bilinear:Bilinear",
        "Bilinear",
        "Smith, Ultramicr. 1981",
        guidance="ignored",
    ),
    Entry(
        "catboost",
        "fitted",
        "fitted.catboost:CatBoost",
        "CatBoost",
        "Prokhorenkova et al., NeurIPS 2018",
        package="catboost",
        any_device=False,
    ),
    Entry(
        "dms",
        "fitted",
        "fitted.dms:DMS",
        "Data mining sharpener",
        "Gao et al., RS 2012",
        any_device=False,
    ),
    Entry(
        "extra-trees",
        "fitted",
        "fitted.extra_trees:ExtraTrees",
        "Extra trees",
        "Geurts, ML 2006",
        any_device=False,
    ),
    Entry(
        "fusion",
        "fitted",
        "fitted.fusion:Fusion",
        "Fused regressions",
        "Wolpert, Neural Networks 1992",
        weights="fusion.safetensors",
    ),
    Entry(
        "gradient-boosting",
        "fitted",
        "fitted.gradient_boosting:GradientBoosting",
        "Gradient boosting",
        "Friedman, Ann. Stat. 2001",
        any_device=False,
    ),
    Entry(
        "guided-filter",
        "fitted",
        "fitted.guided_filter:GuidedFilter",
        "Guided filter",
        "He et al., TPAMI 2013",
    ),
    Entry(
        "lightgbm",
        "fitted",
        "fitted.lightgbm:LightGBM",
        "LightGBM",
        "Ke et al., NeurIPS 2017",
        package="lightgbm",
        any_device=False,
    ),
    Entry("local", "fitted", "fitted.local:Local", "Local regression", "Brunsdon et al., GA 1996"),
    Entry(
        "nearest",
        "fitted",
        "fitted.nearest:Nearest",
        "Nearest neighbour",
        "Parker, TMI 1983",
        guidance="ignored",
    ),
    Entry(
        "pixtransform",
        "fitted",
        "fitted.pixtransform:PixTransform",
        "PixTransform",
        "de Lutio et al., ICCV 2019",
    ),
    Entry("quadratic", "fitted", "fitted.quadratic:Quadratic", "Quadratic", "Kustas, RSE 2003"),
    Entry(
        "random-forest",
        "fitted",
        "fitted.random_forest:RandomForest",
        "Random forest",
        "Hutengs & Vohland, RSE 2016",
        any_device=False,
    ),
    Entry("ridge", "fitted", "fitted.ridge:Ridge", "Multi-band ridge", "Agam et al., RSE 2007"),
    Entry(
        "scene-net",
        "fitted",
        "fitted.scene_net:SceneNet",
        "Scene network",
        "de Lutio et al., ICCV 2019",
    ),
    Entry("tsharp", "fitted", "fitted.tsharp:TsHARP", "TsHARP", "Agam et al., RSE 2007"),
    Entry(
        "xgboost",
        "fitted",
        "fitted.xgboost:XGBoost",
        "XGBoost",
        "Chen & Guestrin, KDD 2016",
        package="xgboost",
        any_device=False,
    ),
    # guided
    Entry("ahmf", "guided", "guided.ahmf:AHMF", "AHMF", "Zhong et al., TIP 2022"),
    Entry("codon", "guided", "guided.codon:CODON", "CODON", "Yang et al., IJCV 2022"),
    Entry("cunet", "guided", "guided.cunet:CUNet", "CU-Net", "Deng & Dragotti, TPAMI 2021"),
    Entry("dagf", "guided", "guided.dagf:DAGF", "DAGF", "Zhong et al., TNNLS 2023"),
    Entry("dct", "guided", "guided.dct:DCTNet", "DCTNet", "Zhao et al., CVPR 2022"),
    Entry("dgf", "guided", "guided.dgf:DGF", "DGF", "Wu et al., CVPR 2018"),
    Entry("djf", "guided", "guided.djf:DJF", "DJF", "Li et al., ECCV 2016"),
    Entry("djfr", "guided", "guided.djfr:DJFR", "DJFR", "Li et al., TPAMI 2019"),
    Entry("dkn", "guided", "guided.dkn:DKN", "DKN", "Kim et al., IJCV 2021"),
    Entry("dsrn", "guided", "guided.dsrn:DSRN", "DSRN", "Wang et al., Pattern Recognition 2020"),
    Entry("fdkn", "guided", "guided.dkn:DKN", "FDKN", "Kim et al., IJCV 2021", {"fast": True}),
    Entry("fdsr", "guided", "guided.fdsr:FDSR", "FDSR", "He et al., CVPR 2021"),
    Entry("mocolsk", "guided", "guided.mocolsk:MoCoLSKNet", "MoCoLSK-Net", "Dai et al., TGRS 2025"),
    Entry("msg", "guided", "guided.msg:DMSG", "DMSG", "Hui et al., ECCV 2016"),
    Entry(
        "p2p",
        "guided",
        "guided.p2p:PixTransformNet",
        "PixTransform, trained",
        "de Lutio et al., ICCV 2019",
    ),
    Entry("pac", "guided", "guided.pac:PACNet", "PAC-Net", "Su et al., CVPR 2019"),
    Entry("pgdm", "guided", "guided.pgdm:PGDM", "PGDM", "Zhang et al., arXiv 2511.05964, 2025"),
    Entry("pmba", "guided", "guided.pmba:PMBANet", "PMBANet", "Ye et al., TIP 2020"),
    Entry("rsag", "guided", "guided.rsag:RSAG", "RSAG", "Yuan et al., AAAI 2023"),
    Entry("sgnet", "guided", "guided.sgnet:SGNet", "SGNet", "Wang et al., AAAI 2024"),
    Entry("suft", "guided", "guided.suft:SUFTNet", "SUFT", "Shi et al., ACM MM 2022"),
    Entry("svlrm", "guided", "guided.svlrm:SVLRM", "SVLRM", "Pan et al., CVPR 2019"),
    # single
    Entry("act", "single", "single.act:ACT", "ACT", "Yoo et al., WACV 2023"),
    Entry("cfgn", "single", "single.cfgn:CFGN", "CFGN", "Dai et al., TETCI 2024"),
    Entry("ctn", "single", "single.ctn:CTNet", "CTNet", "Wang et al., TGRS 2022"),
    Entry("dat", "single", "single.dat:DAT", "DAT", "Chen et al., ICCV 2023"),
    Entry("dbpn", "single", "single.dbpn:DBPN", "D-DBPN", "Haris et al., CVPR 2018"),
    Entry("dctlsa", "single", "single.dctlsa:DCTLSA", "DCTLSA", "Zeng et al., TIM 2023"),
    Entry("dlgsanet", "single", "single.dlgsanet:DLGSANet", "DLGSANet", "Li et al., ICCV 2023"),
    Entry("edsr", "single", "single.edsr:EDSR", "EDSR", "Lim et al., CVPRW 2017"),
    Entry("egasr", "single", "single.egasr:EGASR", "EGASR", "Qiu et al., ISPRS J. 2023"),
    Entry("fen", "single", "single.fen:FENet", "FENet", "Behjati et al., Access 2022"),
    Entry("fenet", "single", "single.fenet:FeNet", "FeNet", "Wang et al., TGRS 2022"),
    Entry("han", "single", "single.han:HAN", "HAN", "Niu et al., ECCV 2020"),
    Entry("haunet", "single", "single.haunet:HAUNet", "HAUNet", "Wang et al., TGRS 2023"),
    Entry(
        "hit_sir",
        "single",
        "single.hit_sr:HiTSR",
        "HiT-SIR",
        "Zhang et al., ECCV 2024",
        {"form": "sir"},
    ),
    Entry(
        "hit_sng",
        "single",
        "single.hit_sr:HiTSR",
        "HiT-SNG",
        "Zhang et al., ECCV 2024",
        {"form": "sng"},
    ),
    Entry(
        "hit_srf",
        "single",
        "single.hit_sr:HiTSR",
        "HiT-SRF",
        "Zhang et al., ECCV 2024",
        {"form": "srf"},
    ),
    Entry("ngswin", "single", "single.ngswin:NGswin", "NGswin", "Choi et al., CVPR 2023"),
    Entry("omni", "single", "single.omni:OmniSR", "OmniSR", "Wang et al., CVPR 2023"),
    Entry("rcan", "single", "single.rcan:RCAN", "RCAN", "Zhang et al., ECCV 2018"),
    Entry("rdn", "single", "single.rdn:RDN", "RDN", "Zhang et al., CVPR 2018"),
    Entry("safmn", "single", "single.safmn:SAFMN", "SAFMN", "Sun et al., ICCV 2023"),
    Entry("san", "single", "single.san:SAN", "SAN", "Dai et al., CVPR 2019"),
    Entry("srcnn", "single", "single.srcnn:SRCNN", "SRCNN", "Dong et al., TPAMI 2016"),
    Entry("srfbn", "single", "single.srfbn:SRFBN", "SRFBN", "Li et al., CVPR 2019"),
    Entry("srformer", "single", "single.srformer:SRFormer", "SRFormer", "Zhou et al., ICCV 2023"),
    Entry("swinir", "single", "single.swinir:SwinIR", "SwinIR", "Liang et al., ICCVW 2021"),
)


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Arrange methods by their keys.

    Raises:
        ValueError: If two have the same key.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.name, entry) is not entry:
            raise ValueError(f"the registry has two methods named {entry.name}")
    return found


REGISTRY: Final = by_name(_TABLE)
"""Methods by name."""


def find(name: str) -> Entry:
    """Look a method up.

    Raises:
        UnknownMethodError: If there is no method of that name.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        raise UnknownMethodError(
            f"there is no method {name!r}; choose one of {', '.join(REGISTRY)}, "
            "or name a checkpoint file"
        ) from None


def arguments_of(name: str) -> list[str]:
    """Return the arguments of a method's constructor.

    Raises:
        UnknownMethodError: If there is no such method.
    """
    entry = find(name)
    return [key for key in inspect.signature(entry.load()).parameters if key not in entry.presets]


def build(name: str, **arguments: Any) -> Any:
    """Build a method: a ``torch.nn.Module`` for a network, a ``FittedMethod`` otherwise.

    Args:
        name: Its key.
        **arguments: Keywords of its constructor; the defaults are the paper's values.

    Raises:
        UnknownMethodError: If there is no such method.
        ArgumentsError: If it has no such argument, or the value is not valid.
        MissingPackageError: If it needs a package that is not installed or cannot be loaded.
    """
    entry, known = find(name), arguments_of(name)
    unknown = [key for key in arguments if key not in known]
    if unknown:
        raise ArgumentsError(
            f"{name} has no argument {', '.join(unknown)}; its arguments are {', '.join(known)}"
        )
    entry.check_package()
    try:
        return entry.load()(**entry.presets, **arguments)
    except (TypeError, ValueError) as error:
        raise ArgumentsError(f"{name} cannot be built: {error}") from error
