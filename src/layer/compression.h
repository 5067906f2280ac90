/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the openers of layer.h with a chosen gzip backend (NULL: the best there is). */
#ifndef COR_LAYER_COMPRESSION_H
#define COR_LAYER_COMPRESSION_H

#include "layer/gzip.h"
#include "layer/layer.h"

/* As much of a frame as zstd may ask to be remembered: 2^27 bytes, its own default limit. */
#define COMPRESSION_ZSTD_WINDOW_LOG 27

int decompress_open_with(const struct gzip_backend *gzip, cor_read_fn source, void *source_data,
			 struct cor_decompress **ret, struct cor_error *err);
int compress_open_with(const struct gzip_backend *gzip, enum cor_compression kind, cor_write_fn sink,
		       void *sink_data, struct cor_compress **ret, struct cor_error *err);

#endif
