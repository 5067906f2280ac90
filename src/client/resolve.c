/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an image's name (or its target) to the one manifest and config to run.
 *
 * An index may be nested and may name platforms whose blobs are not here. Its candidates are tried from the best match
 * down: a candidate whose blobs are missing gives way to the next one; when none is left, the first one's complaint is
 * what the caller hears. As in containerd, the platform is not enforced on a target that is a manifest itself.
 */
#include "client/client.h"

#include <errno.h>

#include "oci/digest.h"

#define DEPTH_MAX      8
#define CANDIDATES_MAX 64 /* documents opened in one resolution, whatever the nesting */

struct search {
	struct cor_services *s;
	struct cor_platform want;
	unsigned opened;
};

struct candidate {
	const struct cor_descriptor *desc;
	int rank;
};

void cor_resolved_image_done(struct cor_resolved_image *r)
{
	cor_image_done(&r->image);
	cor_descriptor_done(&r->manifest_desc);
	cor_manifest_done(&r->manifest);
	cor_image_config_done(&r->config);
	free(r->chain_id);
	*r = (struct cor_resolved_image){0};
}

static int no_match(const char *digest, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "no match for platform in manifest %s: not found", digest);
}

static int read_config(struct cor_services *s, struct cor_resolved_image *r, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int e;

	e = cor_content_read_all(s, r->manifest.config.digest, COR_CONFIG_SIZE_MAX, &text, &len, err);
	if (e < 0)
		return e;
	e = cor_image_config_parse(text, len, &r->config, err);
	return e < 0 ? cor_error_wrap(err, e, "%s", r->manifest.config.digest) : 0;
}

static int set_chain_id(struct cor_resolved_image *r, struct cor_error *err)
{
	char chain[COR_DIGEST_MAX] = "", next[COR_DIGEST_MAX];

	if (cor_strv_len(r->config.diff_ids) != r->manifest.n)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"manifest %s: mismatched image rootfs and manifest layers: %zu diff IDs, %zu layers",
			r->manifest_desc.digest, cor_strv_len(r->config.diff_ids), r->manifest.n);
	for (char **d = r->config.diff_ids; d && *d; d++) {
		cor_chain_id(chain, *d, next);
		memcpy(chain, next, sizeof(chain));
	}
	r->chain_id = strdup(chain);
	return r->chain_id ? 0 : cor_error_oom(err);
}

static int take_manifest(struct search *q, const struct cor_descriptor *desc, bool top, const char *text,
			 size_t len, struct cor_resolved_image *r, struct cor_error *err)
{
	int e;

	e = cor_manifest_parse(text, len, desc->media_type, &r->manifest, err);
	if (e < 0)
		return cor_error_wrap(err, e, "manifest %s", desc->digest);
	if (cor_descriptor_copy(&r->manifest_desc, desc) < 0)
		return cor_error_oom(err);
	e = read_config(q->s, r, err);
	if (e < 0)
		return e;
	if (!top && !desc->platform && cor_platform_match(&q->want, &r->config.platform) < 0)
		return no_match(desc->digest, err);
	return set_chain_id(r, err);
}

static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->desc < y->desc ? -1 : 1; /* same array: document order */
}

static int search_descriptor(struct search *q, const struct cor_descriptor *desc, unsigned depth,
			     struct cor_resolved_image *r, struct cor_error *err);

static int search_index(struct search *q, const struct cor_index *index, const char *digest, unsigned depth,
			struct cor_resolved_image *r, struct cor_error *err)
{
	_cleanup_free_ struct candidate *list = cor_new0(struct candidate, index->n ? index->n : 1);
	struct cor_error first = {0};
	size_t n = 0;

	if (!list)
		return cor_error_oom(err);
	for (size_t i = 0; i < index->n; i++) {
		const struct cor_descriptor *d = &index->manifests[i];
		int rank = d->platform ? cor_platform_match(&q->want, d->platform) : INT32_MAX;

		if (rank >= 0)
			list[n++] = (struct candidate){d, rank};
	}
	qsort(list, n, sizeof(*list), by_rank);
	for (size_t i = 0; i < n; i++) {
		struct cor_error mine = {0};
		int e = search_descriptor(q, list[i].desc, depth + 1, r, &mine);

		if (e == 0)
			return 0;
		cor_resolved_image_done(r);
		if (first.code == COR_OK || mine.code != COR_NOT_FOUND)
			first = mine;
		if (mine.code != COR_NOT_FOUND)
			break;
	}
	if (first.code == COR_OK)
		return no_match(digest, err);
	if (err)
		*err = first;
	return cor_code_to_errno(first.code);
}

static int search_descriptor(struct search *q, const struct cor_descriptor *desc, unsigned depth,
			     struct cor_resolved_image *r, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(cor_index_done) struct cor_index index = {0};
	bool is_index = cor_media_type_is_index(desc->media_type);
	size_t len;
	int e;

	if (!is_index && !cor_media_type_is_manifest(desc->media_type))
		return cor_error_set(err, COR_NOT_FOUND, "unexpected media type %.100s for %s: not found",
				     desc->media_type ? desc->media_type : "", desc->digest);
	if (depth > DEPTH_MAX || ++q->opened > CANDIDATES_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "index %s: too many nested documents",
				     desc->digest);
	e = cor_content_read_all(q->s, desc->digest, COR_MANIFEST_SIZE_MAX, &text, &len, err);
	if (e < 0)
		return e;
	if (!is_index)
		return take_manifest(q, desc, depth == 0, text, len, r, err);
	e = cor_index_parse(text, len, desc->media_type, &index, err);
	if (e < 0)
		return cor_error_wrap(err, e, "index %s", desc->digest);
	free(TAKE_PTR(text));
	return search_index(q, &index, desc->digest, depth, r, err);
}

int cor_resolve_descriptor(struct cor_services *s, const struct cor_descriptor *target, const char *platform,
			   struct cor_resolved_image *ret, struct cor_error *err)
{
	_cleanup_(cor_resolved_image_done) struct cor_resolved_image r = {0};
	struct search q = {.s = s};
	int e = 0;

	if (cor_empty(platform))
		cor_platform_host(&q.want);
	else
		e = cor_platform_parse(platform, &q.want, err);
	if (e < 0)
		return e;
	e = search_descriptor(&q, target, 0, &r, err);
	if (e < 0)
		return e;
	*ret = r;
	r = (struct cor_resolved_image){0};
	return 0;
}

int cor_resolve_image(struct cor_services *s, const char *name, const char *platform,
		      struct cor_resolved_image *ret, struct cor_error *err)
{
	_cleanup_(cor_image_done) struct cor_image image = {0};
	int e;

	e = s->images->get(s, name, &image, err);
	if (e < 0)
		return e;
	struct cor_platform unused;
	if (!cor_empty(platform) && cor_platform_parse(platform, &unused, err) < 0)
		return -EINVAL;
	e = cor_resolve_descriptor(s, &image.target, platform, ret, err);
	if (e == -ENOENT) /* ctr's words, which scripts match, have no prefix here */
		return e;
	if (e < 0)
		return cor_error_wrap(err, e, "image \"%s\"", name);
	ret->image = image;
	image = (struct cor_image){0};
	return 0;
}
