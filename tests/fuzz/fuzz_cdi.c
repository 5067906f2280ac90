/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CDI file. Checked besides memory: what is refused has a message of one line; what is taken is the same after it was
 * written as JSON and read again; and its edits make a spec that is still one (as --config would take it), or are refused with a
 * reason.
 */
#include <stdlib.h>

#include "cdi/internal.h"
#include "spec/internal.h"

static void check_message(const struct cor_error *err)
{
	if (err->code == COR_OK || !err->message[0] || strchr(err->message, '\n'))
		abort();
}

static void round_trip(const json_t *doc)
{
	_cleanup_free_ char *text = cor_json_dump(doc);
	_cleanup_json_ json_t *again = NULL;
	struct cor_error err = {0};

	if (!text || cor_cdi_parse(text, strlen(text), &again, NULL, &err) < 0 || !json_equal(doc, again))
		abort();
}

static void edit(json_t *spec, const json_t *edits)
{
	struct cor_error err = {0};

	if (cor_spec_cdi_edit(spec, edits, &err) < 0)
		check_message(&err);
}

static void check_spec(const json_t *spec)
{
	_cleanup_free_ char *text = cor_json_dump(spec);
	_cleanup_json_ json_t *again = NULL;
	struct cor_error err = {0};

	if (!text || cor_spec_config_parse(text, strlen(text), &again, &err) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *doc = NULL, *spec = NULL;
	_cleanup_free_ char *kind = NULL;
	struct cor_error err = {0};
	json_t *device;
	size_t i;

	if (cor_cdi_parse((const char *)data, size, &doc, &kind, &err) < 0) {
		check_message(&err);
		if (doc)
			abort();
		return 0;
	}
	if (!kind)
		abort();
	round_trip(doc);
	if (cor_spec_default("n", "c", &spec, &err) < 0)
		abort();
	edit(spec, json_object_get(doc, "containerEdits"));
	json_array_foreach(json_object_get(doc, "devices"), i, device)
		edit(spec, json_object_get(device, "containerEdits"));
	check_spec(spec);
	return 0;
}
