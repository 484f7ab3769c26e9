"""Which GDAL drivers are used; this module does not import GDAL, so it can run before it."""

import os
from typing import Final

DRIVERS: Final = (
    "GTiff",  # the format of nearly all products; COG writes the same format
    "COG",
    "VRT",  # mosaics and band stacks of local files
    "MEM",  # arrays of groklst
    "HFA",  # Erdas Imagine, a common form of classified and topographic guides
    "ENVI",  # airborne and hyperspectral products
    "EHdr",  # older elevation models
    "AAIGrid",  # elevation models as text
    "SRTMHGT",  # elevation models of SRTM
    "JP2OpenJPEG",  # Sentinel-2 bands
    "HDF4",  # MODIS products, where GDAL is built with it, which rasterio's wheels are not
    "HDF4Image",
    "HDF5",  # VIIRS, ECOSTRESS and INSAT products
    "HDF5Image",
)
"""Formats that are read; netCDF and Zarr can open addresses on their own, so they are not."""

_OTHERS: Final = """
    ACE2 ADRG AIG AVCBin AVCE00 AirSAR BAG BIGGIF BLX BMP BSB BT BYN CALS CEOS COASP COSAR CPG
    CTG CTable2 DAAS DERIVED DIMAP DIPEx DOQ1 DOQ2 DTED ECRGTOC ECW EEDA EEDAI EIR ELAS ERS ESAT
    ESRIC ESRIJSON FAST FIT FITS GFF GIF GNMDatabase GNMFile GPKG GRASSASCIIGrid GRIB GS7BG GSAG
    GSBG GSC GTI GTX GXF GenBin GeoJSON GeoJSONSeq HEIF HF2 HTTP ILWIS IRIS ISCE ISG ISIS2 ISIS3
    JAXAPALSAR JDEM JP2ECW JP2KAK JPEG JPEGXL KMLSUPEROVERLAY KRO L1B LAN LCP LIBERTIFF LOSLAS
    Leveller MAP MBTiles MFF MFF2 MRF MSGN MVT MrSID MySQL NDF NGSGEOID NITF NOAA_B NSIDCbin
    NTv2 NWT_GRC NWT_GRD OGCAPI OSM OZI OpenFileGDB PAux PCIDSK PCRaster PDF PDS PDS4 PLMOSAIC
    PLSCENES PNG PNM PRF PostGISRaster PostgreSQL R RCM RIK RMF ROI_PAC RPFTOC RRASTER RS2 RST
    Rasterlite S102 S104 S111 SAFE SAGA SAR_CEOS SDTS SENTINEL2 SGI SIGDEM SNAP_TIFF SNODAS
    SQLite SRP STACIT STACTA Terragen TGA TIL TSX TileDB TopoJSON USGSDEM VICAR WCS WEBP WFS WMS
    WMTS XPM XYZ ZMap Zarr netCDF
"""
_SKIPPED: Final = ",".join([*_OTHERS.split(), "ESRI Shapefile"])


def leave_out_drivers() -> None:
    """Keep GDAL from registering other drivers, in this process and its children.

    It must run before the first file is opened. It affects the whole process, so only the command
    does it, never the Python interface.
    """
    os.environ["GDAL_SKIP"] = _SKIPPED
