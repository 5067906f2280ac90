/* SPDX-License-Identifier: Apache-2.0 */
/* --publish [HOST-IP:]HOST-PORT:CONTAINER-PORT[/PROTOCOL] as the portMappings that CNI plugins take. */
#include "client/network.h"

#include <arpa/inet.h>
#include <errno.h>

static int invalid(const char *flag, const char *why, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "--publish \"%.200s\": %s: the format is "
			     "[HOST-IP:]HOST-PORT:CONTAINER-PORT[/tcp|/udp|/sctp]",
			     flag, why);
}

static bool parse_port(const char *s, int *ret)
{
	uint32_t n;
	if (cor_parse_u32(s, &n) < 0 || n < 1 || n > 65535)
		return false;
	*ret = (int)n;
	return true;
}

static bool is_address(const char *s)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, s, bytes) == 1 || inet_pton(AF_INET6, s, bytes) == 1;
}

/* Cuts the last ":x" off; x, or NULL. */
static char *cut_last(char *s)
{
	char *colon = strrchr(s, ':');
	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

/* "[::1]" without its brackets. */
static char *strip_brackets(char *s)
{
	size_t n = strlen(s);
	if (n < 2 || s[0] != '[' || s[n - 1] != ']')
		return s;
	s[n - 1] = '\0';
	return s + 1;
}

static int parse_one(const char *flag, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *copy = strdup(flag);
	const char *protocol = "tcp", *address = "";
	int host, container;
	if (!copy)
		return cor_error_oom(err);
	char *slash = strrchr(copy, '/');
	if (slash) {
		*slash = '\0';
		protocol = slash + 1;
	}
	if (!streq(protocol, "tcp") && !streq(protocol, "udp") && !streq(protocol, "sctp"))
		return invalid(flag, "unknown protocol", err);
	char *container_text = cut_last(copy);
	if (!container_text)
		return invalid(flag, "two ports are needed", err);
	char *host_text = cut_last(copy);
	if (host_text)
		address = strip_brackets(copy);
	else
		host_text = copy;
	if (!parse_port(host_text, &host) || !parse_port(container_text, &container))
		return invalid(flag, "a port is a number from 1 to 65535", err);
	if (address[0] && !is_address(address))
		return invalid(flag, "not an IP address", err);
	json_t *m = json_pack("{s:i, s:i, s:s}", "hostPort", host, "containerPort", container, "protocol",
			      protocol);
	if (!m || (address[0] && json_object_set_new(m, "hostIP", json_string(address)) < 0)) {
		json_decref(m);
		return cor_error_oom(err);
	}
	*ret = m;
	return 0;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
	return (!x && !y) || json_equal(x, y);
}

int cor_publish_parse(char *const *flags, json_t **ret, struct cor_error *err)
{
	if (cor_strv_len(flags) == 0) {
		*ret = NULL;
		return 0;
	}
	_cleanup_json_ json_t *list = json_array();
	if (!list)
		return cor_error_oom(err);
	for (; *flags; flags++) {
		json_t *m = NULL;
		int r = parse_one(*flags, &m, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *old = json_array_get(list, i);
			if (same(old, m, "hostPort") && same(old, m, "protocol") && same(old, m, "hostIP")) {
				json_decref(m);
				return invalid(*flags, "host port given twice", err);
			}
		}
		if (json_array_append_new(list, m) < 0)
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(list);
	return 0;
}
