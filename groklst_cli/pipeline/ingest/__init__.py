"""Convert delivered products into scene folders: one file per sensor, and one table of bands."""
