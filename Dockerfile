# groklst in a container; files are those of the folder that is mounted at /data:
#   docker build --tag groklst .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" groklst downscale lst.tif
# PIP_OPTIONS goes to pip as it is: name an index with it that holds torch's CPU builds, and the
# image is smaller by what CUDA takes. For GPUs leave it, and add --gpus all to docker run.
FROM python:3.11-slim
ARG PIP_OPTIONS=""

# rasterio's wheel takes this one library from the system
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY groklst_cli groklst_cli
COPY models models
RUN pip install --no-cache-dir --constraint constraints.txt ${PIP_OPTIONS} '.[dask]' \
    && rm -rf /build/*

RUN useradd --create-home groklst
USER groklst
ENV MPLCONFIGDIR=/tmp
WORKDIR /data
ENTRYPOINT ["groklst"]
CMD ["--help"]
