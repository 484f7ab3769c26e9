"""Delivered products made into scene folders: one file a sensor, over one table of bands."""
